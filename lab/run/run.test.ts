// `wsar run` as a person has it: the real command line with all its real parts, in a small form. Limits
// of noise are wide open here: what is tested is the loop and its ends, not this machine.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { lockFolder } from '#core/host/folder-lock.ts';
import type { RunRecord } from '#dashboards/report/run-record.ts';
import { RECORD_FILE, REPORT_FILE } from '#lab/run/run-folder.ts';
import { type RunningCommand, startWsar, temporaryFolder } from '#test/command.ts';

const PARTS = ['store', 'collect', 'serve', 'load'] as const;
/** Time for the ends of all parts on a busy machine. */
const END_MS = 30_000;

const file = (
  changes: { pairs?: number; connections?: number; port?: number } = {},
): string => `version: 1
name: small
question: Does the loop turn?
seed: 3
server: { workers: 2, port: ${changes.port ?? 'auto'} }
load:
  connections: ${changes.connections ?? 500}
  rate: 1000/s
  ramp: 2000/s
warmUp: 1s
knob: { owner: server, name: write.flush, a: turn, b: immediate }
design: { pairs: ${changes.pairs ?? 3}, block: { washout: 1s, measure: 2s } }
validity:
  latenessP99Max: 1m
  stealMax: 100 %
  othersMax: 100 %
  spinOffMax: 100 %
  softnetDropsMax: 4000000000
  sentShortMax: 100 %
metrics: { primary: cpu.us_per_msg }
maxDuration: 4m
`;

interface Running {
  command: RunningCommand;
  /** State folder of this run alone. */
  state: string;
  /** Resolves when the phase has begun. */
  phase(name: string): Promise<void>;
  record(): RunRecord;
}

function startRun(t: TestContext, text: string, state = temporaryFolder(t)): Running {
  const experiment = join(temporaryFolder(t), 'small.yaml');
  writeFileSync(experiment, text);
  const command = startWsar(t, ['run', experiment, '--json'], { env: { WSAR_STATE_DIR: state } });
  return {
    command,
    state,
    phase: async (name) =>
      void (await command.line(new RegExp(`"phase":"${name}","state":"running"`))),
    record() {
      const [id] = readdirSync(join(state, 'runs'));
      const folder = join(state, 'runs', id!);
      assert.ok(existsSync(join(folder, REPORT_FILE)), 'there is a report');
      return JSON.parse(readFileSync(join(folder, RECORD_FILE), 'utf8')) as RunRecord;
    },
  };
}

/** Process ids of the parts by the first word of their command line. */
function partIds(labPid: number): Map<string, number> {
  const children = readFileSync(`/proc/${labPid}/task/${labPid}/children`, 'utf8');
  return new Map(
    children
      .trim()
      .split(' ')
      .filter((id) => id !== '')
      .map((id) => {
        const words = readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\u0000');
        return [words[words.findIndex((word) => word.endsWith('bin/wsar')) + 1] ?? '', Number(id)];
      }),
  );
}

/** Nothing of the run is left: no process, no current lab, no listener. */
async function assertNothingLeft(running: Running, ids: Map<string, number>): Promise<void> {
  const deadline = performance.now() + END_MS;
  for (const [name, id] of ids) {
    while (isAlive(id)) {
      assert.ok(performance.now() < deadline, `${name} (${id}) is gone`);
      await delay(20);
    }
  }
  const log = readdirSync(join(running.state, 'runs')).map((run) =>
    join(running.state, 'runs', run, 'server.log'),
  );
  const port = Number(/ready mqtt:\/\/127\.0\.0\.1:(\d+)/.exec(readFileSync(log[0]!, 'utf8'))![1]);
  await assert.rejects(
    new Promise((resolve, reject) =>
      createConnection(port, '127.0.0.1', resolve as () => void).on('error', reject),
    ),
    /ECONNREFUSED/,
  );
}

function isAlive(id: number): boolean {
  try {
    // A zombie of a killed parent still has its id; its state says so.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${id}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

const skip = process.platform === 'linux' ? false : 'looks at /proc';

describe('wsar run', { concurrency: 4, skip }, () => {
  test('the whole loop: verdict, three counts, a row for every second in the store, nothing left', async (t) => {
    const running = startRun(t, file());
    await running.phase('blocks');
    const ids = partIds(running.command.child.pid!);
    assert.deepEqual([...ids.keys()].sort(), [...PARTS].sort());
    assert.equal(await running.command.exit(), 0, running.command.stderr());
    const record = running.record();
    assert.equal(record.verdict.verdict, 'inconclusive');
    assert.match(record.verdict.sentence, /3 pairs cannot decide at 1 %, 7 could/);
    // A pair that the machine disturbed runs again.
    const asPlanned = record.blocks.filter(({ isRepeat }) => !isRepeat);
    assert.deepEqual(
      asPlanned.map(({ pair }) => pair),
      [0, 0, 1, 1, 2, 2],
    );
    for (const { values } of record.blocks) assert.ok(values['cpu.us_per_msg']! > 0);
    assert.deepEqual(
      [record.counts!.generator, record.counts!.server, record.counts!.agree],
      [500, 500, true],
      record.counts!.sentence,
    );
    assert.equal(record.coverage!.from, 'store');
    assert.ok(record.coverage!.isOk, record.coverage!.sentence);
    assert.equal(record.knobs['server/write.flush']?.by, 'lab');
    assert.equal(record.events.filter(({ kind }) => kind === 'knob').length, 6);
    assert.equal(record.cut, null);
    const last = JSON.parse(running.command.stdout().trim().split('\n').at(-1)!) as Record<
      string,
      unknown
    >;
    assert.deepEqual(
      [last['kind'], last['verdict'], last['exit_code']],
      ['verdict', 'inconclusive', 0],
    );
    assert.ok(existsSync(last['report'] as string));
    assert.equal(existsSync(join(running.state, 'current-lab.json')), false);
    await assertNothingLeft(running, ids);
  });

  for (const [part, told, exitCode] of [
    ['serve', 'server', 4],
    ['load', 'load', 4],
    ['store', 'store', 4],
    ['collect', 'collector', 13],
  ] as const) {
    test(`kill -9 of ${part}: exit ${exitCode}, a partial report, nothing left`, async (t) => {
      const running = startRun(t, file({ pairs: 20, connections: 100 }));
      await running.phase('blocks');
      const ids = partIds(running.command.child.pid!);
      await running.command.line(/block 2:/);
      process.kill(ids.get(part)!, 'SIGKILL');
      assert.equal(await running.command.exit(), exitCode, running.command.stderr());
      const record = running.record();
      assert.equal(record.cut!.cause, 'part-lost');
      assert.equal(record.cut!.sentence, `The ${told} was lost: it was killed by SIGKILL.`);
      assert.equal(record.verdict.verdict, 'invalid');
      assert.ok(record.blocks.length >= 1, 'what was measured is reported');
      await assertNothingLeft(running, ids);
    });
  }

  test('kill -9 of the lab: its parts end by their lifeline', async (t) => {
    const running = startRun(t, file({ pairs: 20, connections: 100 }));
    await running.phase('blocks');
    const ids = partIds(running.command.child.pid!);
    assert.equal(ids.size, PARTS.length);
    running.command.child.kill('SIGKILL');
    await running.command.exit();
    await assertNothingLeft(running, ids);
  });

  test('a terminal that is closed: exit 129, a partial report, also when SIGHUP comes twice', async (t) => {
    const running = startRun(t, file({ pairs: 20, connections: 100 }));
    await running.command.line(/block 1:/);
    const ids = partIds(running.command.child.pid!);
    running.command.child.stderr!.destroy();
    running.command.child.kill('SIGHUP');
    setTimeout(() => running.command.child.kill('SIGHUP'), 100);
    assert.equal(await running.command.exit(), 129);
    assert.equal(running.record().cut!.sentence, 'The run was ended by SIGHUP.');
    await assertNothingLeft(running, ids);
  });

  test('Ctrl-C without a store: exit 130, a partial report that says what was left out', async (t) => {
    const state = temporaryFolder(t);
    // The folder of the store is taken, so it cannot start; the run goes on without.
    mkdirSync(join(state, 'store'));
    lockFolder(join(state, 'store'), 'test');
    const running = startRun(t, file({ pairs: 20, connections: 100 }), state);
    await running.command.line(/block 2:/);
    const ids = partIds(running.command.child.pid!);
    running.command.child.kill('SIGINT');
    assert.equal(await running.command.exit(), 130, running.command.stderr());
    const record = running.record();
    assert.equal(record.cut!.sentence, 'The run was ended by SIGINT.');
    assert.match(record.leftOut.join(), /^history: rows stay in the spool of the run, because /);
    assert.equal(record.coverage!.from, 'bus');
    await assertNothingLeft(running, ids);
  });

  test('a wrong file, a taken port, too little memory: a sentence, and nothing was started', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    t.after(() => taken.close());
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    const cases: [string, number, RegExp][] = [
      [
        file().replace('  ramp:', '  rump:'),
        2,
        /small\.yaml:9: there is no key 'rump' in load; did you mean 'ramp'\?/,
      ],
      [
        file({ port }),
        3,
        new RegExp(`small\\.yaml:5: port ${port} on 127\\.0\\.0\\.1 is in use; name another port`),
      ],
      [
        file({ connections: 16_000_000 }),
        3,
        /small\.yaml:7: 16,000,000 connections need about .* GiB are free; give at most/,
      ],
    ];
    for (const [text, exitCode, sentence] of cases) {
      const { command, state } = startRun(t, text);
      assert.equal(await command.exit(), exitCode);
      const error = JSON.parse(command.stderr()) as { error: { message: string; hint: string } };
      assert.match(`${error.error.message}; ${error.error.hint}`, sentence);
      assert.deepEqual(readdirSync(state), [], 'not even a folder was made');
    }
  });

  test('a folder that cannot be made is a sentence', async (t) => {
    const experiment = join(temporaryFolder(t), 'small.yaml');
    writeFileSync(experiment, file());
    const command = startWsar(t, ['run', experiment, '--output', '/proc/nowhere/here']);
    assert.equal(await command.exit(), 2);
    assert.match(
      command.stderr(),
      /the folder \/proc\/nowhere\/here cannot be made: .*; name a new folder/,
    );
  });

  test('an option that the file would leave unused is refused', async (t) => {
    const experiment = join(temporaryFolder(t), 'small.yaml');
    writeFileSync(experiment, file());
    const cases = [
      [experiment, '--steps', 'kernel:2000'],
      [experiment, '--users', '50'],
      ['lab/experiments/ladder.yaml', '--port', '1883'],
    ];
    for (const args of cases) {
      const command = startWsar(t, ['run', ...args]);
      assert.equal(await command.exit(), 2);
      assert.match(command.stderr(), /^wsar: --(steps|users|port) is for .*; leave it out.*\n$/);
    }
  });

  test('a folder that is not empty is not overwritten', async (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, 'kept'));
    const experiment = join(temporaryFolder(t), 'small.yaml');
    writeFileSync(experiment, file());
    const command = startWsar(t, ['run', experiment, '--output', folder]);
    assert.equal(await command.exit(), 2);
    assert.match(command.stderr(), /is not empty; a run never overwrites another one/);
  });
});
