// A small ladder as the tests of its parts read it: each gives the lines that it is about.

import type { Ladder } from '#lab/ladder/ladder.ts';
import { parseLadder } from '#lab/ladder/read-ladder.ts';

/** `lines`: of the file, below its head. */
export function smallLadder(lines: string): Ladder {
  return parseLadder(
    `version: 1\nkind: ladder\nname: small\nquestion: Does it climb?\n${lines}`,
    'small.yaml',
  );
}

/** A climb, and one setting after another beside the one before at its knee. */
export const STORY = `load: { rate: 500/s }
phases:
  stock: { steps: [500, 700] }
  turn: { against: stock, server: { flush: turn } }
  poll: { against: turn, server: { arming: poll } }
  tuned: { steps: [500] }
`;
