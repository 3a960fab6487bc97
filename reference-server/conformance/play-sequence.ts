// Plays one sequence against a server and says why it failed, if it did. The bytes of the runner's own
// packets are written out here instead of taken from core/wire: the judge shares no code with the judged.

import { type ByteStream, openStream } from '#reference-server/conformance/byte-stream.ts';
import type { Sequence, Step } from '#reference-server/conformance/sequence-file.ts';

/**
 * How the client's bytes are cut: as the sequence has them, every byte by itself, or all packets in one
 * write (up to a step in which another client publishes: that must happen at its place).
 */
export type Cut = 'packets' | 'bytes' | 'together';

const KEEP_ALIVE_S = 60;
const PINGREQ = Buffer.from('c000', 'hex');
const PINGRESP = Buffer.from('d000', 'hex');
const CONNACK = Buffer.from('20020000', 'hex');
/** With Topic Alias Maximum 10 and Receive Maximum 20, which the sequences take for granted. */
const CONNACK_V5 = Buffer.from('200900000622000a210014', 'hex');
/** Packet id of the other client. */
const ID = '0001';

/** Undefined when it passed, else a sentence. */
export async function playSequence(
  url: string,
  sequence: Sequence,
  cut: Cut,
): Promise<string | undefined> {
  let stream: ByteStream;
  try {
    stream = await openStream(url);
  } catch (error) {
    return `no connection: ${(error as Error).message}`;
  }
  try {
    const steps = [...login(sequence), ...sequence.steps];
    for (const step of cut === 'together' ? joined(steps) : steps) {
      const flaw = await take(url, stream, step, cut);
      if (flaw !== undefined) return flaw;
    }
    return await judgeEnd(stream, sequence.endsClosed);
  } finally {
    stream.destroy();
  }
}

function login({ logsIn, level, name }: Sequence): Step[] {
  if (!logsIn) return [];
  return [
    { kind: 'send', bytes: connectPacket(level, name) },
    { kind: 'receive', bytes: level === 5 ? CONNACK_V5 : CONNACK },
  ];
}

/** All sends up to the first `publish` in one, and then all that must have come; the rest as it is. */
function joined(steps: Step[]): Step[] {
  const other = steps.findIndex(({ kind }) => kind === 'publish');
  const head = other < 0 ? steps : steps.slice(0, other);
  const ofKind = (wanted: Step['kind']): Buffer =>
    Buffer.concat(
      head.map((step) =>
        step.kind === wanted ? (step as { bytes: Buffer }).bytes : Buffer.alloc(0),
      ),
    );
  const rest = other < 0 ? [] : steps.slice(other);
  return [
    { kind: 'send', bytes: ofKind('send') },
    { kind: 'receive', bytes: ofKind('receive') },
    ...rest,
  ];
}

async function take(
  url: string,
  stream: ByteStream,
  step: Step,
  cut: Cut,
): Promise<string | undefined> {
  if (step.kind === 'publish') return await publishElsewhere(url, step);
  if (step.kind === 'receive') return await expectBytes(stream, step.bytes);
  if (cut === 'bytes') await stream.writeSingly(step.bytes);
  else stream.write(step.bytes);
  return undefined;
}

async function expectBytes(stream: ByteStream, wanted: Buffer): Promise<string | undefined> {
  const came = await stream.read(wanted.length);
  if (came.equals(wanted)) return undefined;
  const end = stream.isClosed ? ' and the end' : '';
  return `wanted ${hex(wanted)}, got ${came.length === 0 ? 'nothing' : hex(came)}${end}`;
}

async function judgeEnd(stream: ByteStream, endsClosed: boolean): Promise<string | undefined> {
  if (!endsClosed) {
    stream.write(PINGREQ);
    const flaw = await expectBytes(stream, PINGRESP);
    return flaw === undefined ? undefined : `at the end: ${flaw}`;
  }
  const more = await stream.read(1);
  if (more.length > 0) return `wanted the end, got ${hex(more)}`;
  return stream.isClosed ? undefined : 'wanted the end, the connection stays open';
}

/** A client `helper` of MQTT 3.1.1 logs in, publishes and leaves. */
async function publishElsewhere(
  url: string,
  { topic, qos, payload }: Extract<Step, { kind: 'publish' }>,
): Promise<string | undefined> {
  const stream = await openStream(url);
  const exchange = async (send: Buffer, wanted: string): Promise<string | undefined> => {
    stream.write(send);
    return await expectBytes(stream, Buffer.from(wanted, 'hex'));
  };
  const body = Buffer.concat([
    text(topic),
    Buffer.from(qos === 0 ? '' : ID, 'hex'),
    Buffer.from(payload),
  ]);
  const publish = Buffer.concat([Buffer.from([0x30 | (qos << 1), body.length]), body]);
  try {
    let flaw = await exchange(connectPacket(4, 'helper'), hex(CONNACK));
    if (qos === 0) flaw ??= await exchange(Buffer.concat([publish, PINGREQ]), hex(PINGRESP));
    if (qos === 1) flaw ??= await exchange(publish, `4002${ID}`);
    if (qos === 2) {
      flaw ??= await exchange(publish, `5002${ID}`);
      flaw ??= await exchange(Buffer.from(`6202${ID}`, 'hex'), `7002${ID}`);
    }
    return flaw === undefined ? undefined : `the other client: ${flaw}`;
  } finally {
    stream.destroy();
  }
}

/** CONNECT, clean start; the remaining length of two bytes where it has to be. */
function connectPacket(level: number, clientId: string): Buffer {
  const body = Buffer.concat([
    text(level === 3 ? 'MQIsdp' : 'MQTT'),
    Buffer.from([level, 0x02, KEEP_ALIVE_S >> 8, KEEP_ALIVE_S & 0xff]),
    Buffer.alloc(level === 5 ? 1 : 0),
    text(clientId),
  ]);
  const { length } = body;
  const header = length < 128 ? [0x10, length] : [0x10, 0x80 | (length & 0x7f), length >> 7];
  return Buffer.concat([Buffer.from(header), body]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
