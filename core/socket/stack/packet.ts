// TCP segments in IPv4 packets, to and from bytes. Pure; allocates nothing.
//
//   offset  0  virtio-net header (10 bytes): flags, type, lengths, checksum start and offset, little-endian
//          10  IPv4 header (20 bytes, no options, "do not fragment")            RFC 791
//          30  TCP header (20 bytes, then options: tcp-options.ts)   RFC 9293, 3.1
//          50  payload, where there are no options
//
// Checksum of TCP: packets between this program and the kernel of the same host carry only the sum of the
// pseudo header, and the flag NEEDS_CSUM tells so (linux/virtio_net.h). The kernel would complete it if the
// packet left the host. What comes without that flag is summed and checked here.

import {
  optionBytes,
  readOptions,
  TcpOptions,
  writeOptions,
} from '#core/socket/stack/tcp-options.ts';

/** Bytes before the IPv4 header. */
export const VNET_BYTES = 10;
const VNET_NEEDS_CSUM = 1;
const VNET_DATA_VALID = 2;
const IP = VNET_BYTES;
const IP_BYTES = 20;
const TCP = IP + IP_BYTES;
const TCP_BYTES = 20;
const CHECKSUM_OFFSET = 16;
/** Where the payload of a segment without options begins. */
export const PAYLOAD_START = TCP + TCP_BYTES;
/** Largest IPv4 packet that is sent or expected, and the segment that fits into it. */
export const MTU_BYTES = 1500;
export const SEGMENT_BYTES_MAX = MTU_BYTES - IP_BYTES - TCP_BYTES;
export const PACKET_BYTES_MAX = VNET_BYTES + MTU_BYTES;

const PROTOCOL_TCP = 6;
const DO_NOT_FRAGMENT = 0x4000;
/** More fragments, or a place in one. */
const FRAGMENT_MASK = 0x3fff;
const TIME_TO_LIVE = 64;

export const TCP_FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

/** What a packet says; one object is filled again and again. */
export class Segment {
  sourceAddress = 0;
  sourcePort = 0;
  targetAddress = 0;
  targetPort = 0;
  sequence = 0;
  acknowledged = 0;
  flags = 0;
  window = 0;
  readonly options = new TcpOptions();
  /** Payload: bytes [dataStart, dataEnd) of the packet. */
  dataStart = 0;
  dataEnd = 0;
}

/** Why a packet was not taken; 0 is a good one. */
export const PACKET_FLAW = { none: 0, notTcp: 1, malformed: 2 } as const;

/** Reads the packet in bytes [0, length), virtio-net header first. Returns one of PACKET_FLAW. */
export function readPacket(bytes: Uint8Array, length: number, into: Segment): number {
  if (length < VNET_BYTES + IP_BYTES || bytes[IP]! >>> 4 !== 4) return PACKET_FLAW.notTcp;
  const headerBytes = (bytes[IP]! & 15) * 4;
  const totalBytes = read16(bytes, IP + 2);
  const tcp = IP + headerBytes;
  const end = IP + totalBytes;
  if (headerBytes < IP_BYTES || end > length || totalBytes < headerBytes) {
    return PACKET_FLAW.malformed;
  }
  if (bytes[IP + 9] !== PROTOCOL_TCP) return PACKET_FLAW.notTcp;
  if (totalBytes < headerBytes + TCP_BYTES || (read16(bytes, IP + 6) & FRAGMENT_MASK) !== 0) {
    return PACKET_FLAW.malformed;
  }
  if (fold(sum(bytes, IP, tcp, 0)) !== 0xffff) return PACKET_FLAW.malformed;
  const dataStart = tcp + (bytes[tcp + 12]! >>> 4) * 4;
  if (dataStart < tcp + TCP_BYTES || dataStart > end) return PACKET_FLAW.malformed;
  if ((bytes[0]! & (VNET_NEEDS_CSUM | VNET_DATA_VALID)) === 0) {
    const pseudo = sum(bytes, IP + 12, IP + 20, PROTOCOL_TCP + end - tcp);
    if (fold(sum(bytes, tcp, end, pseudo)) !== 0xffff) return PACKET_FLAW.malformed;
  }
  into.sourceAddress = read32(bytes, IP + 12);
  into.targetAddress = read32(bytes, IP + 16);
  into.sourcePort = read16(bytes, tcp);
  into.targetPort = read16(bytes, tcp + 2);
  into.sequence = read32(bytes, tcp + 4);
  into.acknowledged = read32(bytes, tcp + 8);
  into.flags = bytes[tcp + 13]!;
  into.window = read16(bytes, tcp + 14);
  into.dataStart = dataStart;
  into.dataEnd = end;
  if (dataStart === tcp + TCP_BYTES) into.options.clear();
  else readOptions(bytes, tcp + TCP_BYTES, dataStart, into.options);
  return PACKET_FLAW.none;
}

/** Headers of one packet. */
export interface PacketHeader {
  sourceAddress: number;
  sourcePort: number;
  targetAddress: number;
  targetPort: number;
  sequence: number;
  acknowledged: number;
  flags: number;
  window: number;
  options: TcpOptions;
}

/** Where the payload behind these options begins. */
export function payloadStart(options: TcpOptions): number {
  return PAYLOAD_START + optionBytes(options);
}

/**
 * Writes the headers before `payloadBytes` of payload that lie (or will) at `payloadStart`. Returns the length
 * of the packet.
 */
export function writePacket(bytes: Uint8Array, header: PacketHeader, payloadBytes: number): number {
  const { sourceAddress, targetAddress, flags, options } = header;
  const headerBytes = TCP_BYTES + optionBytes(options);
  const tcpBytes = headerBytes + payloadBytes;
  const totalBytes = IP_BYTES + tcpBytes;
  bytes[0] = VNET_NEEDS_CSUM;
  for (let at = 1; at < VNET_BYTES; at++) bytes[at] = 0;
  bytes[6] = IP_BYTES;
  bytes[8] = CHECKSUM_OFFSET;
  const addresses =
    (sourceAddress >>> 16) +
    (sourceAddress & 0xffff) +
    (targetAddress >>> 16) +
    (targetAddress & 0xffff);
  const first = 0x4500;
  const lifeAndProtocol = (TIME_TO_LIVE << 8) | PROTOCOL_TCP;
  write16(bytes, IP, first);
  write16(bytes, IP + 2, totalBytes);
  write16(bytes, IP + 4, 0);
  write16(bytes, IP + 6, DO_NOT_FRAGMENT);
  write16(bytes, IP + 8, lifeAndProtocol);
  const checksum = fold(first + totalBytes + DO_NOT_FRAGMENT + lifeAndProtocol + addresses);
  write16(bytes, IP + 10, ~checksum & 0xffff);
  write32(bytes, IP + 12, sourceAddress);
  write32(bytes, IP + 16, targetAddress);
  write16(bytes, TCP, header.sourcePort);
  write16(bytes, TCP + 2, header.targetPort);
  write32(bytes, TCP + 4, header.sequence);
  write32(bytes, TCP + 8, header.acknowledged);
  bytes[TCP + 12] = headerBytes << 2;
  bytes[TCP + 13] = flags;
  write16(bytes, TCP + 14, header.window);
  write16(bytes, TCP + CHECKSUM_OFFSET, fold(addresses + PROTOCOL_TCP + tcpBytes));
  write16(bytes, TCP + 18, 0);
  if (headerBytes > TCP_BYTES) writeOptions(bytes, TCP + TCP_BYTES, options);
  return IP + totalBytes;
}

/** Sum of 16-bit words of bytes [start, end), a last odd byte as if followed by 0 (RFC 1071); not folded. */
export function sum(bytes: Uint8Array, start: number, end: number, initial: number): number {
  let total = initial;
  let at = start;
  for (; at + 1 < end; at += 2) total += (bytes[at]! << 8) | bytes[at + 1]!;
  if (at < end) total += bytes[at]! << 8;
  return total;
}

/** A sum folded into 16 bits, with the carries added (one's complement). */
export function fold(total: number): number {
  let folded = (total & 0xffff) + (total >>> 16);
  folded = (folded & 0xffff) + (folded >>> 16);
  return (folded & 0xffff) + (folded >>> 16);
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function read32(bytes: Uint8Array, at: number): number {
  const high = (bytes[at]! << 24) | (bytes[at + 1]! << 16);
  return (high | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function write16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function write32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
