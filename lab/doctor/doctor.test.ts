import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DoctorFacts } from '#lab/doctor/doctor-facts.ts';
import { examine, type Finding } from '#lab/doctor/findings.ts';
import { startWsar } from '#test/command.ts';

const GIB = 1024 ** 3;

const facts = (changes: Partial<DoctorFacts> = {}): DoctorFacts => ({
  node: '24.21.0',
  platform: 'linux x64',
  uid: 0,
  cores: 2,
  freeBytes: 22 * GIB,
  descriptors: 20_000,
  engine: { engine: 'ring', reason: 'io_uring works here' },
  stateFolder: '/state',
  canWriteState: true,
  ports: { listening: new Set([22]), localMin: 32_768, localMax: 60_999, unprivilegedMin: 1024 },
  somaxconn: 4096,
  netdevMaxBacklog: 65_536,
  ehashEntries: 262_144,
  chdb: { version: '25.8.1' },
  hasPerfCounters: true,
  perfParanoid: 1,
  sources: [{ id: 'stat', capability: { state: 'ok' } }],
  ...changes,
});

const find = (changes: Partial<DoctorFacts>, name: string, connections = 25_000): Finding =>
  examine(facts(changes), connections).find((finding) => finding.name === name)!;

test('a good host has nothing to say', () => {
  assert.deepEqual(
    examine(facts(), 25_000).filter(({ state }) => state !== 'ok'),
    [],
  );
});

test('what a run cannot do without is lacking, with a remedy', () => {
  assert.deepEqual(find({}, 'memory', 3_000_000), {
    name: 'memory',
    value: '22.0 GiB free',
    state: 'lacks',
    text: 'bears about 2,149,580 connections, both ends; free memory, or run fewer',
  });
  const net = { engine: { engine: 'net' as const, reason: 'io_uring is switched off' } };
  assert.equal(find(net, 'descriptors').state, 'lacks');
  assert.equal(find(net, 'descriptors', 10_000).state, 'ok');
  assert.equal(find({ canWriteState: false }, 'state').state, 'lacks');
});

test('what only makes a run smaller or less telling is a note', () => {
  const notes: [Partial<DoctorFacts>, string, RegExp][] = [
    [{ engine: { engine: 'net', reason: 'io_uring is switched off' } }, 'engine', /switched off/],
    [{ somaxconn: 128 }, 'somaxconn', /sysctl net\.core\.somaxconn/],
    [{ netdevMaxBacklog: 1000 }, 'backlog', /netdev_max_backlog/],
    [{ chdb: { obstacle: 'chdb is not usable here' } }, 'store', /WSAR_CLICKHOUSE_URL/],
    [{ hasPerfCounters: false }, 'counters', /no hardware counters/],
    [{ perfParanoid: 4 }, 'counters', /perf_event_paranoid is 4/],
    [{ freeBytes: undefined }, 'memory', /does not tell/],
    [{ somaxconn: undefined, ehashEntries: -262_144 }, 'ehash', /shares the table/],
  ];
  for (const [changes, name, text] of notes) {
    const finding = find(changes, name, 10_000);
    assert.equal(finding.state, 'note', name);
    assert.match(finding.text, text);
  }
  assert.equal(find({}, 'ehash', 2_000_000).state, 'note');
});

test('what the collector sees: whole sources in a line, the others each with its reason', () => {
  const reason = 'this kernel has no /proc/schedstat';
  const found = examine(
    facts({
      sources: [
        { id: 'stat', capability: { state: 'ok' } },
        { id: 'runqueue', capability: { state: 'absent', reason } },
        { id: 'load', capability: { state: 'ok' } },
      ],
    }),
    25_000,
  );
  assert.deepEqual(found.slice(-2), [
    { name: 'sources', value: '2 of 3 whole', state: 'ok', text: 'stat, load' },
    { name: 'source runqueue', value: 'absent', state: 'note', text: reason },
  ]);
});

test('wsar doctor on this host: a table that fits, exit 0 or 3', async (t) => {
  const command = startWsar(t, ['doctor']);
  const code = await command.exit();
  assert.ok(code === 0 || code === 3, command.stderr());
  assert.match(command.stdout(), /^ok {5}node +\d+\.\d+\.\d+, /);
  assert.match(command.stdout(), code === 0 ? /\ncan run 2,000 connections/ : /\ncannot run /);
});

test('wsar doctor --json: a line a finding, and what lacks for too much', async (t) => {
  const command = startWsar(t, ['doctor', '--json', '--connections', '16000000']);
  const code = await command.exit();
  const lines = command
    .stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const summary = lines.at(-1)!;
  assert.deepEqual([summary['kind'], summary['connections']], ['summary', 16_000_000]);
  const lacking = lines.filter(({ state }) => state === 'lacks').map(({ name }) => name);
  assert.deepEqual(summary['lacking'], lacking);
  assert.deepEqual([summary['can_run'], code], lacking.length === 0 ? [true, 0] : [false, 3]);
});
