// Topology and places on the tree of a host with two sockets, 12 cores and 24 hardware threads, numbered as Linux
// numbers them there (threads of a core 12 apart, sockets alternating in cores' halves), and on trees with little in.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pinThread, threadCpus } from '#core/socket/ring/affinity.ts';
import { parseCpuList, readTopology } from '#reference-server/topology/host-topology.ts';
import { planPlaces, planText } from '#reference-server/topology/worker-places.ts';
import { temporaryFolder } from '#test/command.ts';

/** Two sockets of six cores with two threads each: cpus 0-5,12-17 and 6-11,18-23; eth0 of node 1 with four queues. */
function twoSockets(t: TestContext): { sysfs: string; procfs: string } {
  const root = temporaryFolder(t);
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  };
  write('sys/devices/system/cpu/online', '0-23');
  write('sys/devices/system/node/node0/cpulist', '0-5,12-17');
  write('sys/devices/system/node/node1/cpulist', '6-11,18-23');
  for (let cpu = 0; cpu < 24; cpu++) {
    const folder = `sys/devices/system/cpu/cpu${cpu}/topology`;
    write(`${folder}/physical_package_id`, String(cpu % 12 < 6 ? 0 : 1));
    write(`${folder}/core_id`, String(cpu % 6));
  }
  write('sys/class/net/eth0/device/numa_node', '1');
  write('sys/class/net/lo/mtu', '65536');
  const queues = [0, 1, 2, 3].map((queue) => ` ${40 + queue}:  9  0  PCI-MSI  eth0-TxRx-${queue}`);
  write('proc/interrupts', ['      CPU0 CPU1', ...queues, ' 50: 1 0 PCI-MSI nvme0q1'].join('\n'));
  return { sysfs: join(root, 'sys'), procfs: join(root, 'proc') };
}

test('lists of CPUs', () => {
  assert.deepEqual(parseCpuList('0-2,5,8-9\n'), [0, 1, 2, 5, 8, 9]);
  assert.deepEqual(parseCpuList(''), []);
  assert.deepEqual(parseCpuList('x,3-1,4'), [4]);
});

test('two sockets, 24 threads: 24 workers, one a thread, half of them on each node', (t) => {
  const { sysfs, procfs } = twoSockets(t);
  const topology = readTopology(sysfs, procfs);
  assert.equal(topology.cpus.length, 24);
  assert.deepEqual(topology.nodes, [0, 1]);
  assert.deepEqual(topology.devices, [{ name: 'eth0', node: 1, interrupts: [40, 41, 42, 43] }]);
  const { places } = planPlaces(topology, 24);
  assert.deepEqual(
    places.flatMap(({ cpus }) => cpus).sort((a, b) => a - b),
    Array.from({ length: 24 }, (_, cpu) => cpu),
  );
  for (const { node, cpus } of places) {
    assert.equal(node, topology.cpus[cpus[0]!]!.node, 'a worker runs on the node of its memory');
  }
  assert.equal(places.filter(({ node }) => node === 0).length, 12);
});

test('twelve workers have a core each with both threads; two have a node each', (t) => {
  const { sysfs, procfs } = twoSockets(t);
  const topology = readTopology(sysfs, procfs);
  const { places } = planPlaces(topology, 12);
  assert.ok(places.every(({ cpus }) => cpus.length === 2 && cpus[1]! - cpus[0]! === 12));
  assert.equal(new Set(places.flatMap(({ cpus }) => cpus)).size, 24);
  assert.deepEqual(
    planPlaces(topology, 2).places.map(({ node }) => node),
    [0, 1],
  );
});

test('interrupts go to workers of the node that the device hangs on', (t) => {
  const { sysfs, procfs } = twoSockets(t);
  const plan = planPlaces(readTopology(sysfs, procfs), 24);
  const lines = plan.advice.filter((line) => line.startsWith('echo'));
  assert.equal(lines.length, 4);
  const targets = lines.map((line) => Number(line.split(' ')[1]));
  assert.ok(
    targets.every((cpu) => cpu % 12 >= 6),
    'all on node 1',
  );
  assert.equal(new Set(targets).size, 4, 'spread');
  assert.ok(planText(plan).includes('numa_balancing'));
});

test('only allowed CPUs are used; more workers than CPUs go round', (t) => {
  const { sysfs, procfs } = twoSockets(t);
  const topology = readTopology(sysfs, procfs);
  const { places } = planPlaces(topology, 5, [3, 15]);
  assert.deepEqual(
    places.map(({ cpus }) => cpus),
    [[3], [15], [3], [15], [3]],
  );
  assert.ok(places.every(({ node }) => node === 0));
});

test('a host that tells nothing: nobody is placed', (t) => {
  const plan = planPlaces(readTopology(temporaryFolder(t), temporaryFolder(t)), 4);
  assert.deepEqual(plan, { places: [], advice: [] });
});

test('this host: its CPUs are read, and a thread can be bound to one of them and freed again', {
  skip: process.platform === 'linux' ? false : 'not Linux',
}, () => {
  const before = threadCpus()!;
  assert.ok(before.length > 0);
  const topology = readTopology();
  assert.ok(before.every((cpu) => topology.cpus.some(({ id }) => id === cpu)));
  assert.ok(pinThread([before[0]!]));
  assert.deepEqual(threadCpus(), [before[0]]);
  assert.ok(pinThread(before));
  assert.deepEqual(threadCpus(), before);
  assert.equal(pinThread([]), false, 'no CPU at all is refused');
});
