// What the server itself counts, to be compared with what we count. Two servers tell: one in the same
// lab (its rows on the bus, see lab-link.ts), and a broker with the usual $SYS topics (mosquitto, EMQX,
// HiveMQ), which is asked over one more connection. Anything else tells nothing, and that is said.

import { connect } from 'node:net';
import type { Clock } from '#core/clock/clock.ts';
import { formatIpv4 } from '#core/host/ipv4.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { encodeConnect, encodeSubscribe } from '#core/wire/mqtt/encode.ts';
import { frameLength } from '#core/wire/mqtt/frame.ts';
import { PACKET } from '#core/wire/mqtt/packet.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';

/** Retained messages come with the subscription; a broker that has none sends nothing. */
const ANSWER_TIMEOUT_MS = 700;
const ANSWER_BYTES_MAX = 4096;
const TOPIC = '$SYS/broker/clients/connected';
const DIFFERENCE_RATIO_MAX = 0.01;
/** The watcher itself, and what the operator of a broker has connected. */
const DIFFERENCE_MAX = 3;

export interface ServerWitness {
  /** Who said so. */
  by: 'lab' | '$SYS';
  sessions: number;
  expected: number;
  agrees: boolean;
}

export function serverWitness(
  by: ServerWitness['by'],
  sessions: number,
  expected: number,
): ServerWitness {
  const differenceMax = Math.max(DIFFERENCE_MAX, expected * DIFFERENCE_RATIO_MAX);
  return { by, sessions, expected, agrees: Math.abs(sessions - expected) <= differenceMax };
}

/** Clients that the broker has counted (it counts every ten seconds or so); undefined when it has no $SYS. */
export function askBroker(
  target: ResolvedTarget,
  clientId: string,
  clock: Clock,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: formatIpv4(target.address), port: target.port });
    let answer = Buffer.alloc(0);
    const finish = (count: number | undefined): void => {
      cancel();
      socket.resetAndDestroy();
      resolve(count);
    };
    const cancel = clock.after(ANSWER_TIMEOUT_MS, () => finish(undefined));
    // A target that takes no further connection tells nothing; the report says so.
    socket.on('error', () => finish(undefined));
    socket.on('end', () => finish(undefined));
    socket.on('connect', () => {
      const out = new Uint8Array(128);
      const end = encodeConnect(out, 0, { clientId, keepAliveS: 60, cleanSession: true });
      socket.write(out.subarray(0, encodeSubscribe(out, end, 1, [TOPIC], 0)));
    });
    socket.on('data', (bytes: Buffer) => {
      answer = Buffer.concat([answer, bytes]);
      const count = retainedCount(answer);
      if (count !== undefined || answer.length > ANSWER_BYTES_MAX) finish(count);
    });
  });
}

/** The number in the first PUBLISH of what a broker sent; undefined until it is there. */
function retainedCount(bytes: Buffer): number | undefined {
  const fields = new PublishFields();
  for (let at = 0; at < bytes.length; ) {
    const length = frameLength(bytes, at, bytes.length, ANSWER_BYTES_MAX);
    if (length <= 0) return undefined;
    const isMessage = bytes[at]! >>> 4 === PACKET.publish;
    if (isMessage && decodePublish(bytes, at, at + length, fields) === 0) {
      const text = bytes.toString('latin1', fields.payloadStart, fields.payloadEnd);
      return /^\d+$/.test(text) ? Number(text) : undefined;
    }
    at += length;
  }
  return undefined;
}
