// Sockets of connections for engine epoll: made, watched, connected, closed. TCP_NODELAY, because output leaves
// in one piece a turn anyway. With an explicit source port SO_REUSEADDR, so that addresses in TIME_WAIT can be
// used again; with a source address alone IP_BIND_ADDRESS_NO_PORT, so that the port is chosen at connect,
// and IP_LOCAL_PORT_RANGE when it is to be chosen from other ports than the host's.

import type { EpollCalls } from '#core/socket/epoll/epoll-calls.ts';
import { EPOLL, type EpollSet } from '#core/socket/epoll/epoll-set.ts';
import { type ConnectOptions, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import type { ConnectSettings } from '#core/socket/ring/connector.ts';
import type { Libc, Mapping } from '#core/socket/ring/libc.ts';
import { portRangeWord } from '#core/socket/ring/port-window.ts';
import {
  AF_INET,
  IP_BIND_ADDRESS_NO_PORT,
  IP_LOCAL_PORT_RANGE,
  IPPROTO_TCP,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_IP,
  SOL_SOCKET,
  TCP_NODELAY,
} from '#core/socket/ring/uapi.ts';

const WATCHED = EPOLL.in | EPOLL.out | EPOLL.readHangUp | EPOLL.edge;
const EINPROGRESS = 115;
const SO_ERROR = 4;
const SO_LINGER = 13;
const INT_BYTES = 4;

/** Words of the scratch memory: a sockaddr_in, the number 1, a struct linger { 1, 0 }, an int and its length. */
const ADDRESS_WORD = 0;
const SOCKADDR_BYTES = 16;
const ONE_WORD = 4;
const LINGER_WORD = 4;
const LINGER_BYTES = 8;
const VALUE_WORD = 6;
const LENGTH_WORD = 7;
const SCRATCH_WORDS = 8;

export class EpollSockets {
  readonly #libc: Libc;
  readonly #calls: EpollCalls;
  readonly #set: EpollSet;
  readonly #stats: Float64Array;
  readonly #settings: ConnectSettings;
  readonly #scratch: Mapping;
  readonly #words: Int32Array;

  constructor(
    libc: Libc,
    calls: EpollCalls,
    set: EpollSet,
    settings: ConnectSettings,
    stats: Float64Array,
  ) {
    this.#settings = settings;
    this.#libc = libc;
    this.#calls = calls;
    this.#set = set;
    this.#stats = stats;
    this.#scratch = libc.mapMemory(SCRATCH_WORDS * 4);
    this.#words = new Int32Array(this.#scratch.buffer, 0, SCRATCH_WORDS);
    this.#words[ONE_WORD] = 1;
  }

  /** Starts a connect and watches it; returns the descriptor, or -errno. */
  connect(options: ConnectOptions, conn: number, generation: number): number {
    const fd = this.#libc.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return fd;
    this.#stats[STAT.enters]! += 2;
    let result = this.#prepare(fd, options);
    if (result === 0) {
      this.#writeAddress(options.remoteAddress, options.remotePort);
      result = this.#calls.connect(fd, this.#scratch.address, SOCKADDR_BYTES);
    }
    if (result === 0 || result === -EINPROGRESS) result = this.watch(fd, conn, generation);
    if (result >= 0) return fd;
    this.#libc.close(fd);
    return result;
  }

  /** Watches a descriptor for all that it will ever be watched for; 0 or -errno. */
  watch(fd: number, conn: number, generation: number): number {
    return this.#set.add(fd, WATCHED, conn, generation);
  }

  /** The errno that a connect ended with; 0 when it stands. */
  takeError(fd: number): number {
    this.#words[LENGTH_WORD] = INT_BYTES;
    this.#stats[STAT.enters]!++;
    const { address } = this.#scratch;
    const value = address + VALUE_WORD * 4;
    const length = address + LENGTH_WORD * 4;
    const result = this.#calls.getOption(fd, SOL_SOCKET, SO_ERROR, value, length);
    return result < 0 ? -result : this.#words[VALUE_WORD]!;
  }

  close(fd: number, withReset: boolean): void {
    this.#stats[STAT.enters]!++;
    if (withReset) {
      this.#stats[STAT.enters]!++;
      const linger = this.#scratch.address + LINGER_WORD * 4;
      this.#calls.setOption(fd, SOL_SOCKET, SO_LINGER, linger, LINGER_BYTES);
    }
    this.#libc.close(fd);
  }

  closeScratch(): void {
    this.#scratch.unmap();
  }

  #prepare(fd: number, { localAddress = 0, localPort = 0 }: ConnectOptions): number {
    this.#switchOn(fd, IPPROTO_TCP, TCP_NODELAY);
    if (localPort !== 0) this.#switchOn(fd, SOL_SOCKET, SO_REUSEADDR);
    else if (localAddress !== 0) this.#switchOn(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT);
    const { socketSendBytes, socketReceiveBytes, sourcePorts } = this.#settings;
    if (localPort === 0 && sourcePorts !== undefined) {
      this.#libc.setSocketOption(fd, SOL_IP, IP_LOCAL_PORT_RANGE, portRangeWord(sourcePorts));
    }
    if (socketSendBytes > 0) {
      this.#libc.setSocketOption(fd, SOL_SOCKET, SO_SNDBUF, socketSendBytes);
    }
    if (socketReceiveBytes > 0) {
      this.#libc.setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, socketReceiveBytes);
    }
    if (localPort === 0 && localAddress === 0) return 0;
    this.#writeAddress(localAddress, localPort);
    this.#stats[STAT.enters]!++;
    return this.#calls.bind(fd, this.#scratch.address, SOCKADDR_BYTES);
  }

  #switchOn(fd: number, level: number, name: number): void {
    this.#stats[STAT.enters]!++;
    this.#calls.setOption(fd, level, name, this.#scratch.address + ONE_WORD * 4, INT_BYTES);
  }

  /** sockaddr_in: family u16 LE, port u16 BE, address u32 BE, 8 bytes zero. */
  #writeAddress(address: number, port: number): void {
    this.#words[ADDRESS_WORD] = AF_INET | (((port & 0xff) << 24) | ((port >>> 8) << 16));
    this.#words[ADDRESS_WORD + 1] =
      (address >>> 24) |
      ((address >>> 8) & 0xff00) |
      ((address & 0xff00) << 8) |
      ((address & 0xff) << 24);
  }
}
