// Finds out whether this host can run engine ring by doing what it does: a ring, its tables, a socket in a
// slot with an option set. Says in one sentence why not.

import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { REACTOR_STAT_COUNT } from '#core/socket/reactor.ts';
import { ConnectionTable } from '#core/socket/ring/connection-table.ts';
import { Lane } from '#core/socket/ring/lane.ts';
import { type Libc, loadLibc } from '#core/socket/ring/libc.ts';
import { ReceiveMemory } from '#core/socket/ring/receive-buffers.ts';
import type { Ring } from '#core/socket/ring/ring.ts';
import {
  AF_INET,
  FILE_INDEX_ALLOC,
  IPPROTO_TCP,
  OP,
  REGISTER,
  SOCK_STREAM,
  SOCKET_OP_SETSOCKOPT,
  SQE_FIXED_FILE,
  TCP_NODELAY,
} from '#core/socket/ring/uapi.ts';

const DISABLED_FILE = '/proc/sys/kernel/io_uring_disabled';
const PROBE_OPS = 64;
const PROBE_HEADER_BYTES = 16;
const PROBE_OP_BYTES = 8;
const OP_SUPPORTED = 1;

/** Undefined when engine ring works here, else the reason why it does not. */
export function whyNoRing(): string | undefined {
  if (process.platform !== 'linux') return `io_uring is Linux's; this is ${process.platform}`;
  if (endianness() !== 'LE') return 'engine ring is written for little-endian machines';
  let libc: Libc;
  try {
    libc = loadLibc();
  } catch (error) {
    return `koffi cannot be loaded: ${firstLine(error)}`;
  }
  try {
    return tryRing(libc);
  } catch (error) {
    return `${firstLine(error)}${disabledHint()}`;
  }
}

function tryRing(libc: Libc): string | undefined {
  const memory = new ReceiveMemory(libc, 1, 4096);
  const stats = new Float64Array(REACTOR_STAT_COUNT);
  try {
    const size = { slots: 1, sqEntries: 8, cqEntries: 16 };
    const lane = new Lane(0, size, libc, memory, new ConnectionTable(1), stats);
    try {
      return lackingOperation(libc, lane.ring) ?? trySocket(libc, lane.ring);
    } finally {
      lane.close();
    }
  } finally {
    memory.close();
  }
}

/** struct io_uring_probe: 16 bytes, then { op u8, - u8, flags u16, - u32 } for each operation. */
function lackingOperation(libc: Libc, ring: Ring): string | undefined {
  const probe = Buffer.alloc(PROBE_HEADER_BYTES + PROBE_OPS * PROBE_OP_BYTES);
  const result = libc.ioUringRegister(ring.fd, REGISTER.probe, probe, PROBE_OPS);
  if (result < 0) return `the kernel does not tell its io_uring operations (errno ${-result})`;
  for (const [name, op] of Object.entries(OP)) {
    const flags = probe.readUInt16LE(PROBE_HEADER_BYTES + op * PROBE_OP_BYTES + 2);
    if ((flags & OP_SUPPORTED) === 0) {
      return `io_uring of this kernel lacks the operation ${name} (Linux 6.11 has all that are needed)`;
    }
  }
  return undefined;
}

/** A socket in a slot, TCP_NODELAY on it, and closed again. */
function trySocket(libc: Libc, ring: Ring): string | undefined {
  const one = libc.mapMemory(4);
  try {
    new Int32Array(one.buffer)[0] = 1;
    ring.push(OP.socket, AF_INET, SOCK_STREAM, 0, 0, 0, 0, 0, FILE_INDEX_ALLOC);
    ring.enter();
    const slot = lastResult(ring);
    if (slot < 0) return `a socket in a ring's table is refused (errno ${-slot})`;
    const head = OP.uringCmd | (SQE_FIXED_FILE << 8);
    const entry = ring.push(head, slot, SOCKET_OP_SETSOCKOPT, IPPROTO_TCP, 0, 0, 0, 0, 4);
    ring.patch(entry, 5, TCP_NODELAY);
    ring.patch(entry, 12, one.address);
    ring.patch(entry, 13, one.address / 0x100000000);
    ring.enter();
    const result = lastResult(ring);
    return result < 0 ? `setsockopt through a ring is refused (errno ${-result})` : undefined;
  } finally {
    one.unmap();
  }
}

function lastResult(ring: Ring): number {
  const last = (ring.words[ring.cqTailIndex]! - 1) & ring.cqMask;
  return ring.words[ring.cqesIndex + last * 4 + 2]!;
}

/** The setting that switches io_uring off, where it is the cause. */
function disabledHint(): string {
  try {
    const value = readFileSync(DISABLED_FILE, 'utf8').trim();
    return value === '0' ? '' : ` (kernel.io_uring_disabled is ${value})`;
  } catch {
    // Kernels before 6.6 have no such setting.
    return '';
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
