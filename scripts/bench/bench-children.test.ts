// A bench that is ended leaves no process behind.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ROOT } from '#scripts/source-tree.ts';

const BENCH = join(ROOT, 'scripts/bench/login-abuse.bench.ts');

/** Processes that this bench started, by what is in their environment. */
function started(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark);
      } catch {
        // It ended, or is another user's.
        return false;
      }
    })
    .map(Number);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} to a bench: its server ends too`, { timeout: 60_000 }, async (t) => {
    const mark = `WSAR_TEST_MARK=${process.pid}-${signal}`;
    const [name, value] = mark.split('=') as [string, string];
    const bench: ChildProcess = spawn(process.execPath, [BENCH], {
      env: { ...process.env, [name]: value },
      stdio: 'ignore',
    });
    t.after(() => {
      for (const pid of started(mark)) process.kill(pid, 'SIGKILL');
    });
    while (started(mark).length < 2) {
      assert.equal(bench.exitCode, null, 'the bench runs');
      await setTimeout(50);
    }
    bench.kill(signal);
    const [code] = await once(bench, 'exit');
    assert.equal(code, signal === 'SIGTERM' ? 143 : 130);
    assert.deepEqual(started(mark), []);
  });
}
