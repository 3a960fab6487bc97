// Why the copy of a connection to a shadow was given up. A copy is always given up whole: after a gap
// the rest of a byte stream means nothing, so the shadow's connection is reset and the rest not sent.

/** Order fixes the index in counters and records; append only. */
export const SHED_REASONS = [
  /** The shadow read too slowly: its buffer was full, or it had not finished in time after production had. */
  'slow',
  /** The ring between the planes, or the buffers of all copies together, were full. */
  'overrun',
  /** The shadow refused the connection. */
  'refused',
  /** The shadow did not answer the connection attempt in time. */
  'timeout',
  /** Not attempted: the circuit breaker of the shadow was open. */
  'breaker',
  /** The shadow reset or closed the connection, or the network failed. */
  'reset',
  /** Not attempted: no free slot or port on this side. */
  'full',
  /** The share was lowered below this connection's point. */
  'share',
  /** The shadow plane failed and was started anew. */
  'lost',
  /** The tee ended before the shadow had finished. */
  'stopped',
] as const;
export type ShedReason = (typeof SHED_REASONS)[number];

/** Index of a reason, for counters and records. */
export const SHED = Object.fromEntries(
  SHED_REASONS.map((reason, index) => [reason, index]),
) as Record<ShedReason, number>;
