// The controller's side of knobs over several hosts: each turn goes to all agents with one instant from which
// it holds, and is done when all of them have said so. What was turned is remembered, for agents that take over
// later and for the proof that all carried out the same plan.

import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import type { AgentAnswer, AgentCommand } from '#loadgen/hosts/agent-message.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { LoadSettings, TURNS_MAX, type Turn, type TurnName } from '#loadgen/load-settings.ts';

/** Agents that have not obeyed by then are told of. Knobs wait 5 s (core/knob/offer-knobs.ts). */
const OBEY_TIMEOUT_MS = 4000;

/** Turns whose answers are still listened to; more at a time are refused. */
export const OPEN_MAX = 64;

type TurnCommand = AgentCommand & { kind: 'turn' };

interface OpenTurn {
  /** Agents that have not answered. */
  waiting: Set<string>;
  refused: string[];
  isAwaited: boolean;
  allAnswered: () => void;
}

export interface TurnDeskParts {
  clock: Clock;
  options: LoadOptions;
  /** How far ahead all agents hear of an instant in time, us. */
  aheadUs: () => number;
  /** Agents that have their plan and carry it out. */
  ids: () => string[];
  send: (id: string, command: AgentCommand) => void;
}

export class TurnDesk {
  /** What all hosts obey. */
  readonly settings: LoadSettings;
  /** Turns that came to an agent after their time. */
  lateTurns = 0;
  readonly #parts: TurnDeskParts;
  readonly #made: TurnCommand[] = [];
  /** By turn, until all agents have answered. */
  readonly #open = new Map<number, OpenTurn>();

  constructor(parts: TurnDeskParts) {
    this.#parts = parts;
    this.settings = new LoadSettings(parts.options);
  }

  /** Turns without waiting for the agents; false when that is not possible (any more). */
  turn(name: TurnName, value: number): boolean {
    return this.#make(name, value) !== undefined;
  }

  /** Turns, and resolves when every agent obeys. Throws WSAR_ERR_UNREACHABLE when one does not. */
  async turnAll(name: TurnName, value: number): Promise<boolean> {
    const command = this.#make(name, value);
    if (command === undefined) return false;
    const { waiting, refused } = await this.#obeyed(command.id);
    this.#open.delete(command.id);
    if (waiting.size === 0 && refused.length === 0) return true;
    const names = (ids: Iterable<string>): string => [...ids].sort().join(', ');
    const what = `turn ${name} to ${value}`;
    const flaws = [
      refused.length > 0 ? `${names(refused)} refused to ${what}` : '',
      waiting.size > 0 ? `${names(waiting)} did not ${what} in ${OBEY_TIMEOUT_MS / 1000} s` : '',
    ];
    throw new WsarError(
      'WSAR_ERR_UNREACHABLE',
      flaws.filter((flaw) => flaw !== '').join('; '),
      'the other hosts have turned it; turn it again, or back',
    );
  }

  /** All that was turned so far, for an agent that has just got its plan. */
  tellAll(id: string): void {
    for (const command of this.#made) this.#parts.send(id, command);
  }

  hear(id: string, { id: turn, isTaken, lateUs }: AgentAnswer & { kind: 'turned' }): void {
    const open = this.#open.get(turn);
    // One that takes over is late for all that was before it; so is an answer that nobody waits for any more.
    if (open === undefined || !open.waiting.delete(id)) return;
    if (lateUs > 0) this.lateTurns++;
    if (!isTaken) open.refused.push(id);
    this.#look(turn, open);
  }

  /** It is gone: nobody waits for it. */
  forget(id: string): void {
    for (const [turn, open] of this.#open) {
      open.waiting.delete(id);
      this.#look(turn, open);
    }
  }

  #look(turn: number, open: OpenTurn): void {
    if (open.waiting.size > 0) return;
    this.#open.delete(turn);
    open.allAnswered();
  }

  #make(name: TurnName, value: number): TurnCommand | undefined {
    const { clock, aheadUs, ids, send } = this.#parts;
    if (this.#made.length === TURNS_MAX || !this.#makeRoom()) return undefined;
    const hasBegun = !Number.isNaN(this.settings.startUs);
    const turn: Turn = { name, value, atUs: hasBegun ? clock.monoUs() + aheadUs() : 0 };
    if (!this.settings.take(turn)) return undefined;
    const command: TurnCommand = { kind: 'turn', id: this.#made.length, turn };
    this.#made.push(command);
    const waiting = new Set(ids());
    const nobody = (): void => {};
    this.#open.set(command.id, { waiting, refused: [], isAwaited: false, allAnswered: nobody });
    for (const id of waiting) send(id, command);
    return command;
  }

  /** The oldest turn that nobody waits for gives way; false when all of them are waited for. */
  #makeRoom(): boolean {
    if (this.#open.size < OPEN_MAX) return true;
    for (const [turn, { isAwaited }] of this.#open) {
      if (!isAwaited) return this.#open.delete(turn);
    }
    return false;
  }

  #obeyed(id: number): Promise<OpenTurn> {
    const open = this.#open.get(id)!;
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(OBEY_TIMEOUT_MS, () => resolve(open));
      open.isAwaited = true;
      open.allAnswered = () => {
        cancel();
        resolve(open);
      };
      this.#look(id, open);
    });
  }
}
