// What the figures of single mailboxes and receivers cost (run this file with Node 24). Messages go through real
// mailboxes (put, take, accept; 100,000 users), with statistics on and off in turns, so that a slow second of the
// machine meets both; printed is the median of the differences, beside what a delivered message costs the server.

import { systemClock } from '#core/clock/clock.ts';
import { WallReader } from '#core/clock/wall-reader.ts';
import { DEFAULT_LIMITS, mailboxLimits } from '#reference-server/limits.ts';
import { Mailboxes } from '#reference-server/mailbox/mailboxes.ts';

const USERS = 100_000;
const MESSAGES = 200_000;
const ROUNDS = 31;
const TURN_MESSAGES = 20;
/** CPU of the server for one delivered message, ns: the smallest that was measured for engine ring. */
const MESSAGE_NS = 4000;

const limits = { ...DEFAULT_LIMITS, usersMax: USERS, messagesMax: 2 * USERS };
const wall = new WallReader(systemClock);
const boxes = new Mailboxes(mailboxLimits(limits), (into) => wall.read(into));
for (let user = 0; user < USERS; user++) boxes.open(user);
const payload = new Uint8Array(64).fill(65);
const sender = { worker: 0, row: 1, generation: 0, packetId: 7 };

/** ns of CPU a message. */
function measure(hasStatistics: boolean): number {
  boxes.hasStatistics = hasStatistics;
  const before = process.threadCpuUsage();
  let user = 1;
  for (let message = 0; message < MESSAGES; message++) {
    user = (Math.imul(user, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    const row = user % USERS;
    boxes.put(row, payload, 0, payload.length, sender);
    boxes.accept(row, boxes.packetId(boxes.take(row, false)));
    if (message % TURN_MESSAGES === 0) boxes.endTurn();
  }
  const { user: userUs, system } = process.threadCpuUsage(before);
  return ((userUs + system) * 1000) / MESSAGES;
}

for (const isOn of [true, false, true, false]) measure(isOn);
const pairs = Array.from({ length: ROUNDS }, (_, round) => {
  const isOnFirst = round % 2 === 0;
  const first = measure(isOnFirst);
  const second = measure(!isOnFirst);
  return isOnFirst ? { on: first, off: second } : { on: second, off: first };
});
const median = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const on = median(pairs.map((pair) => pair.on));
const off = median(pairs.map((pair) => pair.off));
const more = median(pairs.map((pair) => pair.on - pair.off));
process.stdout.write(
  `put, take and accept: ${on.toFixed(0)} ns with statistics, ${off.toFixed(0)} without; ` +
    `${more.toFixed(1)} ns more, ${((100 * more) / MESSAGE_NS).toFixed(2)} % of a delivered message ` +
    `(${MESSAGE_NS} ns of CPU)\n`,
);
