// Who has which message of a group, over several hosts: by random messages of which some are lost, and by agents on
// servers that lose nothing, and nearly everything.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { GroupLedger } from '#loadgen/hosts/group-ledger.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { startAgentLab, summaryOf } from '#loadgen/test/two-agents.ts';
import { startWsar } from '#test/command.ts';

test('accounts of all hosts together tell which messages lack a member, however they are spread', () => {
  const message = fc.record({
    gap: fc.integer({ min: 1, max: 80 }),
    writerHost: fc.nat(2),
    hosts: fc.array(fc.record({ host: fc.nat(2), isLost: fc.boolean() }), { maxLength: 8 }),
  });
  fc.assert(
    fc.property(fc.nat(2 ** 40), fc.array(message, { maxLength: 200 }), (first, messages) => {
      const ledgers = [0, 1, 2].map(() => new GroupLedger());
      let index = first;
      for (const { gap, writerHost, hosts } of messages) {
        index += gap;
        const writer = new GroupLedger(ledgers[writerHost]!.shared);
        // What found no room at first is tried again.
        writer.expect(index, hosts.length);
        writer.expect(index, -hosts.length);
        writer.expect(index, hosts.length);
        for (const { host, isLost } of hosts) if (!isLost) ledgers[host]!.arrived(index);
      }
      const sum = new GroupLedger();
      for (const ledger of ledgers) sum.merge(ledger.encode());
      const open = messages.filter(({ hosts }) => hosts.some(({ isLost }) => isLost)).length;
      assert.equal(sum.open, open);
    }),
  );
});

describe('messages to groups over hosts', { concurrency: 2 }, () => {
  test('on a server that loses nothing every message is with every member', async (t) => {
    const { population } = await startAgentLab(t, 'whole', 3);
    const server = startWsar(t, ['serve', '--port', '0', '--lab']);
    const [, url] = await server.line(/^ready (mqtt:\S+)$/m);
    const run = population(
      ...['--target', url!, '--connections', '300', '--rate', '200/s', '--duration', '3s'],
    );
    assert.equal(await run.exit(), 0, run.stderr());
    const { people, messages, hosts, scenario } = summaryOf(run);
    assert.deepEqual([scenario, hosts?.alive], ['whatsapp-2014', 3]);
    assert.deepEqual([messages.lost, messages.unmatched], [0, 0]);
    const { groupMessages, groupComplete, groupExpected, groupReceived } = people!;
    assert.ok(groupMessages > 50 && groupExpected > groupMessages, `${groupMessages}`);
    assert.deepEqual([groupComplete, groupReceived], [groupMessages, groupExpected]);
  });

  test('on one that gives a message to one member alone, only groups of two are whole', async (t) => {
    const { population } = await startAgentLab(t, 'open');
    const broker = await startFakeBroker(t, { copies: 2 });
    const run = population(
      ...['--target', broker.url, '--connections', '60', '--rate', '100/s', '--duration', '3s'],
      ...['--drain', '1s'],
    );
    assert.equal(await run.exit(), 0, run.stderr());
    const { groupMessages, groupComplete, groupExpected, groupReceived } = summaryOf(run).people!;
    assert.ok(groupComplete! < groupMessages, `${groupComplete} of ${groupMessages}`);
    assert.ok(groupMessages - groupComplete! <= groupExpected - groupReceived);
  });
});
