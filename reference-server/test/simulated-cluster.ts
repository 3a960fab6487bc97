// All workers of a server in one thread, with reactors that move bytes only when a test says so: every
// order of events between workers, connections and turns can be tried, and repeated from a seed.

import { VirtualClock } from '#core/clock/clock.ts';
import {
  CLOSE_REASON,
  type CloseReason,
  REACTOR_STAT_COUNT,
  type Reactor,
} from '#core/socket/reactor.ts';
import { WakerEnd } from '#core/socket/waker.ts';
import { type AccessRules, OWN_MAILBOX } from '#reference-server/access/access-rules.ts';
import { createInterest } from '#reference-server/broker/peers.ts';
import { Edge } from '#reference-server/edge/edge.ts';
import { Home } from '#reference-server/home/home.ts';
import { DEFAULT_LIMITS, type ServerLimits } from '#reference-server/limits.ts';
import { createLinkMemory } from '#reference-server/link/link-ring.ts';
import { createWorkerStats, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import { Exchange } from '#reference-server/worker/exchange.ts';

export interface SimulatedConnection {
  readonly conn: number;
  output: number[];
  /** Bytes of `output` that a slow reader has not taken still count as waiting. */
  isSlow: boolean;
  isPaused: boolean;
  deadlineUs: number;
  closing: CloseReason | undefined;
}

/** A reactor without sockets: `send` fills an array, closing happens at the next turn. */
export class SimulatedReactor implements Reactor {
  readonly engine = 'net';
  readonly stats = new Float64Array(new SharedArrayBuffer(REACTOR_STAT_COUNT * 8));
  readonly waker = new WakerEnd('net', -1).waker;
  readonly capacity: number;
  readonly open = new Map<number, SimulatedConnection>();
  readonly #clock: VirtualClock;
  readonly #edge: Edge;
  readonly #outputBytesMax: number;
  readonly #free: number[] = [];

  constructor(edge: Edge, limits: ServerLimits, clock: VirtualClock) {
    this.#edge = edge;
    this.#clock = clock;
    this.capacity = limits.connectionsMax;
    this.#outputBytesMax = limits.outputBytesMax;
  }

  get connections(): number {
    return this.open.size;
  }

  accept(listener = 0): SimulatedConnection {
    const conn = this.#free.pop() ?? this.open.size;
    const connection: SimulatedConnection = {
      conn,
      output: [],
      isSlow: false,
      isPaused: false,
      deadlineUs: Number.POSITIVE_INFINITY,
      closing: undefined,
    };
    this.open.set(conn, connection);
    this.#edge.onAccept(conn, listener);
    return connection;
  }

  /** The number may belong to another connection by now. */
  isOpen(connection: SimulatedConnection): boolean {
    return connection.closing === undefined && this.open.get(connection.conn) === connection;
  }

  /** The peer sends; false when the connection does not read now. */
  receive(connection: SimulatedConnection, bytes: Uint8Array): boolean {
    if (!this.isOpen(connection) || connection.isPaused) return false;
    this.#edge.onData(connection.conn, bytes, 0, bytes.length);
    return true;
  }

  /** The peer is gone. */
  hangUp(connection: SimulatedConnection, isReset: boolean): void {
    if (!this.isOpen(connection)) return;
    if (isReset) connection.closing = CLOSE_REASON.reset;
    else this.#edge.onEnd(connection.conn);
  }

  turn(): void {
    for (const [conn, connection] of this.open) {
      if (connection.closing !== undefined || connection.deadlineUs > this.#clock.monoUs())
        continue;
      connection.deadlineUs = Number.POSITIVE_INFINITY;
      this.#edge.onDeadline(conn);
    }
    this.#edge.onWake();
    this.#edge.onTurn(this.#clock.monoUs());
    for (const [conn, { closing }] of this.open) {
      if (closing === undefined) continue;
      this.#edge.onClose(conn, closing);
      this.open.delete(conn);
      this.#free.push(conn);
    }
  }

  send(conn: number, bytes: Uint8Array, start: number, end: number): boolean {
    const connection = this.#live(conn);
    if (connection.closing !== undefined) return false;
    if (this.outputBytes(conn) + end - start > this.#outputBytesMax) return false;
    for (let at = start; at < end; at++) connection.output.push(bytes[at]!);
    return true;
  }

  outputBytes(conn: number): number {
    const { isSlow, output } = this.#live(conn);
    return isSlow ? output.length : 0;
  }

  pauseReceive(conn: number): void {
    this.#live(conn).isPaused = true;
  }

  resumeReceive(conn: number): void {
    this.#live(conn).isPaused = false;
  }

  close(conn: number): void {
    this.#live(conn).closing ??= CLOSE_REASON.orderly;
  }

  abort(conn: number): void {
    this.#live(conn).closing = CLOSE_REASON.aborted;
  }

  setDeadline(conn: number, ms: number): void {
    this.#live(conn).deadlineUs =
      ms === 0 ? Number.POSITIVE_INFINITY : this.#clock.monoUs() + ms * 1000;
  }

  listen(): never {
    throw new Error('a simulated reactor does not listen');
  }

  connect(): number {
    return -1;
  }

  endOutput(): void {}

  set(): void {}

  setAccepting(): void {}

  async run(): Promise<void> {}

  stop(): void {}

  #live(conn: number): SimulatedConnection {
    const connection = this.open.get(conn);
    if (connection === undefined) throw new Error(`connection ${conn} is not open`);
    return connection;
  }
}

export interface SimulatedWorker {
  edge: Edge;
  home: Home;
  reactor: SimulatedReactor;
  exchange: Exchange;
  stats: WorkerStats;
}

export interface SimulatedCluster {
  clock: VirtualClock;
  limits: ServerLimits;
  workers: SimulatedWorker[];
  /** Counters of who is interested in what (broker/peers.ts), without those of versions. */
  interest: Int32Array;
  /** One turn of every worker; twice, nothing is on its way between them afterwards but answers. */
  turn(): void;
  /** Sum over workers of a figure. */
  stat(index: number): number;
}

/** Small limits, so that tests reach them. */
export const SMALL_LIMITS: ServerLimits = {
  ...DEFAULT_LIMITS,
  connectionsMax: 64,
  usersMax: 64,
  messagesMax: 10_000,
  messageBytesMax: 4 * 1024 * 1024,
  partialBytesMax: 1024 * 1024,
  redeliveriesMax: 1000,
  groupsMax: 64,
  membershipsMax: 1024,
  groupMessagesMax: 64,
  receipts: { ...DEFAULT_LIMITS.receipts, batchesMax: 64, receiptsMax: 1024, bytesMax: 1 << 19 },
};

export function simulateCluster(
  workerCount: number,
  limits: ServerLimits = SMALL_LIMITS,
  linkWords = 64 * 1024,
  access: AccessRules = OWN_MAILBOX,
): SimulatedCluster {
  const interest = createInterest(workerCount);
  const clock = new VirtualClock();
  const links = Array.from({ length: workerCount }, (_, from) =>
    Array.from({ length: workerCount }, (_, to) =>
      from === to ? undefined : createLinkMemory(linkWords),
    ),
  );
  const workers = Array.from({ length: workerCount }, (_, self): SimulatedWorker => {
    const stats = createWorkerStats();
    const incoming = links.map((row) => row[self]);
    const exchange = new Exchange({ self, outgoing: links[self]!, incoming, limits, stats });
    const options = { limits, exchange, stats, clock, hashSeed: 99, access, interest };
    const home = new Home(options);
    const edge = new Edge({
      ...options,
      onWake: () => {},
      onTurn: () => home.endTurn(),
    });
    const reactor = new SimulatedReactor(edge, limits, clock);
    edge.attach(reactor);
    exchange.join(edge, home);
    return { edge, home, reactor, exchange, stats };
  });
  for (const { exchange } of workers) {
    exchange.setWakers(workers.map(({ reactor }) => reactor.waker));
  }
  return {
    clock,
    limits,
    workers,
    interest: new Int32Array(interest, 8),
    turn() {
      for (const { reactor } of workers) reactor.turn();
    },
    stat: (index) => workers.reduce((sum, { stats }) => sum + stats[index]!, 0),
  };
}
