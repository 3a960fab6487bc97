// The way up: step after step, phase after phase. When a step of a phase does not hold, the rest of the phase is
// left out and the next one begins. A step that the host has no room for is sized down to what there is room for,
// once a phase, and what it would have needed is said.

import type { LadderRecord, LadderStep } from '#dashboards/report/ladder-record.ts';
import { numberText } from '#dashboards/report/number-text.ts';
import { chooseEngines, isNoEngine, type StepEngines } from '#lab/ladder/choose-engines.ts';
import type { ComparedSteps } from '#lab/ladder/compare-settings.ts';
import { dropFileCache, readHostMemory } from '#lab/ladder/host-memory.ts';
import type { Ladder, PlannedStep, SizedStep } from '#lab/ladder/ladder.ts';
import { runStep } from '#lab/ladder/ladder-step.ts';
import { between, sized } from '#lab/ladder/step-list.ts';
import { type Foresight, foresee, sizeDown } from '#lab/ladder/step-room.ts';
import type { LabState } from '#lab/run/run-state.ts';

/** Everything of a step beside its hold, at the least: logging in, settling, ending. */
const STEP_SPARE_MS = 20_000;

export class Climb {
  readonly steps: LadderStep[] = [];
  readonly phases: LadderRecord['phases'] = [];
  /** Steps at the knee, by their place in `steps`. */
  readonly compared: ComparedSteps[];
  /** Why it ended where it did, for a sentence. */
  end = 'every step was held';
  readonly #state: LabState;
  readonly #ladder: Ladder;
  readonly #choose: typeof chooseEngines;

  /** `choose`: what a step runs on here. */
  constructor(state: LabState, ladder: Ladder, choose = chooseEngines) {
    this.#state = state;
    this.#ladder = ladder;
    this.#choose = choose;
    this.compared = ladder.comparisons
      .filter(({ phase }) => ladder.steps.some(({ comparedIn }) => comparedIn === phase))
      .map((one) => ({ ...one, before: [], after: [] }));
  }

  /** Most users that were held. */
  get reached(): number {
    return this.steps
      .filter(({ outcome }) => outcome === 'held')
      .reduce((most, { connections }) => Math.max(most, connections), 0);
  }

  async run(): Promise<void> {
    for (const planned of this.#ladder.steps) {
      const isCompared = planned.users === 'knee';
      // What is compared at the knee is beyond the end of the climb, whatever that was.
      const phase = isCompared ? planned.comparedIn : planned.phase;
      if (this.#hasEnded(phase)) continue;
      const late = this.#timeFor(planned);
      if (late !== undefined) {
        this.#endPhase(phase, late);
        break;
      }
      if (isCompared) {
        await this.#compare(planned);
        continue;
      }
      const obstacle = await this.#takeSurely(planned);
      if (obstacle === undefined) continue;
      this.#endPhase(planned.phase, (await this.#refine(planned)) ?? obstacle);
    }
    this.#endRest('');
  }

  #hasEnded(phase: string): boolean {
    return this.phases.some(({ name }) => name === phase);
  }

  /** Takes a step at the knee, with exactly as many users as the first phase held: others would compare nothing. */
  async #compare(planned: PlannedStep): Promise<void> {
    const first = this.#ladder.steps[0]!.phase;
    const users = this.#reachedIn(first);
    if (users === 0) {
      const why = `${first} held nobody, so there is no knee`;
      this.#endPhase(planned.comparedIn, why);
      return;
    }
    const step = sized(planned, users);
    const engines = this.#enginesFor(planned);
    if (typeof engines === 'string') {
      this.#endPhase(planned.comparedIn, engines);
      return;
    }
    this.#foresee(step, engines);
    const place = this.steps.length;
    await this.#step(step, engines);
    const { before, after } = this.compared.find(({ phase }) => phase === planned.comparedIn)!;
    (planned.phase === planned.comparedIn ? after : before).push(place);
  }

  /** The run was ended from outside. */
  cutShort(sentence: string): void {
    this.end = sentence;
    this.#endRest(sentence);
  }

  /** Phases that nothing has ended yet: `cut` says why those of them that had begun did not go on. */
  #endRest(cut: string): void {
    const order = [...new Set(this.#ladder.steps.map(({ phase }) => phase))];
    for (const phase of order) {
      if (!this.#hasEnded(phase)) this.#endQuietly(phase, cut);
    }
    // As in the file: what was compared has ended last of all.
    this.phases.sort((one, other) => order.indexOf(one.name) - order.indexOf(other.name));
  }

  /** Where the end is looked for exactly, a step counts as broken when it breaks twice: hosts have bad moments. */
  async #takeSurely(planned: PlannedStep): Promise<string | undefined> {
    const taken = this.steps.length;
    const obstacle = await this.#take(planned);
    const isBroken = obstacle !== undefined && this.steps.length > taken;
    if (!isBroken || planned.refineRatio === 0) return obstacle;
    return this.#timeFor(planned) === undefined ? await this.#take(planned) : obstacle;
  }

  /** Looks for the end of a phase between its last step that was held and what broke it. */
  async #refine(like: PlannedStep): Promise<string | undefined> {
    let obstacle: string | undefined;
    for (;;) {
      const held = this.#reachedIn(like.phase);
      const broken = this.#brokenIn(like.phase, held);
      const users = between(held, broken, like.refineRatio);
      if (users === undefined || this.#timeFor(like) !== undefined) return obstacle;
      obstacle = (await this.#takeSurely({ ...like, users })) ?? obstacle;
      // Sized down to what was held, or to nothing: there is nothing between.
      const last = this.steps.at(-1)!;
      if (last.phase !== like.phase || last.connections !== users) return obstacle;
    }
  }

  /** Fewest users beyond `held` that a phase did not hold. */
  #brokenIn(name: string, held: number): number {
    return this.steps
      .filter(
        ({ phase, outcome, connections }) =>
          phase === name && outcome !== 'held' && connections > held,
      )
      .reduce((least, { connections }) => Math.min(least, connections), Number.POSITIVE_INFINITY);
  }

  /** Takes one step, or as much of it as there is room for; why the phase ends with it, if it does. */
  async #take(written: PlannedStep): Promise<string | undefined> {
    const planned = sized(written, Number(written.users));
    const engines = this.#enginesFor(planned);
    if (typeof engines === 'string') return engines;
    const { stop } = this.#ladder;
    const foresight = this.#foresee(planned, engines);
    const before = this.#reachedIn(planned.phase);
    let { usersMax, sentence } = foresight;
    if (foresight.isWorthTrying) {
      const broken = await this.#step(planned, engines);
      const { counts, freeBytesMin } = this.steps.at(-1)!;
      const isMemory = (freeBytesMin ?? Number.POSITIVE_INFINITY) < stop.freeBytesMin;
      if (broken === undefined || !isMemory) return broken;
      usersMax = counts.generator ?? 0;
      sentence = broken;
    }
    const fit = sizeDown(usersMax, before);
    if (fit === undefined) return sentence;
    const broken = await this.#step(sized(written, fit), engines);
    return broken ?? `${sentence}; ${numberText(fit)} were taken instead`;
  }

  /** What a step runs on, or why it cannot here: then its phase is left out, and the next one begins. */
  #enginesFor(planned: PlannedStep): StepEngines | string {
    try {
      return this.#choose(planned);
    } catch (error) {
      if (!isNoEngine(error)) throw error;
      const { progress } = this.#state;
      progress.start(`phase ${planned.comparedIn || planned.phase}`.trim(), 'looking');
      progress.end('left-out', error.message);
      return error.message;
    }
  }

  /** Whether there is room, after what the kernel keeps of files was given back where it was needed. */
  #foresee({ users }: SizedStep, { engine }: StepEngines): Foresight {
    const { stop } = this.#ladder;
    const look = (): Foresight => foresee(users, engine, this.steps, stop, readHostMemory());
    const foresight = look();
    // Clean pages of files are no use to a ladder, and those used lately do not count as free.
    return foresight.lackBytes > 0 && dropFileCache() ? look() : foresight;
  }

  /** Most users that a phase held so far. */
  #reachedIn(name: string): number {
    return this.steps
      .filter(({ phase, outcome }) => phase === name && outcome === 'held')
      .reduce((most, { connections }) => Math.max(most, connections), 0);
  }

  async #step(planned: SizedStep, engines: StepEngines): Promise<string | undefined> {
    const { progress } = this.#state;
    const where = planned.phase === '' ? '' : `${planned.phase} `;
    progress.start(`step ${where}${numberText(planned.users)}`, 'starting');
    const context = { state: this.#state, ladder: this.#ladder, ...engines };
    const step = await runStep(context, planned, (text) => progress.update(text));
    this.steps.push(step);
    const isHeld = step.outcome === 'held';
    progress.end(isHeld ? 'done' : 'failed', stepText(step));
    return isHeld ? undefined : `the step to ${numberText(planned.users)}: ${step.sentence}`;
  }

  #endPhase(name: string, obstacle: string | undefined): void {
    const reached = this.#reachedIn(name);
    this.phases.push({ name, reached, sentence: obstacle ?? 'every step was held' });
    if (obstacle === undefined) return;
    const before = this.end === 'every step was held' ? '' : `${this.end}; `;
    this.end = `${before}${name === '' ? '' : `${name}: `}${obstacle}`;
  }

  /** A phase that nothing ended: a climb to its top, a comparison, or what there was no time for. */
  #endQuietly(name: string, cut: string): void {
    const comparison = this.compared.find(({ phase }) => phase === name);
    const places = [...(comparison?.before ?? []), ...(comparison?.after ?? [])];
    const broken = places.map((place) => this.steps[place]!).filter((s) => s.outcome !== 'held');
    const isClimb = comparison === undefined && this.steps.some(({ phase }) => phase === name);
    const sentences = [
      isClimb && cut === '' ? 'every step was held' : '',
      places.length > 0 ? `${places.length} steps beside ${comparison!.against} at the knee` : '',
      ...broken.map(({ phase, sentence }) => `one of ${phase} was not held: ${sentence}`),
    ].filter((sentence) => sentence !== '');
    const hasBegun = isClimb || places.length > 0;
    if (hasBegun && cut !== '') sentences.push(cut);
    const sentence = hasBegun ? sentences.join('; ') : 'not begun';
    this.phases.push({ name, reached: this.#reachedIn(name), sentence });
  }

  #timeFor({ holdMs }: PlannedStep): string | undefined {
    const { startedWallMs, clock } = this.#state;
    const { maxDurationMs, settleMs } = this.#ladder;
    const neededMs = holdMs + settleMs + STEP_SPARE_MS;
    if (clock.wallMs() + neededMs < startedWallMs + maxDurationMs) return undefined;
    return `maxDuration (${maxDurationMs / 1000} s) leaves no time for another step`;
  }
}

function stepText(step: LadderStep): string {
  const rounded = (value: number | null): string =>
    numberText(value === null ? null : Math.round(value));
  const p99 = step.latencyUs.p99 === null ? '-' : numberText(step.latencyUs.p99 / 1000);
  const figures =
    `${rounded(step.loginsPerS)} logins/s, ${rounded(step.deliveredPerS)} messages/s, p99 ${p99} ms, ` +
    `lost ${numberText(step.messages?.lost ?? null)}, ${rounded(step.freeBytesPerUser)} B a user`;
  return step.outcome === 'held' ? figures : `${step.sentence}; ${figures}`;
}
