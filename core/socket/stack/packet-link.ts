// What the stack needs of a network: one packet out, one packet in. Implemented by the TUN device, by the
// delay line that lies before it, and by the simulated links of tests.

export interface PacketLink {
  /** Where the next packet to send is written; `send` takes it from there. */
  readonly out: Uint8Array;
  /** Sends the packet in bytes [0, length) of `out`. False when it was refused: then it counts as lost. */
  send(length: number): boolean;
  /** Where `receive` puts a packet; valid until the next call. */
  readonly received: Uint8Array;
  /** Takes the next packet in; returns its length, 0 when there is none. */
  receive(): number;
  /** Tells the time; what was held back until then leaves or can be received. */
  advance(nowUs: number): void;
  /** Microseconds until time alone brings something; Infinity when nothing is held back. */
  waitUs(nowUs: number): number;
  /** True when packets to this address stay on this host and their answers lead back here. */
  reaches(address: number): boolean;
  close(): void;
}
