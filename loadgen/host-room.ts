// Whether this host has room for so many connections, asked before anything starts. Running out of
// memory in the middle of a ramp kills something, and not always the generator.
// What counts as free memory: core/host/free-memory.ts.

import { WsarError } from '#core/errors.ts';
import { descriptorLimit } from '#core/host/descriptor-limit.ts';
import { readFreeBytes } from '#core/host/free-memory.ts';
import type { EngineName } from '#core/socket/reactor.ts';

export interface HostRoom {
  /** Bytes that connections can take; undefined where it cannot be read. */
  freeBytes: number | undefined;
  /** Descriptors that one process can have; undefined where it cannot be read. */
  descriptors: number | undefined;
}

export interface RoomNeed {
  connections: number;
  engine: EngineName;
  /** The connections speak TLS. */
  isTls?: boolean;
  /** The server is on this host too: its ends of the connections count as well. */
  isTargetHere: boolean;
}

// Measured with wsar serve and clients of engine stack, millions of them, on Linux 6.18: 4,521 to 4,543 bytes a
// user of everything, of which 4,177 are slabs of the kernel for the server's end, 193 the server's and 186 the
// generator's. What is asked for has a margin over each, 5 % together.

/**
 * Kernel memory of one end of a TCP connection: 2368 (TCP socket) + 832 (inode) + 192 (dentry) + 192 (file) + 512
 * (io_uring request) + slab packing.
 */
const END_BYTES = 4300;
/** An idle session of wsar serve; servers that keep more are not known here. */
const SERVER_USER_BYTES = 256;
/** Our own arrays: users and reactor. */
const USER_BYTES = 224;
/** Objects of node:net for one socket. */
const NET_USER_BYTES = 4096;
/** TLS: what OpenSSL keeps of one connection, and with node:tls what that needs beside (measured: 29 and 77 KB). */
const TLS_USER_BYTES = 32 * 1024;
const NODE_TLS_USER_BYTES = 80 * 1024;
/** Runtimes, flight table, buffers, and what the rest of the host needs to breathe. */
const FIXED_BYTES = 384 * 2 ** 20;
/** Descriptors that are not connections. */
const FIXED_DESCRIPTORS = 128;

/** Bytes that `need` takes on this host, all ends together. */
export function roomBytes({ connections, engine, isTls, isTargetHere }: RoomNeed): number {
  // Clients of engine stack have no socket.
  const socket = engine === 'stack' ? 0 : END_BYTES;
  const tls = engine === 'net' ? NODE_TLS_USER_BYTES : TLS_USER_BYTES;
  const net = engine === 'net' ? NET_USER_BYTES : 0;
  const own = socket + USER_BYTES + net + (isTls === true ? tls : 0);
  const server = isTargetHere ? END_BYTES + SERVER_USER_BYTES : 0;
  return FIXED_BYTES + connections * (own + server);
}

/** Throws WSAR_ERR_MEMORY or WSAR_ERR_LIMIT when the host has no room. */
export function requireRoom(need: RoomNeed, room: HostRoom): void {
  const { connections, engine } = need;
  const wanted = roomBytes(need);
  if (room.freeBytes !== undefined && wanted > room.freeBytes) {
    const perConnection = (wanted - FIXED_BYTES) / connections;
    const fit = Math.max(0, Math.floor((room.freeBytes - FIXED_BYTES) / perConnection));
    throw new WsarError(
      'WSAR_ERR_MEMORY',
      `${connections} connections need about ${mebibytes(wanted)} of memory on this host and ` +
        `${mebibytes(room.freeBytes)} are free`,
      fit > 0 ? `at most ${fit} connections fit` : 'free some memory first',
    );
  }
  const spare = (room.descriptors ?? Number.POSITIVE_INFINITY) - FIXED_DESCRIPTORS;
  if ((engine === 'net' || engine === 'epoll') && connections > spare) {
    throw new WsarError(
      'WSAR_ERR_LIMIT',
      `engine ${engine} needs a descriptor for each of ${connections} connections and this process ` +
        `may have ${room.descriptors}`,
      `raise it with ulimit -n, take --engine ring where the host has it, or at most ${spare} connections`,
    );
  }
}

/** Reads what this host has; `procFolder` and `cgroupFolder` are /proc and /sys/fs/cgroup. */
export function readHostRoom(procFolder: string, cgroupFolder: string): HostRoom {
  return {
    freeBytes: readFreeBytes(procFolder, cgroupFolder),
    descriptors: descriptorLimit(procFolder),
  };
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
