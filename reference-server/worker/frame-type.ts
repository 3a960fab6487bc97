// What workers tell each other, and where each argument of a frame stands. `conn` and its generation
// name a connection of an edge; `row` and its generation a user of a home.
//
//   to a home                 arguments                                            payload
//   login                     conn, generation, clean session                      uid
//   logout                    row, generation, conn, generation
//   subscription              row, generation                                      SUBSCRIBE or UNSUBSCRIBE
//   publish                   conn, generation, sender's row, its generation,      receiver's uid, then
//                             its home, packet id | QoS << 16 | uid bytes << 18,   the payload
//                             hash of the receiver's uid
//   acknowledge               row, generation, packet id
//   written                   row, generation, count
//   receipt                   row, generation                                      text of the receipt
//   to an edge
//   loginAnswer               conn, generation, row, generation, return code | present << 8
//   kick                      conn, generation
//   output                    conn, generation, OUTPUT kind                        packet
//   withhold                  conn, generation
//
// Frames from one worker to another keep their order, so a login answer comes before the first message.

export const FRAME = {
  login: 1,
  logout: 2,
  subscription: 3,
  publish: 4,
  acknowledge: 5,
  written: 6,
  receipt: 7,
  loginAnswer: 8,
  kick: 9,
  output: 10,
  withhold: 11,
} as const;

/** What a packet for a connection is, which decides what happens when its output is behind. */
export const OUTPUT = {
  /** Answers a packet of this client: always sent; the client is not read while too many wait. */
  answer: 0,
  /** A QoS 0 message that is not stored: dropped. */
  message: 1,
  /** A receipt: dropped. */
  receipt: 2,
  /** A stored message with a packet id: the window bounds how many there are. */
  delivery: 3,
  /** A stored message for a QoS 0 subscription: reported as written once the output has room. */
  deliveryWithoutId: 4,
} as const;
