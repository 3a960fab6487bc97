// A population like that of WhatsApp in 2014, as far as one-to-one messages go. Per connection, from the
// totals that Rick Reed gave at Erlang Factory 2014: 147 million concurrent connections, 342,000 messages
// in and 712,000 out a second at the peak.

import type { Scenario } from '#loadgen/scenario/scenario.ts';

const CONNECTIONS = 147e6;
const MESSAGES_IN_PER_S = 342_000;
const LOGINS_PER_S = 230_000;
/** Pictures, voice messages and videos. */
const MEDIA_PER_DAY = 600e6 + 200e6 + 100e6;
const MESSAGES_PER_DAY = 19e9;

export const scenario: Scenario = {
  name: 'whatsapp-2014',
  messagesPerUserPerS: MESSAGES_IN_PER_S / CONNECTIONS,
  arrivals: 'bursts',
  payloadBytes: 96,
  keepAliveMs: 240_000,
  mediaRatio: MEDIA_PER_DAY / MESSAGES_PER_DAY,
  // Little's law: as many logins a second as connections over the mean length of a session.
  sessionMs: (CONNECTIONS / LOGINS_PER_S) * 1000,
  sources: [
    '342,000 messages in a second over 147 million connections at the peak (Reed, 2014): 2.33 a second per 1,000 users',
    'conversations of seven messages (MSN, 2006: 7e9 messages in 1e9 conversations a day)',
    'sessions of 639 s on average: 230,000 logins a second at the peak (Reed, 2014), by the law of Little',
    '4.7 % of the messages are media: 600 M pictures, 200 M voice messages, 100 M videos a day (Reed, 2014)',
    'with --day: peak 1.55 times the mean (342,000 a second against 19e9 a day)',
  ],
  assumptions: [
    'payload 96 B: text of a median of 50 to 70 B with what a client adds',
    'a message with media is 3,072 B: a link and a thumbnail; the file itself is not loaded',
    'sessions are log-normal (sigma 1), 2 s between two: users who are away for hours are other users',
    'keep-alive 240 s on every platform',
    'gaps within a conversation a tenth of the mean gap of the whole population',
    'who writes to whom is uniform: no contacts, no heavy users',
  ],
  leftOut: ['groups (out was 2.08 times in), presence and typing', 'offline receivers'],
};
