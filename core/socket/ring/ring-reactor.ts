// Engine ring: the reactor on io_uring. Connections are direct descriptors in the tables of one or more
// rings ("lanes"); all state is in typed arrays: about 34 bytes a connection, 46 with deadlines.
// docs/internals/reactor.md draws how the parts work together.

import { assert } from '#core/assert.ts';
import { systemClock } from '#core/clock/clock.ts';
import {
  CLOSE_REASON,
  type Conn,
  type ConnectOptions,
  type ListenOptions,
  REACTOR_STAT_COUNT,
  type Reactor,
  type ReactorKnobs,
  REACTOR_STAT as STAT,
  type Waker,
} from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import { ConnectionTable, FLAG } from '#core/socket/ring/connection-table.ts';
import { Connections } from '#core/socket/ring/connections.ts';
import { Connector } from '#core/socket/ring/connector.ts';
import { Lane } from '#core/socket/ring/lane.ts';
import { type LanePlan, planLanes, type RingTuning } from '#core/socket/ring/lane-plan.ts';
import { type Libc, loadLibc, type Mapping } from '#core/socket/ring/libc.ts';
import { Loop } from '#core/socket/ring/loop.ts';
import { Output } from '#core/socket/ring/output.ts';
import type { RingParts } from '#core/socket/ring/parts.ts';
import { ReceiveMemory } from '#core/socket/ring/receive-buffers.ts';
import { WakeEvent } from '#core/socket/ring/wake-event.ts';
import { WakerEnd } from '#core/socket/waker.ts';
import { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';

const SOCKADDR_BYTES = 16;

export class RingReactor implements Reactor {
  readonly engine = 'ring';
  readonly capacity: number;
  readonly stats = new Float64Array(
    new SharedArrayBuffer(REACTOR_STAT_COUNT * Float64Array.BYTES_PER_ELEMENT),
  );
  readonly waker: Waker;
  readonly #parts: RingParts;
  readonly #loop: Loop;
  /** sockaddr of family AF_UNSPEC (0). */
  readonly #unspecified: Mapping;
  #wasRun = false;
  #isClosed = false;

  /** Throws WsarError when the host cannot; `tuning` makes rings small for tests. */
  constructor(settings: ReactorSettings, tuning: RingTuning = {}) {
    const libc = loadLibc();
    this.capacity = settings.capacity;
    this.#unspecified = libc.mapMemory(SOCKADDR_BYTES);
    const plan = planLanes(settings, libc.descriptorLimit(), tuning);
    this.#parts = buildParts(libc, settings, plan, this.stats, this.#unspecified.address);
    this.waker = this.#parts.wakerEnd.waker;
    this.#loop = new Loop(this.#parts);
  }

  get connections(): number {
    return this.#parts.table.used;
  }

  listen(options: ListenOptions): { listener: number; port: number } {
    assert(!this.#isClosed, 'a reactor that has ended does not listen');
    return this.#loop.reception.listen(options);
  }

  connect(options: ConnectOptions): Conn {
    const { table, connector } = this.#parts;
    const conn = this.#loop.isStopping ? -1 : table.take();
    if (conn === -1) {
      this.stats[STAT.connectRefused]!++;
      return -1;
    }
    this.stats[STAT.connections]!++;
    connector.start(conn, options);
    return conn;
  }

  send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    this.#assertLive(conn);
    const { settings, output } = this.#parts;
    assert(start >= 0 && start <= end && end <= bytes.length, 'a send lies within its bytes');
    assert(end - start <= settings.outputBytesMax, 'one send fits into outputBytesMax');
    return output.queue(conn, bytes, start, end);
  }

  outputBytes(conn: Conn): number {
    this.#assertLive(conn);
    return this.#parts.output.bytes(conn);
  }

  pauseReceive(conn: Conn): void {
    this.#assertLive(conn);
    this.#parts.connections.pauseReceive(conn);
  }

  resumeReceive(conn: Conn): void {
    this.#assertLive(conn);
    this.#parts.connections.resumeReceive(conn);
  }

  endOutput(conn: Conn): void {
    this.#assertLive(conn);
    this.#parts.connections.endOutput(conn);
  }

  close(conn: Conn): void {
    this.#assertLive(conn);
    this.#parts.connections.close(conn);
  }

  abort(conn: Conn): void {
    this.#assertLive(conn);
    this.#parts.connections.release(conn, CLOSE_REASON.aborted, 0);
  }

  setDeadline(conn: Conn, ms: number): void {
    this.#assertLive(conn);
    const { wheel, table } = this.#parts;
    // A connection on its way out keeps the bound that the reactor set for it.
    if ((table.flags[conn]! & (FLAG.releasing | FLAG.lingering)) !== 0) return;
    if (ms === 0) wheel.clear(conn);
    else wheel.set(conn, systemClock.monoUs() / 1000, ms);
  }

  set(option: ReactorKnobs): void {
    const { settings } = this.#parts;
    if (option.arming !== undefined) settings.arming = option.arming;
    if (option.flush !== undefined) settings.flush = option.flush;
    if (option.flushDelayUs !== undefined) settings.flushDelayUs = option.flushDelayUs;
    if (option.gatherUs !== undefined) settings.gatherUs = option.gatherUs;
    if (option.spinUs !== undefined) settings.spinUs = option.spinUs;
    if (option.backlog !== undefined) this.#loop.reception.setBacklog(option.backlog);
    if (option.acceptBatch !== undefined) this.#loop.reception.acceptBatch = option.acceptBatch;
    if (option.acceptAmong !== undefined) this.#loop.reception.spread(option.acceptAmong);
  }

  setAccepting(accepting: boolean): void {
    this.#loop.reception.isAccepting = accepting;
  }

  async run(): Promise<void> {
    assert(!this.#wasRun, 'run is called once');
    this.#wasRun = true;
    try {
      await this.#loop.run();
    } finally {
      this.#close();
    }
  }

  stop(): void {
    this.#loop.stop();
  }

  #assertLive(conn: Conn): void {
    const live = FLAG.open | FLAG.connecting;
    // No number in the sentence: it would be made, and thrown away, at every call.
    assert((this.#parts.table.flags[conn]! & live) !== 0, 'the connection is open');
  }

  /** Ends rings and memory. What is still open (a handler threw) is closed by the kernel with the rings. */
  #close(): void {
    const { lanes, memory, output, connector, table, wakeEvent, wakerEnd } = this.#parts;
    // No call may reach the memory that is unmapped below: no connection is open, none can be made.
    this.#loop.stop();
    table.flags.fill(0);
    this.#isClosed = true;
    wakerEnd.close();
    this.#loop.reception.closeSockets();
    for (const lane of lanes) lane.close();
    wakeEvent.close();
    memory.close();
    output.close();
    connector.close();
    this.#unspecified.unmap();
  }
}

function buildParts(
  libc: Libc,
  settings: ReactorSettings,
  plan: LanePlan,
  stats: Float64Array,
  unspecifiedAddress: number,
): RingParts {
  const table = new ConnectionTable(settings.capacity);
  const memory = new ReceiveMemory(
    libc,
    settings.receiveBuffersPerLane,
    settings.receiveBufferBytes,
  );
  const lanes: Lane[] = [];
  try {
    for (let index = 0; index < plan.count; index++) {
      lanes.push(new Lane(index, plan.size, libc, memory, table, stats));
    }
    const wakeEvent = new WakeEvent(libc);
    const wakerEnd = new WakerEnd('ring', wakeEvent.fd);
    const wheel = new TimerWheel(settings.capacity, systemClock.monoUs() / 1000);
    const output = new Output(libc, settings, table, lanes, stats);
    const shared = { settings, table, lanes, memory, output, wheel, stats };
    const connections = new Connections({ ...shared, unspecifiedAddress });
    const connector = new Connector(libc, settings, table, lanes, connections);
    return { ...shared, libc, connections, connector, wakeEvent, wakerEnd };
  } catch (error) {
    for (const lane of lanes) lane.close();
    memory.close();
    throw error;
  }
}
