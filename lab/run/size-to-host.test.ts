import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WsarError } from '#core/errors.ts';
import { parseExperiment } from '#lab/experiment/read-experiment.ts';
import { type HostFacts, readHostFacts } from '#lab/run/host-facts.ts';
import { sizeToHost } from '#lab/run/size-to-host.ts';

const GIB = 1024 ** 3;

const host = (changes: Partial<HostFacts> = {}, engine: 'ring' | 'net' = 'ring'): HostFacts => ({
  cores: 2,
  freeBytes: 22 * GIB,
  descriptors: 20_000,
  engine: { engine, reason: 'of the test' },
  ...changes,
});

const file = (load: string, measure = '4s', primary = 'cpu.us_per_msg') =>
  parseExperiment(
    `version: 1
name: x
question: q
load: ${load}
knob: { owner: server, name: write.flush, a: turn, b: immediate }
design: { pairs: 4, block: { measure: ${measure} } }
metrics: { primary: ${primary} }
`,
    'x.yaml',
  );

const sentence = (source: ReturnType<typeof file>, facts: HostFacts): string => {
  try {
    sizeToHost(source, facts);
  } catch (error) {
    assert.ok(error instanceof WsarError, String(error));
    assert.equal(error.exitCode, 3);
    return `${error.message}; ${error.hint}`;
  }
  return 'accepted';
};

test('auto on two cores and 24 GiB with ring: at least 20,000 connections', () => {
  const { workload, sentences } = sizeToHost(file('{}'), host());
  assert.equal(workload.connections, 25_000);
  assert.equal(workload.workers, 2);
  assert.ok(workload.ratePerS * 4 >= 5000, 'p99 can be estimated in a block of 4 s');
  assert.deepEqual(sentences, [
    'engine ring: of the test',
    '25,000 connections: 12,500 a core on 2 cores',
    '4,000 messages/s: 2,000 a core, each of 25,000 users one every 6.25 s',
  ]);
});

test('auto with net stays below the descriptors of one process', () => {
  const { workload } = sizeToHost(file('{}'), host({ cores: 16 }, 'net'));
  assert.equal(workload.connections, 20_000 - 512);
  assert.equal(
    sizeToHost(file('{}'), host({ descriptors: 1024 }, 'net')).workload.connections,
    512,
  );
});

test('auto takes a quarter of the memory that there is', () => {
  const { workload, sentences } = sizeToHost(file('{}'), host({ freeBytes: 2 * GIB }));
  assert.equal(workload.connections, 13_107);
  assert.match(sentences[1]!, /a quarter of what the free memory bears/);
  assert.match(
    sentence(file('{}'), host({ freeBytes: 1 * GIB })),
    /^x\.yaml:4: 2 connections need about 1\.5 GiB .* and 1\.0 GiB are free; free memory$/,
  );
});

test('too many connections for the memory: line, need, what there is, what would do', () => {
  assert.equal(
    sentence(file('{ connections: 5000000 }'), host()),
    'x.yaml:4: 5,000,000 connections need about 49.2 GiB with engine ring, and 22.0 GiB are free; ' +
      'give at most 2,149,580, or free memory',
  );
});

test('too many connections for the descriptors of engine net', () => {
  assert.equal(
    sentence(file('{ connections: 40000 }'), host({}, 'net')),
    'x.yaml:4: 40,000 connections with engine net need as many descriptors in one process, which may have 20,000; ' +
      'give at most 19,488, raise RLIMIT_NOFILE, or use engine ring where it runs',
  );
});

test('a percentile that the rate of auto cannot estimate', () => {
  assert.match(
    sentence(file('{}', '1s', 'latency.p99'), host()),
    /^x\.yaml:6: the metrics need 5,000 messages\/s in blocks of 1 s/,
  );
});

test('a host that tells neither memory nor limits is believed to bear it', () => {
  const { workload } = sizeToHost(
    file('{ connections: 100000 }'),
    host({ freeBytes: undefined, descriptors: undefined }, 'net'),
  );
  assert.equal(workload.connections, 100_000);
});

test('the facts of this host are plausible', () => {
  const facts = readHostFacts('auto');
  assert.ok(facts.cores >= 1);
  assert.ok(facts.freeBytes === undefined || facts.freeBytes > 0);
  assert.ok(facts.engine.reason.length > 0);
  const nowhere = readHostFacts('net', '/nonexistent', '/nonexistent');
  assert.deepEqual([nowhere.freeBytes, nowhere.descriptors], [undefined, undefined]);
});
