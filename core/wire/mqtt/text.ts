// Text fields of MQTT (1.5.3): two bytes of length, most significant first, then UTF-8 without
// U+0000, surrogates and overlong forms. And the rules of topic names and filters (4.7).
//
// Control characters (U+0001 to U+001F, U+007F to U+009F) and code points that Unicode keeps for no
// character are refused too, as the standard allows (1.5.3; 5: 1.5.4): no honest name has them, and
// who prints a name need not fear it.
//
// Checking costs about a nanosecond a byte and allocates nothing. Topics that are compared byte by
// byte with `m/<digits>` need no check.

import { assert } from '#core/assert.ts';
import { FLAW } from '#core/wire/mqtt/packet.ts';

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;

/** End of the text field at `at` (two bytes of length first), or FLAW.truncated when it passes `end`. */
export function textFieldEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + 2 > end) return FLAW.truncated;
  const fieldEnd = at + 2 + ((bytes[at]! << 8) | bytes[at + 1]!);
  return fieldEnd > end ? FLAW.truncated : fieldEnd;
}

/** 0, or FLAW.text when [start, end) is not well-formed UTF-8 or holds a control or no character. */
export function textFlaw(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte < 0x80) {
      if (byte < 0x20 || byte === 0x7f) return FLAW.text;
      at++;
      continue;
    }
    const length = sequenceLength(bytes, at, end);
    if (length === 0 || isNoCharacter(bytes, at, length)) return FLAW.text;
    at += length;
  }
  return 0;
}

/** 0, or the flaw of a topic name in PUBLISH: empty, wildcards, bad text. */
export function topicNameFlaw(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return FLAW.topic;
  for (let at = start; at < end; at++) {
    if (bytes[at] === PLUS || bytes[at] === HASH) return FLAW.topic;
  }
  return textFlaw(bytes, start, end);
}

/** 0, or the flaw of a topic filter: empty, '#' not last, '#' or '+' beside other characters, bad text. */
export function topicFilterFlaw(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return FLAW.topic;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte !== PLUS && byte !== HASH) continue;
    const standsAlone =
      (at === start || bytes[at - 1] === SLASH) && (at + 1 === end || bytes[at + 1] === SLASH);
    if (!standsAlone || (byte === HASH && at + 1 !== end)) return FLAW.topic;
  }
  return textFlaw(bytes, start, end);
}

const SHARE = Uint8Array.from('$share/', (letter) => letter.charCodeAt(0));

/**
 * Where the name of the shared subscription in [start, end) ends (the filter begins one byte behind), 0
 * when the filter is not shared, FLAW.sharedFilter when name or filter is missing or the name has a
 * wildcard [MQTT-4.8.2-1, MQTT-4.8.2-2].
 */
export function sharedNameEnd(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < SHARE.length - 1) return 0;
  for (let i = 0; i < SHARE.length; i++) {
    // `$share` alone has no slash, and is meant as shared all the same.
    if (start + i === end) return FLAW.sharedFilter;
    if (bytes[start + i] !== SHARE[i]) return 0;
  }
  const nameStart = start + SHARE.length;
  let at = nameStart;
  for (; at < end && bytes[at] !== SLASH; at++) {
    if (bytes[at] === PLUS || bytes[at] === HASH) return FLAW.sharedFilter;
  }
  return at === nameStart || at + 1 >= end ? FLAW.sharedFilter : at;
}

/** Bytes that `text` takes in UTF-8, without its two bytes of length. */
export function textLength(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // A surrogate pair is two units and four bytes: each half adds one.
    if (unit >= 0x80) length += unit < 0x800 || (unit & 0xf800) === 0xd800 ? 1 : 2;
  }
  return length;
}

/** Writes a text field (length and UTF-8); returns the new end. Lone surrogates are a programmer's error. */
export function writeText(out: Uint8Array, at: number, text: string): number {
  const start = at + 2;
  let end = start;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) out[end++] = unit;
    else {
      end = writeCodePoint(out, end, text.codePointAt(i)!);
      if (unit >= 0xd800 && unit < 0xdc00) i++;
    }
  }
  assert(end - start <= 0xffff, 'an MQTT text field is at most 65535 bytes');
  out[at] = (end - start) >>> 8;
  out[at + 1] = (end - start) & 0xff;
  return end;
}

function writeCodePoint(out: Uint8Array, at: number, point: number): number {
  assert(point < 0xd800 || point > 0xdfff, 'MQTT text has no lone surrogates');
  if (point < 0x800) {
    out[at] = 0xc0 | (point >>> 6);
    out[at + 1] = 0x80 | (point & 0x3f);
    return at + 2;
  }
  if (point < 0x10000) {
    out[at] = 0xe0 | (point >>> 12);
    out[at + 1] = 0x80 | ((point >>> 6) & 0x3f);
    out[at + 2] = 0x80 | (point & 0x3f);
    return at + 3;
  }
  out[at] = 0xf0 | (point >>> 18);
  out[at + 1] = 0x80 | ((point >>> 12) & 0x3f);
  out[at + 2] = 0x80 | ((point >>> 6) & 0x3f);
  out[at + 3] = 0x80 | (point & 0x3f);
  return at + 4;
}

/** Length of the well-formed multi-byte sequence at `at` (Unicode 15, table 3-7), or 0. */
function sequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!;
  const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > end) return 0;
  const second = bytes[at + 1]!;
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) return 0;
  for (let i = 2; i < length; i++) {
    if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/** U+0080 to U+009F, U+FDD0 to U+FDEF, and the last two of each plane (Unicode 15, 23.7). */
function isNoCharacter(bytes: Uint8Array, at: number, length: number): boolean {
  const second = bytes[at + 1]!;
  if (length === 2) return bytes[at] === 0xc2 && second < 0xa0;
  const last = bytes[at + length - 1]!;
  if (length === 3 && bytes[at] === 0xef && second === 0xb7) return last >= 0x90 && last < 0xb0;
  if (last < 0xbe || bytes[at + length - 2] !== 0xbf) return false;
  // The plane ends where all lower bits are set: the third last byte has its low four.
  return length === 3 ? bytes[at] === 0xef : (bytes[at + 1]! & 0x0f) === 0x0f;
}
