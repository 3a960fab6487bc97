// TCP segments of this network namespace, from /proc/net/snmp: two lines that begin with 'Tcp:', names and values.
//
// With both ends in one namespace a segment is sent once and received once; with clients in user space each is one
// of the two. What would cross the wire of the server is therefore those sent, and without clients in the kernel
// also those received. Retransmissions count as sent.

import { readFileSync } from 'node:fs';

export interface TcpSegments {
  in: number;
  out: number;
}

/** Undefined where the kernel does not say. */
export function readTcpSegments(file = '/proc/net/snmp'): TcpSegments | undefined {
  try {
    return parseTcpSegments(readFileSync(file, 'latin1'));
  } catch {
    return undefined; // No /proc here.
  }
}

export function parseTcpSegments(text: string): TcpSegments | undefined {
  const [names, values] = text.split('\n').filter((line) => line.startsWith('Tcp:'));
  const read = (name: string): number => {
    const index = names?.split(' ').indexOf(name) ?? -1;
    return index === -1 ? Number.NaN : Number(values?.split(' ')[index]);
  };
  const segments = { in: read('InSegs'), out: read('OutSegs') };
  return Number.isFinite(segments.in) && Number.isFinite(segments.out) ? segments : undefined;
}

/** Segments to and from the server between two looks. */
export function segmentsOfServer(
  before: TcpSegments,
  after: TcpSegments,
  isClientHere: boolean,
): number {
  const out = after.out - before.out;
  return isClientHere ? out : out + after.in - before.in;
}
