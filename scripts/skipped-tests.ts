// A reporter of node:test that says at the end what was skipped and why: the reasons stand far apart in what the
// other reporter prints. Tests of one reason are one line.

interface TestEvent {
  type: string;
  data: { skip?: string | boolean };
}

/** Reports as node:test wants it: events in, text out. */
// biome-ignore lint/style/noDefaultExport: node:test takes the default export of a reporter
export default async function* skippedTests(events: AsyncIterable<TestEvent>) {
  const counts = new Map<string, number>();
  for await (const { type, data } of events) {
    if (type !== 'test:pass' || data.skip === undefined || data.skip === false) continue;
    const reason = typeof data.skip === 'string' ? data.skip : 'no reason given';
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  if (counts.size > 0) yield '\nskipped here, and why:\n';
  for (const [reason, count] of counts) yield `  ${count} x ${reason}\n`;
}
