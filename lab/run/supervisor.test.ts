// The supervisor with stand-in children: small programs that behave, crash, or refuse to die.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EXIT } from '#core/cli/exit-code.ts';
import { systemClock } from '#core/clock/clock.ts';
import type { PartName, PartOptions } from '#lab/run/part.ts';
import { type Cut, createSupervisor, type Supervisor } from '#lab/run/supervisor.ts';
import { RunCut, untilCut, untilTrue } from '#lab/run/until-cut.ts';
import { temporaryFolder } from '#test/command.ts';

const STAY = 'process.stdin.resume().on("end", () => process.exit(4)); console.log("ready 7");';

function fixture(t: TestContext): {
  supervisor: Supervisor;
  lost: Promise<Cut>;
  options: (name: PartName, code: string) => PartOptions;
  folder: string;
} {
  const folder = temporaryFolder(t);
  let tell: (cut: Cut) => void = () => {};
  const lost = new Promise<Cut>((resolve) => (tell = resolve));
  const supervisor = createSupervisor((cut) => tell(cut));
  t.after(() => supervisor.stopAll(0));
  const options = (name: PartName, code: string): PartOptions => ({
    name,
    command: [process.execPath, '-e', code],
    env: process.env,
    logFile: join(folder, `${name}.log`),
  });
  return { supervisor, lost, options, folder };
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('a part starts, says that it is ready, and is stopped without a loss', async (t) => {
  const { supervisor, options, folder } = fixture(t);
  const part = await supervisor.start(options('server', STAY));
  assert.equal((await part.line(/^ready (\d+)$/m, 10_000))[1], '7');
  await supervisor.stop('server', 5000);
  assert.equal((await part.exited).signal, 'SIGTERM');
  assert.equal(isAlive(part.pid), false);
  assert.match(readFileSync(join(folder, 'server.log'), 'utf8'), /ready 7/);
});

for (const [name, exitCode] of [
  ['store', EXIT.unreachable],
  ['server', EXIT.unreachable],
  ['load', EXIT.unreachable],
  ['collector', EXIT.invalidRun],
] as const) {
  test(`a killed ${name} cuts the run with exit code ${exitCode}`, async (t) => {
    const { supervisor, lost, options } = fixture(t);
    const part = await supervisor.start(options(name, STAY));
    await part.line(/ready/, 10_000);
    process.kill(part.pid, 'SIGKILL');
    assert.deepEqual(await lost, {
      cause: 'part-lost',
      sentence: `the ${name} was lost: it was killed by SIGKILL`,
      exitCode,
    });
  });
}

test('a part that ends by itself is lost too, and its last words are told', async (t) => {
  const { supervisor, lost, options } = fixture(t);
  await supervisor.start(
    options('load', 'console.error("wsar: no port left"); process.exitCode = 3'),
  );
  assert.equal(
    (await lost).sentence,
    'the load was lost: it ended with exit code 3; it said "wsar: no port left"',
  );
});

test('what a part said for a program is told as it would tell a person', async (t) => {
  const { supervisor, lost, options } = fixture(t);
  const error =
    '{"error":{"code":"WSAR_ERR_ENGINE","message":"no TUN device","hint":"run as root"}}';
  await supervisor.start(options('load', `console.error('${error}'); process.exitCode = 3`));
  assert.match((await lost).sentence, /; it said "wsar: no TUN device; run as root"$/);
});

test('a part that dies before it is ready says why', async (t) => {
  const { supervisor, options } = fixture(t);
  const part = await supervisor.start(
    options('store', 'console.error("wsar: no chDB here"); process.exitCode = 3'),
  );
  await assert.rejects(
    part.line(/ready/, 10_000),
    /the store did not start: it ended with exit code 3, it said "wsar: no chDB here"/,
  );
});

test('a part that never gets ready is given up in time', async (t) => {
  const { supervisor, options } = fixture(t);
  const part = await supervisor.start(options('server', 'setInterval(() => {}, 1000)'));
  await assert.rejects(part.line(/ready/, 100), /it was not ready within 0\.1 s/);
});

test('a part that ignores SIGTERM is killed after its grace', async (t) => {
  const { supervisor, options } = fixture(t);
  const part = await supervisor.start(
    options(
      'server',
      'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("ready")',
    ),
  );
  await part.line(/ready/, 10_000);
  assert.equal((await part.stop(50)).signal, 'SIGKILL');
});

test('all parts end in the order in which data flows', async (t) => {
  const { supervisor, options } = fixture(t);
  const ended: string[] = [];
  for (const name of ['store', 'collector', 'server', 'load'] as const) {
    const part = await supervisor.start(options(name, STAY));
    await part.line(/ready/, 10_000);
    void part.exited.then(() => ended.push(name));
  }
  await supervisor.stopAll(5000);
  assert.deepEqual(ended, ['load', 'server', 'collector', 'store']);
});

test('only the first loss is told: the others are its consequences', async (t) => {
  const told: Cut[] = [];
  const supervisor = createSupervisor((cut) => told.push(cut));
  t.after(() => supervisor.stopAll(0));
  const { options } = fixture(t);
  const server = await supervisor.start(options('server', STAY));
  const load = await supervisor.start(options('load', STAY));
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
  process.kill(load.pid, 'SIGKILL');
  await load.exited;
  assert.equal(told.length, 1);
  assert.match(told[0]!.sentence, /server/);
});

test('a wait ends at once when the run is cut', async () => {
  const abort = new AbortController();
  const forever = untilCut(new Promise<never>(() => {}), abort.signal);
  abort.abort();
  await assert.rejects(forever, RunCut);
  await assert.rejects(untilCut(Promise.resolve(1), abort.signal), RunCut);
  assert.equal(await untilCut(Promise.resolve(1), new AbortController().signal), 1);
});

test('waiting for a condition is bounded', async () => {
  const options = {
    clock: systemClock,
    everyMs: 1,
    timeoutMs: 20,
    signal: new AbortController().signal,
  };
  // The clock alone keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  try {
    let asked = 0;
    // Time enough on a busy machine; the second one shows the bound.
    const patient = { ...options, timeoutMs: 60_000 };
    assert.equal(await untilTrue(() => ++asked > 3, patient), true);
    assert.equal(await untilTrue(() => false, options), false);
  } finally {
    clearInterval(alive);
  }
});
