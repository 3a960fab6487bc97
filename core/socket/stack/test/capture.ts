// Writes every packet of a link to a file that tshark reads (libpcap format, raw IPv4): times in
// microseconds of the monotonic clock.

import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { systemClock } from '#core/clock/clock.ts';
import { VNET_BYTES } from '#core/socket/stack/packet.ts';
import type { PacketLink } from '#core/socket/stack/packet-link.ts';

const MAGIC = 0xa1b2c3d4;
const LINKTYPE_RAW = 101;

export class Capture {
  packets = 0;
  readonly #file: string;
  readonly #fd: number;

  constructor(file: string) {
    this.#file = file;
    this.#fd = openSync(file, 'w');
    const head = Buffer.alloc(24);
    head.writeUInt32LE(MAGIC, 0);
    head.writeUInt16LE(2, 4);
    head.writeUInt16LE(4, 6);
    head.writeUInt32LE(65_535, 16);
    head.writeUInt32LE(LINKTYPE_RAW, 20);
    writeSync(this.#fd, head);
  }

  /** For `StackOptions.tap`. */
  tap(device: PacketLink): PacketLink {
    const record = (bytes: Uint8Array, length: number): void => this.#record(bytes, length);
    return {
      out: device.out,
      received: device.received,
      send: (length) => {
        // Written down first: the kernel answers within the call.
        record(device.out, length);
        return device.send(length);
      },
      receive: () => {
        const length = device.receive();
        if (length > 0) record(device.received, length);
        return length;
      },
      advance: (nowUs) => device.advance(nowUs),
      waitUs: (nowUs) => device.waitUs(nowUs),
      reaches: (address) => device.reaches(address),
      close: () => device.close(),
    };
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Packets that a display filter of tshark finds, a line each. */
  found(filter: string): string[] {
    const text = execFileSync('tshark', ['-r', this.#file, '-Y', filter], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.split('\n').filter((line) => line !== '');
  }

  #record(bytes: Uint8Array, length: number): void {
    // IPv6 router solicitations and the like are the host's own.
    if (bytes[VNET_BYTES]! >>> 4 !== 4) return;
    const us = Math.floor(systemClock.monoUs());
    const head = Buffer.alloc(16);
    head.writeUInt32LE(Math.floor(us / 1e6), 0);
    head.writeUInt32LE(us % 1e6, 4);
    head.writeUInt32LE(length - VNET_BYTES, 8);
    head.writeUInt32LE(length - VNET_BYTES, 12);
    writeSync(this.#fd, head);
    writeSync(this.#fd, bytes.subarray(VNET_BYTES, length));
    this.packets++;
  }
}
