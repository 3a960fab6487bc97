// What a snapshot says, record by record, as plain values and as bytes: pure, both ways. The file around it (header,
// checksums, end) is snapshot-file.ts; where the values come from and go to is home-capture.ts and home-restore.ts.
//
//   part          what one worker had begins: references to rows, and numbers of messages, are its own
//   message       a message that sessions wait for; it is number 0, 1, 2, ... of its part
//   retained      a retained message
//   user          a uid with its session; the records that follow belong to it:
//     subscription, member, delivery, received, mail
//   owed          a message to a group whose sender is still to be told who accepted it (home/group-ledger.ts)
//   parked        a message that its receiver could not take
//
// Whole numbers are varints, times are doubles, texts and bytes stand behind their length. Every time is ms since
// 1970 UTC, so that what expires also does while no server runs; Infinity = never. The order of fields is that of
// the functions below.

import { ByteReader, DamagedBytes } from '#core/spool/byte-reader.ts';
import type { ByteWriter } from '#core/spool/byte-writer.ts';
import type { MessageSource } from '#reference-server/broker/message-source.ts';
import { CORRELATION_BYTES_MAX } from '#reference-server/home/receipt-batches.ts';
import { UID_BYTES_MAX } from '#reference-server/home/user-table.ts';

export interface SavedMessage {
  topic: Uint8Array;
  properties: Uint8Array;
  payload: Uint8Array;
  qos: number;
  retain: boolean;
  expiresWallMs: number;
}

/** A will that waits for its delay. */
export interface SavedWill {
  message: SavedMessage;
  /** Its expiry counts from when it is published, ms. */
  expiryMs: number;
  delayMs: number;
  dueWallMs: number;
}

/** The session of the general lane. */
export interface SavedSession {
  level: number;
  /** ms that it outlives its connection. */
  expiryMs: number;
  endsWallMs: number;
  lastPacketId: number;
  mailboxId: number;
  receiptsId: number;
  userName: string | undefined;
  /** Name of the listener that its client came by; see ListenerRules. */
  listener: string;
  will: SavedWill | undefined;
}

export type SnapshotRecord =
  | { kind: 'part'; worker: number; rows: number }
  | { kind: 'message'; message: SavedMessage }
  | { kind: 'retained'; message: SavedMessage; source: MessageSource | undefined }
  | {
      kind: 'user';
      uid: Uint8Array;
      /** USER flags that outlive a connection. */
      flags: number;
      /** What references to it said: `worker` is that of the part. */
      row: number;
      generation: number;
      mailboxPacketId: number;
      session: SavedSession | undefined;
    }
  | {
      kind: 'subscription';
      filter: string;
      qos: number;
      noLocal: boolean;
      retainAsPublished: boolean;
      id: number;
    }
  | { kind: 'member'; gid: Uint8Array; qos: number; noLocal: boolean; id: number }
  | {
      kind: 'delivery';
      /** Number of its message. */
      message: number;
      qos: number;
      retain: boolean;
      ids: number[];
      /** Key of the shared subscription that it came by; '' = none. */
      group: string;
      packetId: number;
      /** One of DELIVERY. */
      state: number;
    }
  | { kind: 'received'; packetId: number; message: number }
  | {
      kind: 'mail';
      /** One of BODY. */
      body: number;
      topic: Uint8Array;
      /** Properties of MQTT 5, when it has some, and payload. */
      content: Uint8Array;
      hasProperties: boolean;
      expiresWallMs: number;
      /** Modulo 2^32. */
      storedMs: number;
      /** 0 = was never sent. */
      packetId: number;
      /** Connections that left it behind as their first. */
      left: number;
      /** A sender's own copy of a message to a group: nobody hears of it. Never in a file of version 1. */
      isSilent: boolean;
      /** Who sent it, of a message to a group its `owed`; row -1 = nobody who hears of it. */
      sender: { worker: number; row: number; generation: number; packetId: number };
    }
  | {
      kind: 'owed';
      /** What references to it say: `worker` is that of the part. */
      row: number;
      generation: number;
      /** A user of the part. */
      senderRow: number;
      senderGeneration: number;
      packetId: number;
      /** How its receipts were asked for; see group-desk.ts. */
      asked: number;
      /** Copies. */
      stored: number;
      refused: number;
      accepted: number;
      /** g/<gid>, and Correlation Data. */
      name: Uint8Array;
      correlation: Uint8Array;
    }
  | {
      kind: 'parked';
      body: number;
      topic: Uint8Array;
      content: Uint8Array;
      hasProperties: boolean;
      expiresWallMs: number;
      storedMs: number;
    };

export const SNAPSHOT_KINDS = [
  'part',
  'message',
  'retained',
  'user',
  'subscription',
  'member',
  'delivery',
  'received',
  'mail',
  // Since version 2.
  'owed',
  'parked',
] as const;

/** Frames of records have the number of their kind, above the frames of the file itself. */
const TYPE_MIN = 16;

type Of<K extends SnapshotRecord['kind']> = Extract<SnapshotRecord, { kind: K }>;

/** Writes a record behind what `writer` has; returns its frame type. */
export function encodeRecord(writer: ByteWriter, record: SnapshotRecord): number {
  switch (record.kind) {
    case 'part':
      writer.varint(record.worker);
      writer.varint(record.rows);
      break;
    case 'message':
      putMessage(writer, record.message);
      break;
    case 'retained':
      putMessage(writer, record.message);
      putSource(writer, record.source);
      break;
    case 'user':
      putUser(writer, record);
      break;
    case 'subscription':
      putText(writer, record.filter);
      writer.byte(bits(record.qos, record.noLocal, record.retainAsPublished));
      writer.varint(record.id);
      break;
    case 'member':
      putBytes(writer, record.gid);
      writer.byte(bits(record.qos, record.noLocal, false));
      writer.varint(record.id);
      break;
    case 'delivery':
      putDelivery(writer, record);
      break;
    case 'received':
      writer.varint(record.packetId);
      writer.varint(record.message);
      break;
    case 'mail':
      putMail(writer, record);
      break;
    case 'owed':
      putOwed(writer, record);
      break;
    case 'parked':
      putBody(writer, record, false);
  }
  return TYPE_MIN + SNAPSHOT_KINDS.indexOf(record.kind);
}

/** The record in a frame. Throws DamagedBytes; the values are views of `payload`. */
export function decodeRecord(type: number, payload: Buffer): SnapshotRecord {
  const kind = SNAPSHOT_KINDS[type - TYPE_MIN];
  if (kind === undefined) throw new DamagedBytes(`a record of kind ${type}`);
  const reader = new ByteReader(payload);
  const record = READ[kind](reader);
  if (!reader.isAtEnd) throw new DamagedBytes(`a ${kind} with bytes behind it`);
  return record;
}

const READ: { [K in SnapshotRecord['kind']]: (reader: ByteReader) => Of<K> } = {
  part: (reader) => ({ kind: 'part', worker: reader.varint(255), rows: reader.varint(ROWS_MAX) }),
  message: (reader) => ({ kind: 'message', message: getMessage(reader) }),
  retained: (reader) => ({
    kind: 'retained',
    message: getMessage(reader),
    source: getSource(reader),
  }),
  user: getUser,
  subscription: (reader) => {
    const filter = getText(reader);
    const options = getBits(reader);
    return { kind: 'subscription', filter, ...options, id: reader.varint(MOST) };
  },
  member: (reader) => {
    const gid = getBytes(reader);
    const { qos, noLocal } = getBits(reader);
    return { kind: 'member', gid, qos, noLocal, id: reader.varint(MOST) };
  },
  delivery: getDelivery,
  received: (reader) => ({
    kind: 'received',
    packetId: reader.varint(0xffff),
    message: reader.varint(MOST),
  }),
  mail: getMail,
  owed: getOwed,
  parked: (reader) => {
    const { isSilent: _, ...body } = getBody(reader);
    return { kind: 'parked', ...body };
  },
};

/** More than any server has. */
const ROWS_MAX = 1 << 28;
/** No row, number or identifier is larger. */
const MOST = 0xffff_ffff;
const IDS_MAX = 0xffff;
/** 'g/' and a gid, which is as long as a uid at the most. */
const GROUP_NAME_BYTES_MAX = 2 + UID_BYTES_MAX;

function putMessage(writer: ByteWriter, message: SavedMessage): void {
  const { topic, properties, payload, qos, retain, expiresWallMs } = message;
  putBytes(writer, topic);
  putBytes(writer, properties);
  putBytes(writer, payload);
  writer.byte(bits(qos, retain, false));
  writer.double(expiresWallMs);
}

function getMessage(reader: ByteReader): SavedMessage {
  const topic = getBytes(reader);
  const properties = getBytes(reader);
  const payload = getBytes(reader);
  const { qos, noLocal: retain } = getBits(reader);
  return { topic, properties, payload, qos, retain, expiresWallMs: getTime(reader) };
}

function putSource(writer: ByteWriter, source: MessageSource | undefined): void {
  const userName = source?.userName;
  writer.byte((source === undefined ? 0 : 1) | (userName === undefined ? 0 : 2));
  if (source === undefined) return;
  putText(writer, source.clientId);
  putText(writer, source.listener);
  if (userName !== undefined) putText(writer, userName);
}

function getSource(reader: ByteReader): MessageSource | undefined {
  const has = reader.byte();
  if ((has & 1) === 0) return undefined;
  const clientId = getText(reader);
  const listener = getText(reader);
  return { clientId, userName: (has & 2) === 0 ? undefined : getText(reader), listener };
}

function putUser(writer: ByteWriter, record: Of<'user'>): void {
  const { uid, flags, row, generation, mailboxPacketId, session } = record;
  putBytes(writer, uid);
  writer.varint(flags);
  writer.varint(row);
  writer.varint(generation);
  writer.varint(mailboxPacketId);
  writer.byte(session === undefined ? 0 : 1);
  if (session === undefined) return;
  writer.byte(session.level);
  writer.double(session.expiryMs);
  writer.double(session.endsWallMs);
  writer.varint(session.lastPacketId);
  writer.varint(session.mailboxId);
  writer.varint(session.receiptsId);
  putText(writer, session.listener);
  const { userName, will } = session;
  writer.byte((userName === undefined ? 0 : 1) | (will === undefined ? 0 : 2));
  if (userName !== undefined) putText(writer, userName);
  if (will === undefined) return;
  putMessage(writer, will.message);
  writer.double(will.expiryMs);
  writer.double(will.delayMs);
  writer.double(will.dueWallMs);
}

function getUser(reader: ByteReader): Of<'user'> {
  return {
    kind: 'user',
    uid: getBytes(reader, UID_BYTES_MAX),
    flags: reader.varint(0xffff),
    row: reader.varint(MOST),
    generation: reader.varint(MOST),
    mailboxPacketId: reader.varint(0xffff),
    session: reader.byte() === 0 ? undefined : getSession(reader),
  };
}

function getSession(reader: ByteReader): SavedSession {
  const level = reader.byte();
  const expiryMs = getTime(reader);
  const endsWallMs = getTime(reader);
  const lastPacketId = reader.varint(0xffff);
  const mailboxId = reader.varint(MOST);
  const receiptsId = reader.varint(MOST);
  const listener = getText(reader);
  const has = reader.byte();
  const userName = (has & 1) === 0 ? undefined : getText(reader);
  const will = (has & 2) === 0 ? undefined : getWill(reader);
  const ids = { lastPacketId, mailboxId, receiptsId };
  return { level, expiryMs, endsWallMs, ...ids, userName, listener, will };
}

function getWill(reader: ByteReader): SavedWill {
  return {
    message: getMessage(reader),
    expiryMs: getTime(reader),
    delayMs: getTime(reader),
    dueWallMs: getTime(reader),
  };
}

function putDelivery(writer: ByteWriter, record: Of<'delivery'>): void {
  writer.varint(record.message);
  writer.byte(bits(record.qos, record.retain, false));
  writer.varint(record.ids.length);
  for (const id of record.ids) writer.varint(id);
  putText(writer, record.group);
  writer.varint(record.packetId);
  writer.byte(record.state);
}

function getDelivery(reader: ByteReader): Of<'delivery'> {
  const message = reader.varint(MOST);
  const { qos, noLocal: retain } = getBits(reader);
  const ids = Array.from({ length: reader.varint(IDS_MAX) }, () => reader.varint(MOST));
  const group = getText(reader);
  const packetId = reader.varint(0xffff);
  return { kind: 'delivery', message, qos, retain, ids, group, packetId, state: reader.byte() };
}

function putMail(writer: ByteWriter, record: Of<'mail'>): void {
  const { sender } = record;
  putBody(writer, record, record.isSilent);
  writer.varint(record.packetId);
  writer.varint(record.left);
  writer.varint(sender.worker);
  writer.varint(sender.row + 1);
  writer.varint(sender.generation);
  writer.varint(sender.packetId);
}

function getMail(reader: ByteReader): Of<'mail'> {
  return {
    kind: 'mail',
    ...getBody(reader),
    packetId: reader.varint(0xffff),
    left: reader.varint(0xff),
    sender: {
      worker: reader.varint(0xff),
      row: reader.varint(MOST) - 1,
      generation: reader.varint(MOST),
      packetId: reader.varint(0xffff),
    },
  };
}

/** What mail has in common with what is parked. */
type SavedBody = Omit<Of<'parked'>, 'kind'>;

function putBody(writer: ByteWriter, saved: SavedBody, isSilent: boolean): void {
  writer.byte(saved.body);
  putBytes(writer, saved.topic);
  putBytes(writer, saved.content);
  writer.byte((saved.hasProperties ? 1 : 0) | (isSilent ? 2 : 0));
  writer.double(saved.expiresWallMs);
  writer.varint(saved.storedMs);
}

function getBody(reader: ByteReader): SavedBody & { isSilent: boolean } {
  const body = reader.byte();
  const topic = getBytes(reader);
  const content = getBytes(reader);
  const flags = reader.byte();
  const hasProperties = (flags & 1) !== 0;
  const expiresWallMs = getTime(reader);
  const storedMs = reader.varint(MOST);
  return {
    body,
    topic,
    content,
    hasProperties,
    isSilent: (flags & 2) !== 0,
    expiresWallMs,
    storedMs,
  };
}

function putOwed(writer: ByteWriter, record: Of<'owed'>): void {
  writer.varint(record.row);
  writer.varint(record.generation);
  writer.varint(record.senderRow);
  writer.varint(record.senderGeneration);
  writer.varint(record.packetId);
  writer.byte(record.asked);
  writer.varint(record.stored);
  writer.varint(record.refused);
  writer.varint(record.accepted);
  putBytes(writer, record.name);
  putBytes(writer, record.correlation);
}

function getOwed(reader: ByteReader): Of<'owed'> {
  return {
    kind: 'owed',
    row: reader.varint(ROWS_MAX),
    generation: reader.varint(MOST),
    senderRow: reader.varint(MOST),
    senderGeneration: reader.varint(MOST),
    packetId: reader.varint(0xffff),
    asked: reader.byte(),
    stored: reader.varint(0xffff),
    refused: reader.varint(0xffff),
    accepted: reader.varint(0xffff),
    name: getBytes(reader, GROUP_NAME_BYTES_MAX),
    correlation: getBytes(reader, CORRELATION_BYTES_MAX),
  };
}

/** QoS and two flags. */
function bits(qos: number, first: boolean, second: boolean): number {
  return qos | (first ? 4 : 0) | (second ? 8 : 0);
}

function getBits(reader: ByteReader): {
  qos: number;
  noLocal: boolean;
  retainAsPublished: boolean;
} {
  const value = reader.byte();
  const qos = value & 3;
  if (value > 15 || qos === 3) throw new DamagedBytes(`${value} where QoS and two flags stand`);
  return { qos, noLocal: (value & 4) !== 0, retainAsPublished: (value & 8) !== 0 };
}

function putBytes(writer: ByteWriter, bytes: Uint8Array): void {
  writer.varint(bytes.length);
  writer.bytes(bytes);
}

function getBytes(reader: ByteReader, most?: number): Buffer {
  return reader.bytes(reader.varint(most));
}

function putText(writer: ByteWriter, text: string): void {
  putBytes(writer, Buffer.from(text));
}

function getText(reader: ByteReader): string {
  return getBytes(reader).toString('utf8');
}

function getTime(reader: ByteReader): number {
  const ms = reader.double();
  if (!(ms >= 0)) throw new DamagedBytes(`${ms} where a time stands`);
  return ms;
}
