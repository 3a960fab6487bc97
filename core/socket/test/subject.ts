// A reactor under test, running on the test's own thread: records what its handler is told, checks the
// rules that hold for every handler call, and lets a test wait for a condition.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  type Reactor,
  type ReactorHandler,
  type ReactorOptions,
  REACTOR_STAT as STAT,
} from '#core/socket/reactor.ts';
import type { RingTuning } from '#core/socket/ring/lane-plan.ts';
import type { EngineVariant } from '#core/socket/test/engine-variant.ts';

export const LOOPBACK = 0x7f000001;

/** What is known of one connection, past or present. */
export interface Seen {
  conn: Conn;
  listener: number;
  isOpen: boolean;
  connectErrno: number | undefined;
  hasEnded: boolean;
  drains: number;
  deadlines: number;
  receivedBytes: number;
  pieces: number;
  chunks: Buffer[];
  closeReason: CloseReason | undefined;
  closeErrno: number | undefined;
}

export class Subject {
  readonly reactor: Reactor;
  /** Every connection in the order it was announced (accepted, or its connect ended). */
  readonly announced: Seen[] = [];
  /** The connection that has a number now. */
  readonly now = new Map<Conn, Seen>();
  wakes = 0;
  /** False to keep only the number of bytes. */
  keepsBytes = true;
  readonly #running: Promise<void>;
  readonly #waiters = new Set<() => void>();
  #isOver = false;
  #failure: unknown;

  constructor(
    t: TestContext,
    variant: EngineVariant,
    options: Partial<ReactorOptions> = {},
    hooks: Partial<ReactorHandler> = {},
    tuning?: RingTuning,
  ) {
    const handler = this.#handler(hooks);
    this.reactor = variant.create(
      { capacity: 100, ownsThread: false, ...options, handler },
      tuning,
    );
    this.#running = this.reactor.run();
    this.#running.then(
      () => this.#end(),
      (error: unknown) => {
        this.#failure = error;
        this.#end();
      },
    );
    t.after(() => this.stop());
  }

  stat(name: keyof typeof STAT): number {
    return this.reactor.stats[STAT[name]]!;
  }

  listen(): number {
    return this.reactor.listen({ host: '127.0.0.1', port: 0 }).port;
  }

  /** Connects and resolves when the connect has ended; asserts that it stands. */
  async connect(
    port: number,
    source: { localAddress?: number; localPort?: number } = {},
  ): Promise<Seen> {
    const conn = this.reactor.connect({ remoteAddress: LOOPBACK, remotePort: port, ...source });
    assert.notEqual(conn, -1, 'the reactor has room');
    const seen = this.#start(conn);
    await this.until(() => seen.connectErrno !== undefined, 'connect');
    assert.equal(seen.connectErrno, 0, 'the connection stands');
    return seen;
  }

  /** Starts a connect without waiting. */
  connectLater(options: {
    remoteAddress?: number;
    remotePort: number;
    localAddress?: number;
    localPort?: number;
    network?: number;
  }): Seen {
    const conn = this.reactor.connect({ remoteAddress: LOOPBACK, ...options });
    assert.notEqual(conn, -1, 'the reactor has room');
    return this.#start(conn);
  }

  /** Resolves when `condition` holds: looked at after every handler call. */
  async until(condition: () => boolean, what: string): Promise<void> {
    while (!condition()) {
      this.check();
      assert.ok(!this.#isOver, `the reactor ended before: ${what}`);
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  /** Throws what a handler threw, if one did. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  send(seen: Seen, bytes: Uint8Array): boolean {
    return this.reactor.send(seen.conn, bytes, 0, bytes.length);
  }

  bytesOf(seen: Seen): Buffer {
    return Buffer.concat(seen.chunks);
  }

  /** Stops, and checks that everything was told and nothing is left. Rejects with what a handler threw. */
  async stop(): Promise<void> {
    this.reactor.stop();
    await this.#running;
    assert.equal(this.reactor.connections, 0, 'no connection is left');
    assert.equal(this.stat('connections'), 0);
    assert.equal(this.stat('outputBytes'), 0, 'no output is left');
    assert.equal(this.stat('staleCompletions'), 0, 'no completion met a connection that was gone');
    for (const seen of this.announced) assert.equal(seen.isOpen, false, `${seen.conn} was closed`);
  }

  #end(): void {
    this.#isOver = true;
    this.#look();
  }

  #look(): void {
    for (const waiter of this.#waiters) waiter();
    this.#waiters.clear();
  }

  #start(conn: Conn): Seen {
    assert.equal(this.now.get(conn), undefined, `number ${conn} is not in use`);
    assert.ok(conn >= 0 && conn < this.reactor.capacity, 'a number lies below the capacity');
    const seen: Seen = {
      conn,
      listener: -1,
      isOpen: false,
      connectErrno: undefined,
      hasEnded: false,
      drains: 0,
      deadlines: 0,
      receivedBytes: 0,
      pieces: 0,
      chunks: [],
      closeReason: undefined,
      closeErrno: undefined,
    };
    this.now.set(conn, seen);
    return seen;
  }

  #open(conn: Conn): Seen {
    const seen = this.now.get(conn);
    assert.ok(seen?.isOpen, `connection ${conn} is open`);
    return seen;
  }

  #handler(hooks: Partial<ReactorHandler>): ReactorHandler {
    const told = (): void => this.#look();
    return {
      ...this.#lifeHandler(hooks, told),
      onData: (conn, bytes, start, end) => {
        const seen = this.#open(conn);
        assert.ok(!seen.hasEnded, 'no data after the end');
        assert.ok(start >= 0 && start < end && end <= bytes.length, 'data has bytes');
        seen.receivedBytes += end - start;
        seen.pieces++;
        if (this.keepsBytes) seen.chunks.push(Buffer.from(bytes.subarray(start, end)));
        hooks.onData?.(conn, bytes, start, end);
        told();
      },
      onDrain: (conn) => {
        this.#open(conn).drains++;
        hooks.onDrain?.(conn);
        told();
      },
      onDeadline: (conn) => {
        const seen = this.now.get(conn);
        assert.ok(seen !== undefined, 'a deadline belongs to a connection');
        seen.deadlines++;
        hooks.onDeadline?.(conn);
        told();
      },
      onWake: () => {
        this.wakes++;
        hooks.onWake?.();
        told();
      },
      onTurn: (nowUs) => {
        const wish = hooks.onTurn?.(nowUs) ?? Number.POSITIVE_INFINITY;
        told();
        return wish;
      },
    };
  }

  #lifeHandler(
    hooks: Partial<ReactorHandler>,
    told: () => void,
  ): Pick<ReactorHandler, 'onAccept' | 'onConnect' | 'onEnd' | 'onClose'> {
    return {
      onAccept: (conn, listener) => {
        const seen = this.#start(conn);
        seen.listener = listener;
        seen.isOpen = true;
        this.announced.push(seen);
        hooks.onAccept?.(conn, listener);
        told();
      },
      onConnect: (conn, errno) => {
        const seen = this.now.get(conn);
        assert.ok(seen !== undefined && seen.connectErrno === undefined, 'a connect ends once');
        seen.connectErrno = errno;
        seen.isOpen = errno === 0;
        this.announced.push(seen);
        hooks.onConnect?.(conn, errno);
        if (errno !== 0) this.now.delete(conn);
        told();
      },
      onEnd: (conn) => {
        const seen = this.#open(conn);
        assert.ok(!seen.hasEnded, 'the end comes once');
        seen.hasEnded = true;
        hooks.onEnd?.(conn);
        told();
      },
      onClose: (conn, reason, errno) => {
        const seen = this.#open(conn);
        seen.isOpen = false;
        seen.closeReason = reason;
        seen.closeErrno = errno;
        assert.equal(errno !== 0, reason === CLOSE_REASON.reset, 'only a reset has an errno');
        hooks.onClose?.(conn, reason, errno);
        this.now.delete(conn);
        told();
      },
    };
  }
}

/** `count` bytes that differ from their neighbours, so that a lost or swapped piece shows. */
export function pattern(count: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(count);
  let state = seed | 0;
  for (let index = 0; index < count; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}
