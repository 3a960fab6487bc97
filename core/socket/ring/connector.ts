// Opening connections: two trips through the ring. SOCKET lets the kernel pick a slot; then one linked chain
// sets the options, binds the source if one is given, and connects. Every entry but the last is silent
// when it succeeds, and when one fails the rest of its chain is: a trip has exactly one completion.
//
// TCP_NODELAY, because output leaves in one piece a turn anyway. With an explicit source port SO_REUSEADDR,
// so that addresses in TIME_WAIT can be used again; with a source address alone
// IP_BIND_ADDRESS_NO_PORT, so that the port is chosen per remote address at connect, and IP_LOCAL_PORT_RANGE when
// it is to be chosen from other ports than the host's.

import { CLOSE_REASON, type Conn, type ConnectOptions } from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import { type ConnectionTable, FLAG, TAG } from '#core/socket/ring/connection-table.ts';
import type { Connections } from '#core/socket/ring/connections.ts';
import type { Lane } from '#core/socket/ring/lane.ts';
import type { Libc } from '#core/socket/ring/libc.ts';
import { portRangeWord } from '#core/socket/ring/port-window.ts';
import { SubmitScratch } from '#core/socket/ring/submit-scratch.ts';
import {
  AF_INET,
  FILE_INDEX_ALLOC,
  IP_BIND_ADDRESS_NO_PORT,
  IP_LOCAL_PORT_RANGE,
  IPPROTO_TCP,
  OP,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_SNDBUF,
  SOCK_STREAM,
  SOCKET_OP_SETSOCKOPT,
  SOL_IP,
  SOL_SOCKET,
  SQE_CQE_SKIP_SUCCESS,
  SQE_FIXED_FILE,
  SQE_IO_LINK,
  TCP_NODELAY,
} from '#core/socket/ring/uapi.ts';

const LINKED = (SQE_FIXED_FILE | SQE_IO_LINK | SQE_CQE_SKIP_SUCCESS) << 8;
const HEAD_SOCKET = OP.socket;
const HEAD_SET_OPTION = OP.uringCmd | LINKED;
const HEAD_BIND = OP.bind | LINKED;
const HEAD_CONNECT = OP.connect | (SQE_FIXED_FILE << 8);
/** Five options, bind, connect. */
const CHAIN_MAX = 7;
const SOCKADDR_BYTES = 16;
/** A piece of scratch: local address, remote address, and the option values: 1, bytes to send, to receive, ports. */
const REMOTE_OFFSET = 16;
const ONE_OFFSET = 32;
const SEND_BYTES_OFFSET = 36;
const RECEIVE_BYTES_OFFSET = 40;
const PORTS_OFFSET = 44;
const PIECE_BYTES = 48;

/** What the sockets of connections are told. */
export type ConnectSettings = Pick<
  ReactorSettings,
  'socketSendBytes' | 'socketReceiveBytes' | 'sourcePorts'
>;

export class Connector {
  readonly #table: ConnectionTable;
  readonly #lanes: Lane[];
  readonly #connections: Connections;
  readonly #scratch: SubmitScratch;
  #lane: Lane;

  readonly #settings: ConnectSettings;

  constructor(
    libc: Libc,
    settings: ConnectSettings,
    table: ConnectionTable,
    lanes: Lane[],
    connections: Connections,
  ) {
    this.#settings = settings;
    this.#table = table;
    this.#lanes = lanes;
    this.#connections = connections;
    this.#scratch = new SubmitScratch(libc, PIECE_BYTES);
    this.#lane = lanes[0]!;
  }

  /** Starts; the connection number was just taken. */
  start(conn: Conn, options: ConnectOptions): void {
    const lane = this.#pickLane();
    lane.used++;
    this.#table.lane[conn] = lane.index;
    this.#table.flags[conn] = FLAG.connecting | FLAG.connectStep;
    // Until its slot is known, the connection's slot and list links are unused: they hold the addresses.
    this.#table.nextToReceive[conn] = options.remoteAddress;
    this.#table.nextToFlush[conn] = options.localAddress ?? 0;
    this.#table.slot[conn] = (options.remotePort << 16) | (options.localPort ?? 0);
    const high = this.#table.dataHigh(conn, TAG.socket);
    lane.ring.push(HEAD_SOCKET, AF_INET, SOCK_STREAM, 0, 0, 0, conn, high, FILE_INDEX_ALLOC);
  }

  /** The kernel made a socket in slot `result`. */
  onSocket(conn: Conn, result: number): void {
    const { flags } = this.#table;
    const ports = this.#table.slot[conn]!;
    flags[conn]! &= ~FLAG.connectStep;
    if (result >= 0) {
      this.#table.slot[conn] = result;
      flags[conn]! |= FLAG.hasSlot;
    }
    if ((flags[conn]! & FLAG.releasing) !== 0) this.#connections.onConnectGivenUp(conn);
    else if (result < 0) this.#connections.release(conn, CLOSE_REASON.reset, -result);
    else this.#pushChain(conn, ports >>> 16, ports & 0xffff);
  }

  /** The chain ended, in its last entry or (`result` < 0) in any. Returns true when the connection stands. */
  onConnect(conn: Conn, result: number): boolean {
    const { flags } = this.#table;
    flags[conn]! &= ~FLAG.connectStep;
    if ((flags[conn]! & FLAG.releasing) !== 0) {
      this.#connections.onConnectGivenUp(conn);
    } else if (result < 0) {
      this.#connections.release(conn, CLOSE_REASON.reset, -result);
    } else {
      flags[conn]! &= ~FLAG.connecting;
      return true;
    }
    return false;
  }

  close(): void {
    this.#scratch.close();
  }

  #pickLane(): Lane {
    if (this.#lane.freeSlots > 0) return this.#lane;
    let roomiest = this.#lane;
    for (const lane of this.#lanes) {
      if (lane.freeSlots > roomiest.freeSlots) roomiest = lane;
    }
    this.#lane = roomiest;
    return roomiest;
  }

  #pushChain(conn: Conn, remotePort: number, localPort: number): void {
    const { ring } = this.#lanes[this.#table.lane[conn]!]!;
    const localAddress = this.#table.nextToFlush[conn]!;
    if (!ring.hasRoomFor(CHAIN_MAX)) ring.submit();
    const piece = this.#scratch.take(ring);
    this.#writeAddress(piece, localAddress, localPort);
    this.#writeAddress(piece + REMOTE_OFFSET, this.#table.nextToReceive[conn]!, remotePort);
    this.#scratch.words[(piece + ONE_OFFSET) >>> 2] = 1;
    const one = piece + ONE_OFFSET;
    this.#pushOption(conn, one, IPPROTO_TCP, TCP_NODELAY);
    if (localPort !== 0) this.#pushOption(conn, one, SOL_SOCKET, SO_REUSEADDR);
    else if (localAddress !== 0) this.#pushOption(conn, one, SOL_IP, IP_BIND_ADDRESS_NO_PORT);
    const { socketSendBytes, socketReceiveBytes, sourcePorts } = this.#settings;
    if (localPort === 0 && sourcePorts !== undefined) {
      this.#scratch.words[(piece + PORTS_OFFSET) >>> 2] = portRangeWord(sourcePorts);
      this.#pushOption(conn, piece + PORTS_OFFSET, SOL_IP, IP_LOCAL_PORT_RANGE);
    }
    if (socketSendBytes > 0) {
      this.#scratch.words[(piece + SEND_BYTES_OFFSET) >>> 2] = socketSendBytes;
      this.#pushOption(conn, piece + SEND_BYTES_OFFSET, SOL_SOCKET, SO_SNDBUF);
    }
    if (socketReceiveBytes > 0) {
      this.#scratch.words[(piece + RECEIVE_BYTES_OFFSET) >>> 2] = socketReceiveBytes;
      this.#pushOption(conn, piece + RECEIVE_BYTES_OFFSET, SOL_SOCKET, SO_RCVBUF);
    }
    if (localPort !== 0 || localAddress !== 0) {
      this.#push(conn, HEAD_BIND, this.#scratch.address + piece, TAG.prepare);
    }
    this.#push(conn, HEAD_CONNECT, this.#scratch.address + piece + REMOTE_OFFSET, TAG.connect);
    this.#table.flags[conn]! |= FLAG.connectStep;
  }

  #push(conn: Conn, head: number, address: number, tag: number): void {
    const { ring } = this.#lanes[this.#table.lane[conn]!]!;
    const high = this.#table.dataHigh(conn, tag);
    ring.push(head, this.#table.slot[conn]!, SOCKADDR_BYTES, address, 0, 0, conn, high, 0);
  }

  /**
   * setsockopt(level, name, the int at `offset` of the scratch): { cmd_op, level, optname, optlen in
   * file_index, optval in addr3 }.
   */
  #pushOption(conn: Conn, offset: number, level: number, name: number): void {
    const { ring } = this.#lanes[this.#table.lane[conn]!]!;
    const high = this.#table.dataHigh(conn, TAG.prepare);
    const slot = this.#table.slot[conn]!;
    const entry = ring.push(
      HEAD_SET_OPTION,
      slot,
      SOCKET_OP_SETSOCKOPT,
      level,
      0,
      0,
      conn,
      high,
      4,
    );
    const value = this.#scratch.address + offset;
    ring.patch(entry, 5, name);
    ring.patch(entry, 12, value);
    ring.patch(entry, 13, value / 0x100000000);
  }

  /** sockaddr_in: family u16 LE, port u16 BE, address u32 BE, 8 bytes zero. */
  #writeAddress(offset: number, address: number, port: number): void {
    const { words } = this.#scratch;
    const at = offset >>> 2;
    words[at] = AF_INET | (((port & 0xff) << 24) | ((port >>> 8) << 16));
    words[at + 1] =
      (address >>> 24) |
      ((address >>> 8) & 0xff00) |
      ((address & 0xff00) << 8) |
      ((address & 0xff) << 24);
    words[at + 2] = 0;
    words[at + 3] = 0;
  }
}
