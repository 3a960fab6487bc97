// What this host says about its ports: which are listened on, and which the kernel hands out by
// itself. Read once, before a run. /proc/net/tcp lists listeners first, so the reading ends at the
// first line that is none, however many connections follow.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { HostPorts } from '#loadgen/source-plan.ts';

/** State LISTEN in /proc/net/tcp (include/net/tcp_states.h: TCP_LISTEN = 10). */
const LISTEN = '0A';
const READ_BYTES = 65_536;

/** Linux; elsewhere, or where a file is missing, the defaults of Linux and no listeners. */
export function readHostPorts(procFolder: string): HostPorts {
  const listening = new Set([
    ...listeningPorts(join(procFolder, 'net/tcp')),
    ...listeningPorts(join(procFolder, 'net/tcp6')),
  ]);
  const sysctl = join(procFolder, 'sys/net/ipv4');
  const [localMin = 32_768, localMax = 60_999] = numbersIn(join(sysctl, 'ip_local_port_range'));
  const [unprivilegedMin = 1024] = numbersIn(join(sysctl, 'ip_unprivileged_port_start'));
  return { listening, localMin, localMax, unprivilegedMin };
}

function listeningPorts(file: string): number[] {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return []; // No /proc here: a collision then shows as a refused bind, which is tried elsewhere.
  }
  const ports: number[] = [];
  const buffer = Buffer.alloc(READ_BYTES);
  let rest = '';
  try {
    for (;;) {
      const length = readSync(fd, buffer, 0, READ_BYTES, null);
      if (length === 0) return ports;
      const lines = (rest + buffer.toString('latin1', 0, length)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        // "  0: 0100007F:075B 00000000:0000 0A ..."; the heading has no colon in its first word.
        const fields = line.trim().split(/\s+/);
        if (!/^\d+:$/.test(fields[0] ?? '')) continue;
        if (fields[3] !== LISTEN) return ports;
        ports.push(Number.parseInt(fields[1]!.split(':')[1]!, 16));
      }
    }
  } finally {
    closeSync(fd);
  }
}

function numbersIn(file: string): number[] {
  try {
    return readFileSync(file, 'utf8').trim().split(/\s+/).map(Number);
  } catch {
    return []; // The caller has the default.
  }
}
