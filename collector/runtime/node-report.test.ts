import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { NodeReport } from '#collector/runtime/node-report.ts';
import { temporaryFolder } from '#test/command.ts';

const UID = process.getuid?.() ?? 0;

function text(sequence: number, numbers: Record<string, number | string>, end = sequence): string {
  const lines = Object.entries(numbers).map(([key, value]) => `${key} ${value}`);
  return `wsar-node ${sequence}\n${lines.join('\n')}\nend ${end}\n\n\n`;
}

function open(t: TestContext, first: string): { report: NodeReport; write(text: string): void } {
  const path = join(temporaryFolder(t), '1-2.0');
  writeFileSync(path, first);
  const report = new NodeReport(path, UID);
  t.after(() => report.close());
  return { report, write: (next) => writeFileSync(path, next) };
}

test('what grows becomes a rate over the time of the thread itself, the rest stays', (t) => {
  const start = {
    loop_idle_ms: 1000,
    loop_active_ms: 0,
    run_ns: 5e8,
    gc_minor_count: 10,
    delay_p99_ms: 3.25,
  };
  const { report, write } = open(t, text(1, start));
  assert.equal(report.read(), 'new');
  assert.equal(report.value('delay_p99_ms'), 3.25);
  assert.ok(Number.isNaN(report.value('run_ns')), 'no reading before');
  assert.equal(report.read(), 'same');
  write(
    text(3, {
      loop_idle_ms: 2000,
      loop_active_ms: 1000,
      run_ns: 1.3e9,
      gc_minor_count: 30,
      delay_p99_ms: 7,
    }),
  );
  assert.equal(report.read(), 'new');
  assert.equal(report.value('loop_active_ms'), 500);
  assert.equal(report.value('run_ns'), 4e8);
  assert.equal(report.value('gc_minor_count'), 10);
  assert.ok(Number.isNaN(report.value('gc_major_ms')), 'not told');
});

test('a text that is being written is not read, and the one before goes on standing', (t) => {
  const { report, write } = open(t, text(1, { heap_used_bytes: 5 }));
  report.read();
  write(text(2, { heap_used_bytes: 9 }, 1));
  assert.equal(report.read(), 'torn');
  assert.equal(report.value('heap_used_bytes'), 5);
  write('wsar-node 2\nheap_used_bytes 9\nen');
  assert.equal(report.read(), 'torn');
  write(text(2, { heap_used_bytes: 9 }));
  assert.equal(report.read(), 'new');
  assert.equal(report.value('heap_used_bytes'), 9);
});

test('numbers that go back, negative ones and words have no rate', (t) => {
  const { report, write } = open(
    t,
    text(1, { loop_idle_ms: 10, loop_active_ms: 10, run_ns: 100, gc_long_ms: 5 }),
  );
  report.read();
  write(
    text(2, {
      loop_idle_ms: 20,
      loop_active_ms: 20,
      run_ns: 50,
      gc_long_ms: -7,
      heap_used_bytes: 'many',
    }),
  );
  report.read();
  for (const key of ['run_ns', 'gc_long_ms', 'heap_used_bytes'] as const)
    assert.ok(Number.isNaN(report.value(key)), key);
});

test('whatever a program writes there, reading it does not throw and gives numbers or nothing', (t) => {
  const { report, write } = open(t, '');
  const seed = Date.now() % 2 ** 31;
  t.diagnostic(`seed ${seed}`);
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom('wsar-node 1', 'end 1', 'run_ns 7', 'loop_idle_ms 1e9', 'end'),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
      write(lines.join('\n'));
      assert.match(report.read(), /^(new|same|torn)$/);
      const value = report.value('run_ns');
      assert.ok(Number.isNaN(value) || value >= 0);
    }),
    { seed, numRuns: 200 },
  );
});

test('links, pipes and files of others are refused; one that was removed is gone', (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'report');
  writeFileSync(path, text(1, {}));
  symlinkSync(path, join(folder, 'link'));
  spawnSync('mkfifo', [join(folder, 'pipe')]);
  assert.throws(() => new NodeReport(join(folder, 'link'), UID));
  assert.throws(() => new NodeReport(join(folder, 'pipe'), UID));
  assert.throws(() => new NodeReport(path, UID + 1));
  const report = new NodeReport(path, UID);
  t.after(() => report.close());
  spawnSync('rm', [path]);
  assert.equal(report.read(), 'gone');
});
