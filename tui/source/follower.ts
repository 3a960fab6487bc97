// Decides what is watched and keeps it watched: the lab that runs, or, while none does, a collector of
// our own. A lab that starts later is followed as soon as it is there; when it ends its last picture
// stays; the next lab takes its place. What was given in the environment is tried again until it answers.

import type { Clock } from '#core/clock/clock.ts';
import { readCurrentLab } from '#core/host/current-lab.ts';
import type { LabEnvironment } from '#core/host/lab-environment.ts';
import type { KnobState, KnobValue } from '#core/knob/knob.ts';
import type { Link } from '#tui/model/lab-state.ts';
import type { Message } from '#tui/model/message.ts';
import type { Feed, FeedListener } from '#tui/source/feed.ts';
import { openHostFeed } from '#tui/source/host-feed.ts';
import { openLabFeed } from '#tui/source/lab-feed.ts';

const LOOK_PERIOD_MS = 1000;
const HOST_ONLY = 'no lab runs: this host only';

export interface FollowerOptions {
  root: string;
  environment: LabEnvironment;
  clock: Clock;
  onMessage(message: Message): void;
  onMalformed(): void;
  /** Something else is watched now: nothing of before is true any more. */
  onSwitch(link: Link): void;
  /** The same thing is watched, and how well changed. */
  onLink(link: Link): void;
  /** A failure that is a bug. */
  onError(error: unknown): void;
}

/** A lab that can be followed. */
interface Target {
  busUrl: string;
  lab: string;
  runId: string;
  /** Given in the environment, so it is followed whatever comes. */
  isFixed: boolean;
}

export class Follower {
  readonly #options: FollowerOptions;
  #target: Target | undefined;
  #feed: Feed | undefined;
  #link: Link = { state: 'starting', mode: 'host', lab: '', runId: '', text: '' };
  #cancel: (() => void) | undefined;
  #isClosed = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /**
   * Starts to follow.
   * @throws WsarError WSAR_ERR_UNREACHABLE when the bus of the environment does not answer.
   */
  async start(): Promise<void> {
    const target = this.#findLab();
    if (target === undefined) this.#watchHost();
    else await this.#watchLab(target, target.isFixed);
    this.#arm();
  }

  turn(owner: string, name: string, value: KnobValue): Promise<KnobState> {
    return (
      this.#feed?.turn(owner, name, value) ?? Promise.reject(new Error('nothing is connected'))
    );
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    await this.#closeFeed();
  }

  #arm(): void {
    if (this.#isClosed) return;
    this.#cancel = this.#options.clock.after(LOOK_PERIOD_MS, () => {
      this.#look()
        .catch(this.#options.onError)
        .finally(() => this.#arm());
    });
  }

  /** Once a second: is there a lab to follow, and is ours still there? */
  async #look(): Promise<void> {
    const found = this.#findLab();
    const isOurs = found?.busUrl === this.#target?.busUrl;
    if (found !== undefined && (!isOurs || this.#feed === undefined)) {
      await this.#watchLab(found, false);
    } else if (found === undefined && this.#target !== undefined && this.#link.state !== 'ended') {
      await this.#closeFeed();
      this.#say({ state: 'ended', text: '' });
    } else if (found === undefined && this.#target === undefined && this.#feed === undefined) {
      this.#watchHost();
    }
  }

  #findLab(): Target | undefined {
    const { busUrl, lab, runId } = this.#options.environment;
    if (busUrl !== undefined) return { busUrl, lab, runId, isFixed: true };
    const current = readCurrentLab();
    return current === undefined ? undefined : { ...current, isFixed: false };
  }

  #watchHost(): void {
    if (this.#link.state !== 'lost') {
      this.#switch({ state: 'live', mode: 'host', lab: '', runId: '', text: HOST_ONLY });
    }
    this.#feed = openHostFeed(this.#options.root, this.#listener());
  }

  async #watchLab(target: Target, isStrict: boolean): Promise<void> {
    await this.#closeFeed();
    const isNew = target.busUrl !== this.#target?.busUrl;
    const { lab, runId } = target;
    if (isNew) this.#switch({ state: 'starting', mode: 'lab', lab, runId, text: 'connecting' });
    this.#target = target;
    try {
      const feed = await openLabFeed(target.busUrl, lab, this.#listener());
      if (this.#isClosed) return await feed.close();
      this.#feed = feed;
      this.#say({ state: 'live', text: '' });
    } catch (error) {
      if (isStrict) throw error;
      this.#say({ state: 'lost', text: `${(error as Error).message}; trying again` });
    }
  }

  #listener(): FeedListener {
    return {
      message: (message) => {
        // A collector that was started again is well when its first row is here.
        if (this.#link.state === 'lost') this.#say({ state: 'live', text: HOST_ONLY });
        this.#options.onMessage(message);
      },
      malformed: this.#options.onMalformed,
      lost: (why) => {
        const feed = this.#feed;
        this.#feed = undefined;
        feed?.close().catch(this.#options.onError);
        this.#say({ state: 'lost', text: `${why}; trying again` });
      },
    };
  }

  async #closeFeed(): Promise<void> {
    const feed = this.#feed;
    this.#feed = undefined;
    await feed?.close();
  }

  #switch(link: Link): void {
    this.#link = link;
    if (!this.#isClosed) this.#options.onSwitch(link);
  }

  #say(change: Partial<Link>): void {
    this.#link = { ...this.#link, ...change };
    if (!this.#isClosed) this.#options.onLink(this.#link);
  }
}
