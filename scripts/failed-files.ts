// A reporter of node:test that prints the files of failed tests, one a line, each once.

interface TestEvent {
  type: string;
  data: { file?: string };
}

/** Reports as node:test wants it: events in, text out. */
// biome-ignore lint/style/noDefaultExport: node:test takes the default export of a reporter
export default async function* failedFiles(events: AsyncIterable<TestEvent>) {
  const told = new Set<string>();
  for await (const { type, data } of events) {
    if (type !== 'test:fail' || data.file === undefined || told.has(data.file)) continue;
    told.add(data.file);
    yield `${data.file}\n`;
  }
}
