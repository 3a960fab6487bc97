// The reactor: very many TCP connections from one thread, behind one interface with several engines
// (ring: io_uring through koffi; epoll: the same with epoll; net: node:net; stack: clients with a TCP of
// our own on a TUN device). A connection is an integer, so that a user keeps its own state in typed arrays;
// there is no object, closure, timer or buffer per connection.
//
// One reactor lives in one thread. Nothing here may be called from another thread except `wake()` on
// the Waker. Handler functions are called inside `run()`, never re-entrantly from `send` or `close`.

/** How long `close()` waits for the peer's FIN after its own output has left, ms. */
export const LINGER_MS = 2000;

/** A live connection: an index in [0, capacity). Reused after `onClose` (or a failed `onConnect`) has returned. */
export type Conn = number;

/** Engines with kernel sockets, for servers and clients. */
export type KernelEngineName = 'ring' | 'epoll' | 'net';
/** `stack` has clients only. */
export type EngineName = KernelEngineName | 'stack';

/** Why a connection ended. Given to `onClose` exactly once per connection that was announced. */
export const CLOSE_REASON = {
  /** Both sides finished (FIN after FIN), or `close()` was called here and all output had left. */
  orderly: 0,
  /** The peer sent a reset, or the network failed; see errno. */
  reset: 1,
  /** `abort()` was called here. */
  aborted: 2,
  /** The reactor stopped. */
  stopped: 3,
} as const;
export type CloseReason = (typeof CLOSE_REASON)[keyof typeof CLOSE_REASON];

export interface ReactorHandler {
  /** A listener took a connection. `listener` is the index that `listen()` returned. */
  onAccept(conn: Conn, listener: number): void;
  /** `connect()` ended: errno 0 = established; else the connection is gone already and `onClose` does not follow. */
  onConnect(conn: Conn, errno: number): void;
  /**
   * Bytes [start, end) of `bytes` arrived. They are valid only during the call; what is kept must be copied, for
   * which `slice` serves: it is no Buffer.
   */
  onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void;
  /** The peer has finished sending (FIN); we may still send. Without a call of `close()` here it stays half-open. */
  onEnd(conn: Conn): void;
  /** Output went from "a send was refused" to empty. */
  onDrain(conn: Conn): void;
  /** The connection is gone; the last call for this integer. */
  onClose(conn: Conn, reason: CloseReason, errno: number): void;
  /** The deadline set by `setDeadline` passed (granularity 100 ms, never early). It is cleared by firing. */
  onDeadline(conn: Conn): void;
  /** Another thread called `wake()` since the last turn (several wakes may become one call). */
  onWake(): void;
  /**
   * End of a turn, before queued output is flushed. Returns microseconds until the next turn is wanted
   * even if nothing happens (0 = at once, Infinity = only on events).
   */
  onTurn(nowUs: number): number;
}

/** Both included. */
export interface SourcePorts {
  min: number;
  max: number;
}

export interface ReactorOptions {
  handler: ReactorHandler;
  /** Most connections at a time, accepted and connected together. */
  capacity: number;
  /** Most bytes waiting to be sent on one connection; `send` beyond it is refused. Default 64 KiB. */
  outputBytesMax?: number;
  /** Most bytes waiting to be sent on all connections together. Default 64 MiB. */
  outputBytesTotalMax?: number;
  /** Bytes of one receive buffer. Default 4096. */
  receiveBufferBytes?: number;
  /** Receive buffers shared by all connections of a lane. Default 256. */
  receiveBuffersPerLane?: number;
  /** Most connections of one lane (ring); default: what RLIMIT_NOFILE allows, 19,000 under a limit of 20,000. */
  laneSlotsMax?: number;
  /** False when the thread has other libuv work (tests, main threads): `run` then never blocks. Default true. */
  ownsThread?: boolean;
  /** Receive arming, live: 'poll' (POLL_ADD, least kernel memory) or 'recv' (multishot RECV). Not for net. */
  arming?: 'poll' | 'recv';
  /** Write batching, live: 'turn' = output leaves at the end of a turn, 'immediate' = every send at once. */
  flush?: 'turn' | 'immediate';
  /**
   * Delay of writes, live, us, with flush 'turn': output waits for so long after the turn that made the first of it
   * for what later turns add, or until one connection has 16 KiB; then all of it leaves. Engine net rounds up to
   * ms. Not for stack. Default 0.
   */
  flushDelayUs?: number;
  /**
   * Event gathering, live, us (ring on Linux >= 6.12): a loop that has served events goes on sleeping for so
   * long unless 64 events came. An event that comes when that time is over is served at once. It gathers only
   * while that makes sleeps fewer. Default 0.
   */
  gatherUs?: number;
  /**
   * Spinning, live, us (ring): a loop with nothing to do looks for work for so long before it sleeps, which saves
   * the wake-up and costs the core. Counted in `spinUs`. Default 0.
   */
  spinUs?: number;
  /**
   * SO_SNDBUF of every connection, bytes: bounds what the kernel takes for a peer that does not read (it grants
   * twice of it for its own book-keeping). 0 = the kernel's own sizing. Not for net. Default 0.
   */
  socketSendBytes?: number;
  /** SO_RCVBUF of every connection, likewise: bounds what the kernel keeps of a peer that we do not read. */
  socketReceiveBytes?: number;
  /**
   * Ports that the kernel may choose for a connection of ours without a source port (IP_LOCAL_PORT_RANGE, Linux 6.3;
   * within net.ipv4.ip_local_port_range). It then walks them one by one instead of every second. Not for net.
   */
  sourcePorts?: SourcePorts;
}

/** What `set` turns while the reactor runs; see ReactorOptions. */
export type ReactorKnobs = Pick<
  ReactorOptions,
  'arming' | 'flush' | 'flushDelayUs' | 'gatherUs' | 'spinUs'
> & {
  /** Backlog of every listener, as if it had listened with it (ring). */
  backlog?: number;
  /** Most connections of one listener that a turn takes; 0 = as many as come (ring, epoll). */
  acceptBatch?: number;
  /**
   * Where several threads listen on one port: new connections go at random to the first so many that listened; 0 = to
   * all, as the kernel spreads them (ring, epoll). It holds for the port: turn it in any one of them.
   */
  acceptAmong?: number;
};

export interface ListenOptions {
  host: string;
  /** 0 chooses a free port. */
  port: number;
  /** Default 4096; the kernel clamps it to net.core.somaxconn. */
  backlog?: number;
  /** SO_REUSEPORT: several threads listen on one port and the kernel spreads connections. Default false. */
  reusePort?: boolean;
}

export interface ConnectOptions {
  /** IPv4 address in network order as a number, e.g. 0x7f000001 = 127.0.0.1. */
  remoteAddress: number;
  remotePort: number;
  /** Source address; 0 lets the kernel choose. */
  localAddress?: number;
  /** Source port; 0 lets the kernel choose. */
  localPort?: number;
  /** Engine stack: number of the network that the client is on (NetworkMix). */
  network?: number;
}

export interface Reactor {
  readonly engine: EngineName;
  readonly capacity: number;
  /** Connections that are open now (announced and not yet closed, and connects in flight). */
  readonly connections: number;
  /** Live counters of this reactor, shared memory: readable from any thread. Index with REACTOR_STAT. */
  readonly stats: Float64Array<SharedArrayBuffer>;
  /** May be posted to other threads. */
  readonly waker: Waker;

  /** Starts listening. Throws WsarError WSAR_ERR_PORT_IN_USE when taken. */
  listen(options: ListenOptions): { listener: number; port: number };
  /** Starts a connection; -1 when the reactor is full (counted in `connectRefused`). */
  connect(options: ConnectOptions): Conn;
  /**
   * Queues a copy of bytes [start, end), at most `outputBytesMax`. All or nothing: false when the output
   * bound is reached (counted in `sendRefused`; `onDrain` follows), and after `endOutput`, `close` or
   * `abort` (nothing follows). Order per connection is kept; one send is in flight at a time.
   */
  send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean;
  /** Bytes queued or in flight on this connection. */
  outputBytes(conn: Conn): number;
  /**
   * Stops reading (back-pressure on the peer). What the kernel has handed over already may still arrive: at
   * most one receive buffer when armed by 'poll', at most the lane's buffers when armed by 'recv'.
   */
  pauseReceive(conn: Conn): void;
  resumeReceive(conn: Conn): void;
  /** Sends FIN after the queued output; reading goes on. */
  endOutput(conn: Conn): void;
  /**
   * Flushes queued output, sends FIN and releases the connection; `onClose(orderly)` follows. No more data
   * is delivered: it is read and dropped until the peer's FIN, at most `LINGER_MS` after our output has
   * left, because a socket that is closed with unread bytes loses what its peer has not taken yet. A
   * peer that does not read holds the flush up for ever: bound it with `setDeadline` and `abort`.
   * While connecting it is `abort`.
   */
  close(conn: Conn): void;
  /**
   * Drops queued output and resets (RST); `onClose(aborted)` follows. While connecting it gives up:
   * `onConnect` with ECANCELED follows.
   */
  abort(conn: Conn): void;
  /** One deadline per connection, from now, ms; 0 clears it. O(1). */
  setDeadline(conn: Conn, ms: number): void;
  /** Live knobs; other options are fixed. */
  set(option: ReactorKnobs): void;
  /** Stops accepting (keeps what is open); resumes. Used when the user's own tables are full. */
  setAccepting(accepting: boolean): void;
  /** Serves until `stop()`; resolves when all is closed. Rejects with what a handler threw. Call once. */
  run(): Promise<void>;
  /**
   * Ends `run()`: every connection is reset and gets `onClose(stopped)` (a connect in flight: `onConnect` with
   * ECANCELED), no socket stays behind. To end in an orderly way, `close` connections first.
   */
  stop(): void;
}

/** Lets another thread end the sleep of a reactor. Structured-cloneable. */
export interface Waker {
  readonly engine: EngineName;
  readonly shared: SharedArrayBuffer;
  readonly eventFd: number;
}

/** Indices into `Reactor.stats`. Counters only rise; `connections` and `outputBytes` are gauges. */
export const REACTOR_STAT = {
  connections: 0,
  accepted: 1,
  connected: 2,
  closed: 3,
  resets: 4,
  /** Connects refused because the reactor was full. */
  connectRefused: 5,
  /** How often accepting had to pause because the reactor was full, and connections lost by failed accepts. */
  acceptRefused: 6,
  rxBytes: 7,
  txBytes: 8,
  receives: 9,
  sends: 10,
  sendRefused: 11,
  outputBytes: 12,
  turns: 13,
  /** io_uring_enter calls (ring). */
  enters: 14,
  /** Receives that met no free buffer and were armed again. */
  buffersExhausted: 15,
  cqOverflows: 16,
  wakes: 17,
  deadlines: 18,
  /** Microseconds the loop worked, and slept. */
  workUs: 19,
  sleepUs: 20,
  /** Longest single turn since the counter was last zeroed by a reader, us. */
  turnUsMax: 21,
  /** Completions that named a connection that was gone (ring): dropped; anything but 0 is a bug. */
  staleCompletions: 22,
  /** Microseconds the loop looked for work in vain before it slept (ring): neither work nor sleep. */
  spinUs: 23,
  /** CPU time of the longest turn likewise, of turns of 2 ms and more (not net); see turns.ts. */
  turnCpuUsMax: 24,
} as const;
export const REACTOR_STAT_COUNT = 25;
