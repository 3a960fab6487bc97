// What a user says on the wire, without building anything: each kind of packet is encoded once as a
// template and then only its user number, packet id and payload header are patched. A user id is
// eight digits ('10000000' + user), so every template has a fixed length.
//
// The payload of a message, little-endian, PAYLOAD_BYTES_MIN at least, the rest filler:
//
//   0  u32  'wsl1', tells our messages from others'
//   4  u32  number of this run, tells a message that a broker kept from an earlier run
//   8  f64  index of the message in the plan
//   16 f64  intended send time, us of the host clock
//   24 f64  actual send time
//   32 u32  sender (user number)
//
// A hint ('typing') is a QoS 0 message to the same mailbox: u32 'wsh1', u32 number of this run.
// Presence is 'online' or 'offline' to p/<own uid>, QoS 0.
//
// Cost: about 50 ns a message, no allocation.

import { assert } from '#core/assert.ts';
import {
  encodeConnect,
  encodeDisconnect,
  encodePingreq,
  encodePublish,
  encodeSubscribe,
  publishLength,
} from '#core/wire/mqtt/encode.ts';
import {
  encodeConnect5,
  encodePublish5,
  encodeSubscribe5,
  publishLength5,
} from '#core/wire/mqtt/encode-5.ts';
import { PROTOCOL_LEVEL_5 } from '#core/wire/mqtt/packet.ts';

/** Payload header, and so the smallest payload. */
export const PAYLOAD_BYTES_MIN = 36;
export const PAYLOAD_BYTES_MAX = 65_536;
/** A message with a picture: its link and a thumbnail (assumed: 2 to 6 KB). The picture goes by HTTP. */
export const MEDIA_BYTES = 3072;
/** Sizes of messages that are kept ready: text and pictures, and what a knob had before. */
const TEMPLATES_MAX = 32;

/** Users that eight digits can name. */
export const USERS_MAX = 90_000_000;

const UID_BASE = 10_000_000;
const UID_DIGITS = 8;
/** Digits that stand for the user himself, his group, and whom he watches. */
const PLACEHOLDER = '00000000';
const GROUP_PLACEHOLDER = '11111111';
const CONTACT_PLACEHOLDER = '22222222';
const MAGIC = 0x316c7377; // 'wsl1' read as a little-endian u32
const HINT_MAGIC = 0x31687377; // 'wsh1'
const HINT_BYTES = 8;
const SUBSCRIBE_PACKET_ID = 1;
/** Two bytes of length, 'm/' and eight digits, one byte of QoS. */
const FILTER_BYTES = 13;
/** CONNECT with a will (49), and a SUBSCRIBE to eleven filters. */
const LOGIN_BYTES_MAX = 256;

/** Client id of user `user`; the mailbox is `m/<uid>`, the receipts are `r/<uid>`. */
export function uidOf(user: number): string {
  assert(user >= 0 && user < USERS_MAX, 'a user number has at most eight digits');
  return String(UID_BASE + user);
}

export interface UserPacketOptions {
  /** Protocol level of MQTT: 4 = 3.1.1, 5 = 5.0. */
  level: number;
  keepAliveS: number;
  /** Whether a session ends with its connection; else the server keeps it, and messages for it. */
  isCleanSession: boolean;
  /** Whether users subscribe to their receipts too. */
  receipts: boolean;
  payloadBytes: number;
  /** Number of this run, u32. */
  run: number;
  /** Number of the user whom this run calls 0. */
  uidOffset: number;
  /** Others whose presence a user subscribes to. */
  contacts?: number;
  /** Users tell their presence themselves; so does their will. */
  announces?: boolean;
}

/** What users of a run subscribe to beside their own mailbox and receipts. */
export interface Ties {
  /** Group of a user, -1 = none. */
  groupOf(user: number): number;
  contactOf(user: number, contact: number): number;
}

/**
 * Packets of one worker thread. Each `write...` fills one of the public buffers, which the reactor
 * copies.
 */
export class UserPackets {
  /** A second check mark that the receiver makes itself, QoS 0, to r/<uid of the sender>. */
  readonly receipt: Uint8Array;
  /** 'typing' to a mailbox, QoS 0. */
  readonly hint: Uint8Array;
  /** 'online' and 'offline' of a user, QoS 0. */
  readonly online: Uint8Array;
  readonly offline: Uint8Array;
  readonly ping: Uint8Array;
  readonly disconnect: Uint8Array;
  readonly #uidOffset: number;
  readonly #ties: Ties | undefined;
  /** With a group, and without. */
  readonly #logins: [LoginTemplate, LoginTemplate];
  #login: LoginTemplate;
  readonly #receiptUid: number;
  readonly #hintUid: number;
  readonly #presenceUids: [number, number];
  readonly #options: UserPacketOptions;
  /** By size of the payload; the oldest gives way. */
  readonly #templates = new Map<number, PublishTemplate>();
  #template: PublishTemplate;
  #groupTemplates = new Map<number, PublishTemplate>();

  constructor(options: UserPacketOptions, ties?: Ties) {
    const { level, run } = options;
    this.#uidOffset = options.uidOffset;
    this.#ties = ties;
    this.#logins = [loginTemplate(options, true), loginTemplate(options, false)];
    this.#login = this.#logins[1];
    this.#options = options;
    this.#template = createTemplate(options, 'm', options.payloadBytes);
    this.#templates.set(options.payloadBytes, this.#template);
    this.receipt = noticeTemplate(level, 'r', new TextEncoder().encode('delivered'));
    this.#receiptUid = placeholders(this.receipt)[0]!;
    this.hint = noticeTemplate(level, 'm', hintPayload(run));
    this.#hintUid = placeholders(this.hint)[0]!;
    this.online = noticeTemplate(level, 'p', new TextEncoder().encode('online'));
    this.offline = noticeTemplate(level, 'p', new TextEncoder().encode('offline'));
    this.#presenceUids = [placeholders(this.online)[0]!, placeholders(this.offline)[0]!];
    this.ping = new Uint8Array(2);
    encodePingreq(this.ping, 0);
    this.disconnect = new Uint8Array(2);
    encodeDisconnect(this.disconnect, 0);
  }

  /**
   * CONNECT and SUBSCRIBE, sent together: the standard lets a client go on before the CONNACK
   * (3.1.4).
   */
  get login(): Uint8Array {
    return this.#login.bytes;
  }

  /** Which filter of a user's login is that of his group; -1 = he has none. */
  groupFilterOf(user: number): number {
    const isMember = this.#ties !== undefined && this.#ties.groupOf(user) >= 0;
    return isMember ? this.#logins[0].groupFilter : -1;
  }

  /** The PUBLISH that `writePublish` fills. */
  get publish(): Uint8Array {
    return this.#template.bytes;
  }

  /** Size of the payload from the next `writePublish` on, and whether that goes to a group. */
  usePayload(bytes: number, isForGroup = false): void {
    const templates = isForGroup ? this.#groupTemplates : this.#templates;
    let template = templates.get(bytes);
    if (template === undefined) {
      if (templates.size === TEMPLATES_MAX) templates.delete(templates.keys().next().value!);
      template = createTemplate(this.#options, isForGroup ? 'g' : 'm', bytes);
      templates.set(bytes, template);
    }
    this.#template = template;
  }

  /** Fills `login` for a user. */
  writeLogin(user: number): void {
    const group = this.#ties?.groupOf(user) ?? -1;
    this.#login = this.#logins[group < 0 ? 1 : 0];
    const { bytes, uids, groupUids, contactUids } = this.#login;
    for (let i = 0; i < uids.length; i++) writeUid(bytes, uids[i]!, this.#uidOffset + user);
    for (let i = 0; i < groupUids.length; i++) {
      writeUid(bytes, groupUids[i]!, this.#uidOffset + group);
    }
    for (let i = 0; i < contactUids.length; i++) {
      writeUid(bytes, contactUids[i]!, this.#uidOffset + this.#ties!.contactOf(user, i));
    }
  }

  /** Fills `receipt` for the sender of a message. */
  writeReceipt(sender: number): void {
    writeUid(this.receipt, this.#receiptUid, this.#uidOffset + sender);
  }

  /** Fills `hint` for the receiver of a message to come. */
  writeHint(receiver: number): void {
    writeUid(this.hint, this.#hintUid, this.#uidOffset + receiver);
  }

  /** Fills `online` or `offline`; returns it. */
  writePresence(user: number, isOnline: boolean): Uint8Array {
    const packet = isOnline ? this.online : this.offline;
    writeUid(packet, this.#presenceUids[isOnline ? 0 : 1], this.#uidOffset + user);
    return packet;
  }

  /** Fills `publish` with message `index` of `sender` to `receiver`, a user or (see `usePayload`) a group. */
  writePublish(
    sender: number,
    receiver: number,
    packetId: number,
    index: number,
    intendedUs: number,
    sentUs: number,
  ): void {
    const { bytes, uidAt, view, payloadAt: at } = this.#template;
    writeUid(bytes, uidAt, this.#uidOffset + receiver);
    view.setUint16(0, packetId);
    view.setFloat64(at + 8, index, true);
    view.setFloat64(at + 16, intendedUs, true);
    view.setFloat64(at + 24, sentUs, true);
    view.setUint32(at + 32, sender, true);
  }
}

/** A PUBLISH with one size of payload. */
interface PublishTemplate {
  bytes: Uint8Array;
  uidAt: number;
  /** From the packet id on. */
  view: DataView;
  /** From the packet id to the payload: 2, and 1 for the properties that MQTT 5 counts. */
  payloadAt: number;
}

/** Reads payload headers; the fields hold until the next `read`. */
export class MessageHeader {
  index = 0;
  intendedUs = 0;
  sentUs = 0;
  sender = 0;
  readonly #run: number;
  readonly #bytes = new Uint8Array(PAYLOAD_BYTES_MIN);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(run: number) {
    this.#run = run;
  }

  /** False when the payload [start, end) is not one of this run. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < PAYLOAD_BYTES_MIN) return false;
    for (let i = 0; i < PAYLOAD_BYTES_MIN; i++) this.#bytes[i] = bytes[start + i]!;
    const view = this.#view;
    if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== this.#run) return false;
    this.index = view.getFloat64(8, true);
    this.intendedUs = view.getFloat64(16, true);
    this.sentUs = view.getFloat64(24, true);
    this.sender = view.getUint32(32, true);
    return true;
  }
}

/** Whether a payload is a hint of this run. */
export function isHint(bytes: Uint8Array, start: number, end: number, run: number): boolean {
  return (
    end - start === HINT_BYTES &&
    readUint32(bytes, start) === HINT_MAGIC &&
    readUint32(bytes, start + 4) === run
  );
}

function readUint32(bytes: Uint8Array, at: number): number {
  const [a, b, c, d] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

function hintPayload(run: number): Uint8Array {
  const payload = new Uint8Array(HINT_BYTES);
  const view = new DataView(payload.buffer);
  view.setUint32(0, HINT_MAGIC, true);
  view.setUint32(4, run, true);
  return payload;
}

/** A login whose numbers are filled in. */
interface LoginTemplate {
  bytes: Uint8Array;
  uids: number[];
  groupUids: number[];
  contactUids: number[];
  groupFilter: number;
}

function loginTemplate(options: UserPacketOptions, hasGroup: boolean): LoginTemplate {
  const { level, keepAliveS, receipts, isCleanSession: cleanSession, contacts = 0 } = options;
  const out = new Uint8Array(LOGIN_BYTES_MAX);
  const offline = { topic: `p/${PLACEHOLDER}`, payload: new TextEncoder().encode('offline') };
  const will =
    options.announces === true ? { ...offline, qos: 0 as const, retain: false } : undefined;
  const login = { clientId: PLACEHOLDER, keepAliveS, cleanSession, ...(will && { will }) };
  // What is only said once, with QoS 0, is not sent again to who was away.
  const wanted = [
    { filter: `m/${PLACEHOLDER}`, qos: 1 },
    ...(receipts ? [{ filter: `r/${PLACEHOLDER}`, qos: 0 }] : []),
    ...(hasGroup ? [{ filter: `g/${GROUP_PLACEHOLDER}`, qos: 1 }] : []),
    ...Array.from({ length: contacts }, () => ({ filter: `p/${CONTACT_PLACEHOLDER}`, qos: 0 })),
  ];
  const id = SUBSCRIBE_PACKET_ID;
  let end: number;
  if (level === PROTOCOL_LEVEL_5) {
    end = encodeSubscribe5(out, encodeConnect5(out, 0, login), id, wanted);
  } else {
    const filters = wanted.map(({ filter }) => filter);
    end = encodeSubscribe(out, encodeConnect(out, 0, login), id, filters, 1);
    // Filters have one length; behind each is what it asks for.
    wanted.forEach(({ qos }, i) => {
      out[end - 1 - (wanted.length - 1 - i) * FILTER_BYTES] = qos;
    });
  }
  const bytes = out.slice(0, end);
  return {
    bytes,
    uids: placeholders(bytes),
    groupUids: placeholders(bytes, GROUP_PLACEHOLDER),
    contactUids: placeholders(bytes, CONTACT_PLACEHOLDER),
    groupFilter: hasGroup ? wanted.findIndex(({ filter }) => filter.startsWith('g/')) : -1,
  };
}

/** A QoS 0 message of always the same text to somebody's topic. */
function noticeTemplate(level: number, letter: 'm' | 'r' | 'p', body: Uint8Array): Uint8Array {
  const topic = new TextEncoder().encode(`${letter}/${PLACEHOLDER}`);
  const [size, end] = [topic.length, body.length];
  const is5 = level === PROTOCOL_LEVEL_5;
  const out = new Uint8Array(is5 ? publishLength5(size, 0, 0, end) : publishLength(size, 0, end));
  if (is5) encodePublish5(out, 0, topic, size, 0, 0, false, false, undefined, body, 0, end);
  else encodePublish(out, 0, topic, size, 0, 0, false, false, body, 0, end);
  return out;
}

function publishTemplate(level: number, topic: Uint8Array, payload: Uint8Array): Uint8Array {
  const [size, id] = [topic.length, 1];
  if (level === PROTOCOL_LEVEL_5) {
    const out = new Uint8Array(publishLength5(size, 1, 0, payload.length));
    const end = payload.length;
    encodePublish5(out, 0, topic, size, 1, id, false, false, undefined, payload, 0, end);
    return out;
  }
  const out = new Uint8Array(publishLength(size, 1, payload.length));
  encodePublish(out, 0, topic, size, 1, id, false, false, payload, 0, payload.length);
  return out;
}

function createTemplate(
  options: UserPacketOptions,
  letter: 'm' | 'g',
  payloadBytes: number,
): PublishTemplate {
  const topic = new TextEncoder().encode(`${letter}/${PLACEHOLDER}`);
  const payload = payloadTemplate(payloadBytes, options.run);
  const bytes = publishTemplate(options.level, topic, payload);
  const uidAt = placeholders(bytes)[0]!;
  const packetIdAt = uidAt + UID_DIGITS;
  const payloadAt = bytes.length - payload.length - packetIdAt;
  const view = new DataView(bytes.buffer, packetIdAt);
  return { bytes, uidAt, view, payloadAt };
}

function payloadTemplate(payloadBytes: number, run: number): Uint8Array {
  assert(
    payloadBytes >= PAYLOAD_BYTES_MIN && payloadBytes <= PAYLOAD_BYTES_MAX,
    'a payload holds its header and has a bound',
  );
  const payload = new Uint8Array(payloadBytes).fill(0x2e, PAYLOAD_BYTES_MIN);
  const view = new DataView(payload.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, run, true);
  return payload;
}

/** Offsets of every run of eight such characters. */
function placeholders(template: Uint8Array, digits = PLACEHOLDER): number[] {
  const text = new TextDecoder('latin1').decode(template);
  return [...text.matchAll(new RegExp(digits, 'g'))].map((match) => match.index);
}

function writeUid(out: Uint8Array, at: number, user: number): void {
  let rest = UID_BASE + user;
  for (let i = at + UID_DIGITS - 1; i >= at; i--) {
    const next = Math.floor(rest / 10);
    out[i] = 0x30 + rest - next * 10;
    rest = next;
  }
}
