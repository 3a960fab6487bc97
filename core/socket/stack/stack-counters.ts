// What a stack counts beside the counters that every reactor has. All only rise.

export const STACK_COUNT = {
  /** Segments sent again, after a timeout or three duplicate acknowledgements. */
  retransmits: 0,
  /** Retransmission timeouts, and those of connects. */
  timeouts: 1,
  /** Third duplicate acknowledgements. */
  fastRetransmits: 2,
  /** Segments that came out of order (kept, acknowledged again), and twice. */
  outOfOrder: 3,
  duplicates: 4,
  /** Probes of a window of zero. */
  windowProbes: 5,
  /** Resets that were sent; those for segments that belong to no connection. */
  resetsSent: 6,
  strays: 7,
  /** Acknowledgements to segments that prove nothing (RFC 5961), and those beyond the limit. */
  challenges: 8,
  challengesRefused: 9,
  /** Packets that were no TCP over IPv4, and damaged ones. */
  notTcp: 10,
  malformed: 11,
  /** Packets that the device did not take. */
  linkRefused: 12,
  /** Packets in and out, all kinds. */
  packetsIn: 13,
  packetsOut: 14,
  /** Acknowledgements without data. */
  pureAcks: 15,
  /** Packets that the network profile lost, and those its queue had no room for. */
  lost: 16,
  queueRefused: 17,
  /** Late segments of closed connections that were answered; entries that had to make room. */
  timeWaitAnswers: 18,
  timeWaitEvicted: 19,
  /** Segments of which something was kept for later (kept-segments.ts), and those that found no room for all of it. */
  kept: 20,
  keptRefused: 21,
  /** Reports of the peer that something of ours came twice (RFC 2883). */
  duplicateReports: 22,
  /** Peers that had dropped what they had reported; reports that found no room (sack-scoreboard.ts). */
  sacksReneged: 23,
  sacksRefused: 24,
  /** Segments with an old timestamp, or without the one that was agreed (RFC 7323, 5). */
  pawsRefused: 25,
  /** Questions whether a peer is still there. */
  keepAlives: 26,
} as const;
export const STACK_COUNT_COUNT = 27;
