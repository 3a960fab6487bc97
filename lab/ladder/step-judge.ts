// Whether a step that was held broke a stop rule, and what its generator said at the end. Pure.

import type { LadderDisturbance, LadderStep } from '#dashboards/report/ladder-record.ts';
import { numberText } from '#dashboards/report/number-text.ts';
import type { LadderStop } from '#lab/ladder/ladder.ts';

/** A generator that left out more of its plan than this did not ask what the step is about. */
const UNSENT_RATIO_MAX = 0.01;

export type Ended = Pick<LadderStep, 'outcome' | 'sentence'>;

/** What the rules are asked about. */
export type JudgedStep = Pick<
  LadderStep,
  'latencyUs' | 'latenessUsP99' | 'messages' | 'queueLengthMax' | 'drain' | 'disturbance'
>;

export function judgeStep(step: JudgedStep, stop: LadderStop): Ended {
  const { latencyUs, latenessUsP99, messages, queueLengthMax, drain, disturbance } = step;
  const ms = (us: number): string => `${numberText(us / 1000)} ms`;
  const broken = [
    (latencyUs.p99 ?? 0) / 1000 > stop.latencyP99MsMax && `latency p99 was ${ms(latencyUs.p99!)}`,
    (latenessUsP99 ?? 0) / 1000 > stop.latenessP99MsMax &&
      `the generator was late, p99 ${ms(latenessUsP99!)}`,
    messages === null && 'the generator left no summary',
    (messages?.lost ?? 0) > stop.lostMessagesMax && lostText(messages!),
    // Who was cut off on purpose could not send.
    disturbance === null &&
      messages !== null &&
      messages.errors > (messages.sent + messages.errors) * UNSENT_RATIO_MAX &&
      `${numberText(messages.errors)} messages could not be sent`,
    (messages?.duplicates ?? 0) > stop.duplicatesMax &&
      `${numberText(messages!.duplicates)} messages arrived twice`,
    (queueLengthMax ?? 0) > stop.queueLengthMax &&
      `${numberText(queueLengthMax!)} messages were queued`,
    drain !== null &&
      drain.seenS === null &&
      `the queues were not empty ${numberText(stop.drainMsMax / 1000)} s after the last message`,
    disturbance !== null &&
      disturbance.recoveredS === null &&
      `it was not as before again after ${disturbance.text}`,
  ].filter((sentence) => sentence !== false);
  if (broken.length === 0) return { outcome: 'held', sentence: 'held' };
  return { outcome: 'stopped', sentence: broken.join('; ') };
}

/** What a queue held back until the step ended was not thrown away: that is said, and breaks the rule all the same. */
function lostText({ lost, unfinished = 0 }: NonNullable<JudgedStep['messages']>): string {
  const still = unfinished === 0 ? '' : `, ${numberText(unfinished)} of them still on their way`;
  return `${numberText(lost)} messages were lost${still}`;
}

/** What the generator tells of its storm. */
export function stormOf(line: string): Pick<LadderDisturbance, 'cutOff' | 'loginsPerSMost'> {
  try {
    const [storm] = JSON.parse(line).storms ?? [];
    return { cutOff: storm?.cutOff ?? null, loginsPerSMost: storm?.loginsPerSMax ?? null };
  } catch {
    return { cutOff: null, loginsPerSMost: null }; // As below.
  }
}

/** The totals of the generator, from the last line that it printed. */
export function summaryOf(
  line: string,
): Pick<LadderStep, 'messages' | 'clientAddresses' | 'loadBytesPerUser'> {
  try {
    const { messages, connections, userBytesPerConnection } = JSON.parse(line);
    const { sent, received, lost, unfinished, errors, unmatched } = messages;
    return {
      messages: { sent, received, lost, unfinished, errors, duplicates: unmatched },
      clientAddresses: connections.sourceAddresses,
      loadBytesPerUser: userBytesPerConnection ?? null,
    };
  } catch {
    return { messages: null, clientAddresses: null, loadBytesPerUser: null }; // It was killed before it had a summary.
  }
}
