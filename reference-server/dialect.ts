// Where this server departs from the standard, and for whom: a server that is started from a mosquitto.conf
// does what that broker's users see there. This is the only place that says so; who asks for a rule reads it
// from `BrokerLimits.dialect`. Without a file the standard holds (STANDARD).

import { REASON } from '#core/wire/mqtt/packet.ts';

export interface Dialect {
  /**
   * How often one connection may send a QoS 2 PUBLISH with the same packet id before it is ended.
   * [MQTT-4.3.3-10] wants each acknowledged; [MQTT-4.4.0-1] forbids the client to send it.
   */
  repeatsMax: number;
  /** The reason of PUBACK and PUBREC for a payload above the limit; tables 3-4 and 3-5 of 5.0 have no 0x95. */
  oversizeReason: number;
  /**
   * A topic or filter with too many levels ends the connection, to MQTT 5 with 0x81. The standard has a reason for
   * it in PUBACK and SUBACK (5: 3.4.2.1, 3.9.3), and a failure in the SUBACK of MQTT 3 (3.9.3).
   */
  endsDeepTopics: boolean;
  /** By so many bytes a packet may be larger than the client's Maximum Packet Size [MQTT-3.1.2-24], 5: 3.1.2.11.4. */
  packetSlackBytes: number;
  /**
   * A will waits its whole delay when the session ends with its connection; by 5: 3.1.2.5 and 3.1.3.2.2 it goes
   * out when the session ends.
   */
  willOutwaitsSession: boolean;
  /**
   * The will of a client that comes back is dropped, when it has a delay or the session goes on. By [MQTT-3.1.2-8]
   * and 5: 3.1.4-3 the older connection has ended without DISCONNECT, so that its will is published, and by
   * 5: 3.1.3.2.2 a clean start ends the session and with it the delay.
   */
  dropsWillOnReturn: boolean;
  /** A limit of packets that CONNACK does not tell, because nobody set it; bytes. */
  untoldPacketBytes: number;
}

const KIB = 1024;

export const STANDARD: Dialect = {
  repeatsMax: Number.POSITIVE_INFINITY,
  oversizeReason: REASON.quotaExceeded,
  endsDeepTopics: false,
  packetSlackBytes: 0,
  willOutwaitsSession: false,
  dropsWillOnReturn: false,
  untoldPacketBytes: 64 * KIB,
};

/** Eclipse Mosquitto 2.0 as its test/broker scripts know it. */
export const MOSQUITTO: Dialect = {
  repeatsMax: 2,
  oversizeReason: REASON.packetTooLarge,
  endsDeepTopics: true,
  // It compares what follows the first byte.
  packetSlackBytes: 1,
  willOutwaitsSession: true,
  dropsWillOnReturn: true,
  // A topic of the greatest length, and a payload beside it.
  untoldPacketBytes: 128 * KIB,
};
