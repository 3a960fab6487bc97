// A burst of 35 % at 80 % load in virtual time: edges, homes and mailboxes of two workers are real, receivers accept
// 1,000 messages a second together and no more. Nothing is lost, the order holds, and the queues come back when
// arithmetic says. scripts/bench/burst.bench.ts does it in real time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import { SimulatedClient } from '#reference-server/test/simulated-client.ts';
import { simulateCluster } from '#reference-server/test/simulated-cluster.ts';

const RECEIVERS = 20;
const TICK_MS = 10;
const TICKS_PER_S = 1000 / TICK_MS;
/** Messages a tick. */
const CAPACITY = 10;
const CALM = 8;
const BURST = CALM * 1.35;
const [CALM_S, BURST_S, AFTER_S] = [5, 10, 15];

/** The cluster, its receivers, and a ledger of what each got. */
function build() {
  const cluster = simulateCluster(2);
  const join = (clientId: string, index: number): SimulatedClient => {
    const client = new SimulatedClient(cluster.workers[index % 2]!);
    client.connect(clientId, true);
    return client;
  };
  const sender = join('sender', 0);
  const receivers = Array.from({ length: RECEIVERS }, (_, i) => join(`user-${i}`, i));
  for (let turn = 0; turn < 4; turn++) cluster.turn();
  receivers.forEach((receiver, i) => {
    receiver.read();
    receiver.subscribe(1, [`m/user-${i}`], 1);
  });
  for (let turn = 0; turn < 4; turn++) cluster.turn();
  return { cluster, sender, receivers, read: receivers.map(() => 0) };
}

test('a burst of 35 % at 80 % load: nothing lost, in order, recovered as computed', (t) => {
  const { cluster, sender, receivers, read } = build();
  let sent = 0;
  let due = 0;
  let turnOf = 0;
  let before = 0;
  let longest = 0;
  let recoveredS = Number.NaN;
  const ticks = (CALM_S + BURST_S + AFTER_S) * TICKS_PER_S;
  const burstEnd = (CALM_S + BURST_S) * TICKS_PER_S;
  const queued = (): number => cluster.stat(STAT.queued);
  for (let tick = 1; tick <= ticks; tick++) {
    const isBurst = tick > CALM_S * TICKS_PER_S && tick <= burstEnd;
    for (due += isBurst ? BURST : CALM; due >= 1; due--, sent++) {
      sender.publish(`m/user-${sent % RECEIVERS}`, 1, (sent % 60_000) + 1, String(sent));
    }
    cluster.turn();
    for (const receiver of receivers) receiver.read();
    // Whoever is next accepts, if it has something.
    for (let accepts = 0, looks = 0; accepts < CAPACITY && looks < RECEIVERS; turnOf++) {
      const index = turnOf % RECEIVERS;
      const delivery = receivers[index]!.deliveries[read[index]!];
      if (delivery === undefined) looks++;
      else {
        receivers[index]!.puback(delivery.packetId);
        read[index]!++;
        accepts++;
        looks = 0;
      }
    }
    cluster.turn();
    cluster.clock.advance(TICK_MS);
    if (tick === CALM_S * TICKS_PER_S) before = queued();
    longest = Math.max(longest, queued());
    if (tick >= burstEnd && Number.isNaN(recoveredS) && queued() <= before + CAPACITY) {
      recoveredS = (tick - burstEnd) / TICKS_PER_S;
    }
  }
  for (let turn = 0; turn < 10; turn++) {
    cluster.turn();
    for (const receiver of receivers) receiver.read();
  }
  const came = receivers.flatMap(({ deliveries }) => deliveries.map(({ text }) => Number(text)));
  assert.deepEqual(
    came.toSorted((a, b) => a - b),
    Array.from({ length: sent }, (_, i) => i),
  );
  for (const { deliveries } of receivers) {
    assert.ok(
      deliveries.every(
        ({ text }, at) => at === 0 || Number(text) > Number(deliveries[at - 1]!.text),
      ),
    );
  }
  assert.equal(cluster.stat(STAT.withheld), 0);
  // 0.8 a tick too much for 1,000 ticks, 2 a tick less afterwards: four seconds.
  const expectedS = ((BURST - CAPACITY) * BURST_S) / (CAPACITY - CALM);
  t.diagnostic(
    `${sent} messages, queue ${before} -> ${longest}, recovered ${recoveredS.toFixed(2)} s after the burst ` +
      `(${expectedS.toFixed(2)} by arithmetic)`,
  );
  assert.ok(Math.abs(recoveredS - expectedS) < 0.15, `${recoveredS} s`);
});
