// A population like that of WhatsApp in 2014: the default of `wsar load` for targets that speak MQTT. Per
// connection, from the totals that Rick Reed gave at Erlang Factory 2014: 147 million concurrent connections,
// 342,000 messages in and 712,000 out a second at the peak. --rate scales the stream of messages and leaves
// its make-up as it is.

import type { CountryShape } from '#loadgen/country-map.ts';
import type { Scenario } from '#loadgen/scenario/scenario.ts';

const CONNECTIONS = 147e6;
const ACTIVE_USERS = 465e6;
const MESSAGES_IN_PER_S = 342_000;
const LOGINS_PER_S = 230_000;
const PICTURES_PER_DAY = 600e6;
const VOICES_PER_DAY = 200e6;
const VIDEOS_PER_DAY = 100e6;
const MEDIA_PER_DAY = PICTURES_PER_DAY + VOICES_PER_DAY + VIDEOS_PER_DAY;
const MESSAGES_PER_DAY = 19e9;
const KB = 1000;

/** Nobody published them: large countries that used it, of every inhabited part of the world. */
const COUNTRIES: readonly CountryShape[] = [
  { code: 'IN', share: 0.2, utcOffsetHours: 5.5 },
  { code: 'BR', share: 0.13, utcOffsetHours: -3 },
  { code: 'DE', share: 0.08, utcOffsetHours: 1 },
  { code: 'MX', share: 0.07, utcOffsetHours: -6 },
  { code: 'US', share: 0.06, utcOffsetHours: -5 },
  { code: 'ES', share: 0.06, utcOffsetHours: 1 },
  { code: 'GB', share: 0.05, utcOffsetHours: 0 },
  { code: 'IT', share: 0.05, utcOffsetHours: 1 },
  { code: 'RU', share: 0.05, utcOffsetHours: 3 },
  { code: 'ID', share: 0.05, utcOffsetHours: 7 },
  { code: 'TR', share: 0.04, utcOffsetHours: 2 },
  { code: 'ZA', share: 0.04, utcOffsetHours: 2 },
  { code: 'NG', share: 0.04, utcOffsetHours: 1 },
  { code: 'SA', share: 0.04, utcOffsetHours: 3 },
  { code: 'AR', share: 0.04, utcOffsetHours: -3 },
];

export const scenario: Scenario = {
  name: 'whatsapp-2014',
  messagesPerUserPerS: MESSAGES_IN_PER_S / CONNECTIONS,
  arrivals: 'poisson',
  conversations: { messages: 7, answerS: 20 },
  payloadBytes: 96,
  payloadSigma: 0.8,
  keepAliveMs: 240_000,
  mediaRatio: MEDIA_PER_DAY / MESSAGES_PER_DAY,
  media: [
    { kind: 'picture', weight: PICTURES_PER_DAY, medianBytes: 100 * KB, sigma: 0.7 },
    { kind: 'voice', weight: VOICES_PER_DAY, medianBytes: 30 * KB, sigma: 0.7 },
    { kind: 'video', weight: VIDEOS_PER_DAY, medianBytes: 2000 * KB, sigma: 0.7 },
  ],
  // Little's law: as many logins a second as connections over the mean length of a session.
  sessionMs: (CONNECTIONS / LOGINS_PER_S) * 1000,
  groups: {
    share: 0.2,
    sizeMedian: 8,
    // Fitted: 712,000 messages went out for 342,000 that came in.
    sizeSigma: 1.48,
    sizeMax: 256,
    connectedRatio: CONNECTIONS / ACTIVE_USERS,
  },
  contacts: 1,
  hasTyping: true,
  countries: COUNTRIES,
  sources: [
    '342,000 messages in a second over 147 million connections at the peak (Reed, 2014): 2.33 a second per 1,000 users',
    'conversations of seven messages (MSN, 2006: 7e9 messages in 1e9 conversations a day)',
    'sessions of 639 s on average: 230,000 logins a second at the peak (Reed, 2014), by the law of Little',
    '4.7 % of the messages are media: 600 M pictures, 200 M voice messages, 100 M videos a day (Reed, 2014)',
    '712,000 messages out for 342,000 in (Reed, 2014): a message has 2.08 receivers on average',
    '32 % of the members of a group are connected: 147 of 465 million users (Reed, 2014); groups up to 256',
    'within a group the r-th most active writes 1/r as much (Zipf; Caetano, 2018)',
    '3 to 6 packets of control for each message (Xiao, 2007): acknowledgements, check marks, typing',
    'with --day: peak 1.55 times the mean (342,000 a second against 19e9 a day)',
  ],
  assumptions: [
    '20 % of the messages go to groups; sizes log-normal, median 8, sigma 1.48 so that 2.08 come out',
    'a user is in one group, of his own country; at most 16,384 groups in all',
    'who is in watches the presence of one other, and types for 3 s before a message to one',
    'payload log-normal, median 96 B, sigma 0.8: text of a median of 50 to 70 B with what a client adds',
    'a message with media is 3,072 B: a link and a thumbnail; the file goes to --media-target, if there is one',
    'files log-normal (sigma 0.7), medians 100 KB (picture), 30 KB (voice), 2 MB (video)',
    'sessions are log-normal (sigma 1), 2 s between two: users who are away for hours are other users',
    'keep-alive 240 s on every platform',
    'each message answers another with the probability 6/7, 20 s later on average; with --day nobody answers',
    'so many conversations together make a Poisson process',
    'who begins to write to whom is uniform; heavy users are those of groups',
    'shares of 15 countries, one time zone each, are illustrative; the daily curve of each is a cosine, peak 21 h',
  ],
  leftOut: [
    'members of groups who are away for hours, and what waits for them',
    'kinds of telephones',
  ],
};
