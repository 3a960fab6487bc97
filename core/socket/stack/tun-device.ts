// A TUN device of our own: what the host routes to the clients' block of addresses is read from it, what
// is written to it arrives at the host. Made by the first call, and gone with its descriptor, together
// with its route and its settings, however this process ends: nothing has to be restored.
//
// Packets stay on this host unless its maker says otherwise: `reaches` is asked for every new peer and knows
// only addresses of the host. With `reachesOthers` the host forwards what comes from our device by its routes.
// Loopback targets are reached too: the setting `route_localnet` of our own device lets 127.0.0.0/8 be
// talked to through it (Documentation/networking/ip-sysctl.rst).
//
// Layouts: linux/if.h (ifreq, 40 bytes), linux/route.h (rtentry, 120 bytes), linux/if_tun.h.

import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { WsarError } from '#core/errors.ts';
import { loadLibc, type Mapping } from '#core/socket/ring/libc.ts';
import { MTU_BYTES, PACKET_BYTES_MAX } from '#core/socket/stack/packet.ts';
import type { PacketLink } from '#core/socket/stack/packet-link.ts';
import { readRoutes, requireOwnBlock } from '#core/socket/stack/routes.ts';
import type { SourceBlock } from '#core/socket/stack/stack-parts.ts';
import { loadTunCalls, type TunCalls } from '#core/socket/stack/tun-calls.ts';

export const TUN_PATH = '/dev/net/tun';
const O_RDWR_NONBLOCK_CLOEXEC = 0o2004002;
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
/** Checksums of packets to us need not be computed either. */
const TUN_F_CSUM = 1;
const IFF_TUN_NO_PI_VNET_HDR = 0x5001;
const SIOCADDRT = 0x890b;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCSIFMTU = 0x8922;
const SIOCSIFTXQLEN = 0x8943;
const IFF_UP = 1;
const RTF_UP = 1;
const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const IFREQ_BYTES = 40;
const IFNAME_BYTES = 16;
const RTENTRY_BYTES = 120;
/** Packets that wait to be read: a turn of a busy generator lets some thousand come together. */
const QUEUE_PACKETS = 20_000;
/** Room for a page of out, a page of in, and the name for the route. */
const MEMORY_BYTES = 12_288;
const IN_OFFSET = 4096;
const NAME_OFFSET = 8192;
const { EAGAIN, EINTR } = constants.errno;

export class TunDevice implements PacketLink {
  readonly fd: number;
  readonly name: string;
  readonly out: Uint8Array;
  readonly received: Uint8Array;
  readonly #calls: TunCalls;
  readonly #memory: Mapping;
  readonly #reachesOthers: boolean;
  readonly #isOn = new Set<string>();

  /**
   * Makes the device and routes `block` (a power of two of addresses, on its boundary) to it. Throws
   * WSAR_ERR_ENGINE when the host does not let us, WSAR_ERR_USAGE when the block is somebody else's.
   */
  constructor(block: SourceBlock, reachesOthers = false) {
    requireOwnBlock(block, readRoutes());
    this.#reachesOthers = reachesOthers;
    this.#calls = loadTunCalls();
    this.fd = this.#calls.open(TUN_PATH, O_RDWR_NONBLOCK_CLOEXEC);
    if (this.fd < 0) throw deviceError(`open of ${TUN_PATH}`, -this.fd);
    this.#memory = loadLibc().mapMemory(MEMORY_BYTES);
    this.out = new Uint8Array(this.#memory.buffer, 0, PACKET_BYTES_MAX);
    this.received = new Uint8Array(this.#memory.buffer, IN_OFFSET, PACKET_BYTES_MAX);
    try {
      this.name = this.#create();
      this.#configure(block);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  send(length: number): boolean {
    return this.#calls.write(this.fd, this.#memory.address, length) === length;
  }

  receive(): number {
    const address = this.#memory.address + IN_OFFSET;
    const length = this.#calls.read(this.fd, address, PACKET_BYTES_MAX);
    if (length >= 0) return length;
    if (length === -EAGAIN || length === -EINTR) return 0;
    throw deviceError(`reading from ${this.name}`, -length);
  }

  advance(): void {
    // A device holds nothing back.
  }

  waitUs(): number {
    return Number.POSITIVE_INFINITY;
  }

  reaches(address: number): boolean {
    if (address >>> 24 === 127) return this.#turnOn('route_localnet');
    return this.#isOfThisHost(address) || (this.#reachesOthers && this.#turnOn('forwarding'));
  }

  close(): void {
    this.#calls.close(this.fd);
    this.#memory.unmap();
  }

  /** The kernel picks a free name. */
  #create(): string {
    const request = new Uint8Array(IFREQ_BYTES);
    Buffer.from(request.buffer).write('wsar%d', 'latin1');
    Buffer.from(request.buffer).writeUInt16LE(IFF_TUN_NO_PI_VNET_HDR, IFNAME_BYTES);
    this.#require('making a TUN device', this.#calls.ioctl(this.fd, TUNSETIFF, request));
    const offload = this.#calls.ioctlNumber(this.fd, TUNSETOFFLOAD, TUN_F_CSUM);
    this.#require('TUNSETOFFLOAD', offload);
    return Buffer.from(request.buffer).toString('latin1', 0, IFNAME_BYTES).replace(/\0.*$/, '');
  }

  #configure(block: SourceBlock): void {
    const socket = this.#calls.socket(AF_INET, SOCK_DGRAM_CLOEXEC);
    this.#require('a socket', socket);
    try {
      this.#setDevice(socket, SIOCSIFMTU, MTU_BYTES);
      this.#setDevice(socket, SIOCSIFTXQLEN, QUEUE_PACKETS);
      const request = this.#request();
      this.#require('SIOCGIFFLAGS', this.#calls.ioctl(socket, SIOCGIFFLAGS, request));
      const flags = Buffer.from(request.buffer).readUInt16LE(IFNAME_BYTES);
      this.#setDevice(socket, SIOCSIFFLAGS, flags | IFF_UP);
      this.#addRoute(socket, block);
    } finally {
      this.#calls.close(socket);
    }
  }

  #setDevice(socket: number, call: number, value: number): void {
    const request = this.#request();
    Buffer.from(request.buffer).writeInt32LE(value, IFNAME_BYTES);
    this.#require(`ioctl 0x${call.toString(16)}`, this.#calls.ioctl(socket, call, request));
  }

  #request(): Uint8Array {
    const request = new Uint8Array(IFREQ_BYTES);
    Buffer.from(request.buffer).write(this.name, 'latin1');
    return request;
  }

  /** rtentry: destination at 8, mask at 40, flags at 56, address of the device's name at 88. */
  #addRoute(socket: number, block: SourceBlock): void {
    Buffer.from(this.#memory.buffer).write(`${this.name}\0`, NAME_OFFSET, 'latin1');
    const entry = Buffer.alloc(RTENTRY_BYTES);
    entry.writeUInt16LE(AF_INET, 8);
    entry.writeUInt32BE(block.addressMin, 12);
    entry.writeUInt16LE(AF_INET, 40);
    entry.writeUInt32BE(2 ** 32 - block.addressCount, 44);
    entry.writeUInt16LE(RTF_UP, 56);
    entry.writeBigUInt64LE(BigInt(this.#memory.address + NAME_OFFSET), 88);
    this.#require('adding the route', this.#calls.ioctl(socket, SIOCADDRT, entry));
  }

  #require(what: string, result: number): void {
    if (result < 0) throw deviceError(what, -result);
  }

  /** Asks the kernel: only an address of this host can be bound to. */
  #isOfThisHost(address: number): boolean {
    const socket = this.#calls.socket(AF_INET, SOCK_DGRAM_CLOEXEC);
    if (socket < 0) return false;
    const name = Buffer.alloc(16);
    name.writeUInt16LE(AF_INET, 0);
    name.writeUInt32BE(address, 4);
    const result = address === 0 ? -1 : this.#calls.bind(socket, name);
    this.#calls.close(socket);
    return result === 0;
  }

  /** A setting of our own device. */
  #turnOn(setting: 'route_localnet' | 'forwarding'): boolean {
    if (this.#isOn.has(setting)) return true;
    try {
      writeFileSync(`/proc/sys/net/ipv4/conf/${this.name}/${setting}`, '1');
      this.#isOn.add(setting);
      return true;
    } catch {
      // /proc/sys is read-only, as in most containers: those addresses stay out of reach, and connects say so.
      return false;
    }
  }
}

function deviceError(what: string, errno: number): WsarError {
  return new WsarError(
    'WSAR_ERR_ENGINE',
    `engine stack: ${what} failed with errno ${errno}`,
    `it needs CAP_NET_ADMIN and ${TUN_PATH}: run as root or in a network namespace of your own, or take --engine ring`,
  );
}
