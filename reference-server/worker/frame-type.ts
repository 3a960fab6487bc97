// What workers tell each other, and where each argument of a frame stands. `conn` and its generation
// name a connection of an edge; `row` and its generation a user of a home.
//
//   to a home                 arguments                                            payload
//   login                     conn, generation, LOGIN flags, uid bytes             uid, then a CONNECT that
//                                                                                  says more than MQTT 3
//   logout                    row, generation, conn, generation, LOGOUT flags,
//                             session expiry (s, -1 = as CONNECT said)
//   packet                    row, generation                                      any other packet
//   publish                   conn, generation, sender's row, its generation,      receiver's uid, then
//                             its home, packet id | QoS << 16 | properties << 18   the body
//                             | receipts << 19 | uid bytes << 20, hash of
//                             the receiver's uid
//   acknowledge               row, generation, packet id, reason
//   route                     version (two words), bytes of its source             PUBLISH of MQTT 5, source
//   presence                  0, 0                                                 uid
//   share                     members online, members                              filter of a group
//   routeShared               bytes of the filter, 0                               filter, PUBLISH of MQTT 5
//   groupMessage              row of the sender's ledger, its generation, QoS |     topic, then the body
//                             properties << 2 | topic bytes << 3
//   groupStored               row of the ledger, generation, stored, refused       ' <uid>' of the refused
//   groupAccepted             row of the ledger, generation
//   groupParked               row of the ledger, generation                        ' <uid>'
//   written                   row, generation, count
//   receipt                   row, generation                                      text of the receipt
//   to an edge
//   loginAnswer               conn, generation, row, generation, return code | present << 8
//   kick                      conn, generation, CLOSE_CAUSE
//   output                    conn, generation, OUTPUT kind                        packet
//   withhold                  conn, generation, packet id
//
// Frames from one worker to another keep their order, so a login answer comes before the first message.

export const FRAME = {
  login: 1,
  logout: 2,
  packet: 3,
  publish: 4,
  acknowledge: 5,
  written: 6,
  receipt: 7,
  loginAnswer: 8,
  kick: 9,
  output: 10,
  withhold: 11,
  route: 12,
  share: 13,
  routeShared: 14,
  presence: 15,
  groupMessage: 16,
  groupStored: 17,
  groupAccepted: 18,
  groupParked: 19,
} as const;

/** What a CONNECT asks of a home. */
export const LOGIN = {
  /** Begin with nothing. */
  clean: 1,
  /** Keep the session when the connection ends. */
  persistent: 2,
  v5: 4,
  /** The number of its listener stands above. */
  listenerShift: 8,
} as const;

/** How a connection ended. */
export const LOGOUT = {
  /** By DISCONNECT: nothing is said in its name. */
  dropWill: 1,
  /** The session expiry counts that comes with it. */
  hasExpiry: 2,
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
