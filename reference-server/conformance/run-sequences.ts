// Plays all sequences against one server, as many at a time as do not disturb each other.
//
// What disturbs: two clients of one id (the later login ends the earlier), a publish that reaches
// somebody else's subscription, a message that is retained. So four rounds: first one by one what logs in by
// itself, shares its name or both subscribes and publishes; then, side by side, what only subscribes; then all
// the rest, less what retains or deletes what is retained: that plays last, one by one in its order, which leaves
// nothing behind for the next who play all of them.

import { type Cut, playSequence } from '#reference-server/conformance/play-sequence.ts';
import type { Sequence } from '#reference-server/conformance/sequence-file.ts';

export interface Verdict {
  name: string;
  /** Why it failed; undefined when it passed. */
  flaw: string | undefined;
}

const SUBSCRIBE = 8;
const PUBLISH = 3;
const RETAIN = 1;
/** Sequences at a time. */
const ABREAST = 64;

/** The verdicts in the order of `sequences`. */
export async function runSequences(
  url: string,
  sequences: Sequence[],
  cut: Cut,
): Promise<Verdict[]> {
  const flaws = new Map<Sequence, string | undefined>();
  for (const { members, abreast } of rounds(sequences)) {
    const waiting = [...members].reverse();
    const lane = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        flaws.set(next, await playSequence(url, next, cut));
      }
    };
    await Promise.all(Array.from({ length: abreast }, lane));
  }
  return sequences.map((sequence) => ({ name: sequence.name, flaw: flaws.get(sequence) }));
}

function rounds(sequences: Sequence[]): { members: Sequence[]; abreast: number }[] {
  const uses = new Map<string, number>();
  for (const { name } of sequences) uses.set(name, (uses.get(name) ?? 0) + 1);
  const needsPeace = (sequence: Sequence): boolean =>
    !sequence.logsIn ||
    uses.get(sequence.name)! > 1 ||
    (sends(sequence, SUBSCRIBE) && meetsPublish(sequence));
  const alone = sequences.filter(needsPeace);
  const others = sequences.filter((sequence) => !needsPeace(sequence));
  const rest = others.filter((one) => !sends(one, SUBSCRIBE));
  return [
    { members: alone, abreast: 1 },
    { members: others.filter((one) => sends(one, SUBSCRIBE)), abreast: ABREAST },
    { members: rest.filter((one) => !retains(one)), abreast: ABREAST },
    { members: rest.filter(retains), abreast: 1 },
  ];
}

function sends({ steps }: Sequence, type: number): boolean {
  return steps.some((step) => step.kind === 'send' && step.bytes[0]! >> 4 === type);
}

function retains({ steps }: Sequence): boolean {
  return steps.some((step) => {
    const first = step.kind === 'send' ? step.bytes[0]! : 0;
    return first >> 4 === PUBLISH && (first & RETAIN) !== 0;
  });
}

function meetsPublish(sequence: Sequence): boolean {
  return (
    sends(sequence, PUBLISH) ||
    sequence.steps.some(
      (step) =>
        step.kind === 'publish' || (step.kind === 'receive' && step.bytes[0]! >> 4 === PUBLISH),
    )
  );
}
