// What the TCP of a stack offers its peers, and does by itself.

/** Questions whether the peer is still there, while nothing comes from it (RFC 1122, 4.2.3.6). */
export interface TcpKeepAlive {
  /** Silence before the first question, and between two of them, s. */
  idleS: number;
  intervalS: number;
  /** Unanswered questions after which the connection is given up (ETIMEDOUT). */
  questionsMax: number;
}

export interface TcpKnobs {
  /** Selective acknowledgements (RFC 2018, RFC 6675). */
  sack: boolean;
  /** Windows above 64 KiB (RFC 7323, 2). */
  scaling: boolean;
  /** Timestamps and what they protect from (RFC 7323, 3 to 5): 12 bytes a segment, 4 bytes a connection. */
  timestamps: boolean;
  /** Undefined = none, as RFC 1122 wants it unless asked for. */
  keepAlive: TcpKeepAlive | undefined;
}

/** As phones have it, without timestamps, which cost a little and change nothing on a host's own network. */
export const USUAL_TCP: TcpKnobs = {
  sack: true,
  scaling: true,
  timestamps: false,
  keepAlive: undefined,
};
