// A reporter of node:test for scripts/test.ts: which files had a failed test, and why tests were skipped; a line of
// JSON each. One reporter for both: with a third one node:test warns of its own listeners at each run.

interface TestEvent {
  type: string;
  data: { file?: string; skip?: string | boolean };
}

export type TestOutcome = { failed: string } | { skipped: string };

/** Reports as node:test wants it: events in, text out. */
// biome-ignore lint/style/noDefaultExport: node:test takes the default export of a reporter
export default async function* testOutcomes(events: AsyncIterable<TestEvent>) {
  const line = (outcome: TestOutcome): string => `${JSON.stringify(outcome)}\n`;
  for await (const { type, data } of events) {
    const { file, skip } = data;
    if (type === 'test:fail' && file !== undefined) yield line({ failed: file });
    if (type !== 'test:pass' || skip === undefined || skip === false) continue;
    yield line({ skipped: typeof skip === 'string' ? skip : 'no reason given' });
  }
}

/** The files with a failed test, each once; what is said of skipped ones: those of one reason are one line. */
export function readOutcomes(text: string): { failed: string[]; skippedText: string } {
  const failed = new Set<string>();
  const skipped = new Map<string, number>();
  for (const line of text.split('\n').filter(Boolean)) {
    const outcome = JSON.parse(line) as TestOutcome;
    if ('failed' in outcome) failed.add(outcome.failed);
    else skipped.set(outcome.skipped, (skipped.get(outcome.skipped) ?? 0) + 1);
  }
  const lines = [...skipped].map(([reason, count]) => `  ${count} x ${reason}\n`);
  const head = lines.length === 0 ? '' : '\nskipped here, and why:\n';
  return { failed: [...failed], skippedText: head + lines.join('') };
}
