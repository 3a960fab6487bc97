// DISCONNECT (3.14) and AUTH (5: 3.15): in MQTT 5 a reason code and properties, both optional.
//
//   DISCONNECT   0xe0 len [5: | reason [| properties]]
//   AUTH         0xf0 len [| reason [| properties]]          MQTT 5 only

import { emptyBodyFlaw } from '#core/wire/mqtt/decode-acknowledge.ts';
import { bodyStart } from '#core/wire/mqtt/frame.ts';
import { FLAW, PACKET, PROTOCOL_LEVEL_5, REASON } from '#core/wire/mqtt/packet.ts';
import { Properties, readProperties } from '#core/wire/mqtt/properties.ts';

/** Reason codes of AUTH (5: table 3-11). */
const AUTH_REASONS: readonly number[] = [
  REASON.success,
  REASON.continueAuthentication,
  REASON.reAuthenticate,
];
/** Codes that no DISCONNECT has, although other packets do (5: table 3-10). */
const NO_DISCONNECT_REASONS: readonly number[] = [
  REASON.unsupportedVersion,
  REASON.clientIdInvalid,
  REASON.badLogin,
  REASON.serverUnavailable,
  REASON.banned,
  REASON.badAuthenticationMethod,
  REASON.packetIdInUse,
  REASON.packetIdNotFound,
];

/** What `decodeDisconnect` found. */
export class DisconnectFields {
  reason = 0;
  readonly properties = new Properties();
}

/** Reads the DISCONNECT or AUTH of protocol `level` in [start, end), a whole frame. Returns 0 or a FLAW. */
export function decodeDisconnect(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: DisconnectFields,
  level: number,
): number {
  fields.reason = REASON.success;
  fields.properties.clear();
  const type = bytes[start]! >>> 4;
  if (level < PROTOCOL_LEVEL_5) {
    return type === PACKET.auth ? FLAW.firstByte : emptyBodyFlaw(bytes, start, end);
  }
  const body = bodyStart(bytes, start);
  if (body === end) return 0;
  fields.reason = bytes[body]!;
  if (!isReason(type, fields.reason)) return FLAW.returnCode;
  if (body + 1 === end) return 0;
  const after = readProperties(bytes, body + 1, end, type, fields.properties);
  return after < 0 ? after : after === end ? 0 : FLAW.trailing;
}

function isReason(type: number, reason: number): boolean {
  if (type === PACKET.auth) return AUTH_REASONS.includes(reason);
  if (reason === REASON.success || reason === REASON.disconnectWithWill) return true;
  const isFailure = reason >= REASON.unspecified && reason <= REASON.wildcardsNotSupported;
  return isFailure && !NO_DISCONNECT_REASONS.includes(reason);
}
