// The population that is the default, on servers that know people, that do not, and that lose or double what is
// written to groups: every copy is accounted for.

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { startWsar } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';
import { startMosquitto } from '#test/mosquitto.ts';

const noMosquitto = needPrograms('mosquitto');

async function load(
  t: TestContext,
  url: string,
  ...more: string[]
): Promise<{ summary: LoadSummary; talk: string }> {
  const run = startWsar(t, [
    ...['load', '--target', url, '--json', '--lateness-max', '60s'],
    ...['--connections', '300', '--rate', '200/s', '--duration', '3s', ...more],
  ]);
  assert.equal(await run.exit(), 0, run.stderr());
  const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
  return { summary, talk: run.stderr() };
}

/** What holds on any server that loses nothing. */
function assertWhole({ messages, people, scenario }: LoadSummary): void {
  assert.equal(scenario, 'whatsapp-2014');
  assert.ok(messages.sent > 450 && messages.sent < 750, `200/s for 3 s: ${messages.sent}`);
  assert.deepEqual(
    [messages.planned, messages.acked, messages.received, messages.lost, messages.unmatched],
    [messages.sent, messages.sent, messages.expected, 0, 0],
  );
  assert.ok(people!.groupMessages > 50 && people!.groupExpected > people!.groupMessages);
  assert.equal(people!.groupReceived, people!.groupExpected);
  assert.equal(people!.groupComplete, people!.groupMessages);
  assert.equal(messages.expected, messages.sent - people!.groupMessages + people!.groupExpected);
  assert.ok(people!.typing.sent > 200);
  assert.equal(people!.typing.received, people!.typing.sent);
}

describe('a population', { concurrency: 2 }, () => {
  test('on wsar serve: every copy arrives, the server tells presence and makes receipts', async (t) => {
    const server = startWsar(t, ['serve', '--lab', '--port', '0', '--workers', '2']);
    const [, url] = await server.line(/^ready (mqtt:\S+)$/m);
    const { summary, talk } = await load(t, url!, '--workers', '2');
    assertWhole(summary);
    const { messages, people } = summary;
    assert.equal(messages.receipts, messages.received - people!.groupReceived);
    assert.ok(people!.groupReceipts > 0);
    assert.deepEqual([people!.presence.by, people!.presence.sent], ['server', 0]);
    assert.ok(people!.presence.received >= 300, 'each watches one, who is told at once');
    assert.ok(
      summary.lastMemberUs!.count > 0 && summary.lastMemberUs!.count <= people!.groupMessages,
    );
    assert.match(talk, /^target: takes groups, presence told by the server, makes second/m);
  });

  test('on mosquitto, by plain topics: users tell their presence, receivers may make receipts', {
    skip: noMosquitto,
  }, async (t) => {
    const { url } = await startMosquitto(t);
    const { summary, talk } = await load(t, url, '--session-length', '5s');
    assertWhole(summary);
    const { presence } = summary.people!;
    assert.equal(summary.messages.receipts, 0);
    assert.equal(presence.by, 'users');
    // One 'online' for each login, one 'offline' for each goodbye.
    const { reconnects } = summary.connections;
    assert.ok(reconnects > 50, `${reconnects} logins after a session`);
    assert.equal(presence.sent, 2 * (300 + reconnects));
    assert.ok(presence.received > reconnects);
    assert.match(talk, /presence told by the users themselves, makes no second check marks/);
    const { summary: marked } = await load(t, url, '--receipts', 'client');
    assertWhole(marked);
    assert.equal(marked.messages.receipts, marked.messages.received);
  });

  test('a server that gives a message to one member of each group loses the others, and is told so', async (t) => {
    const broker = await startFakeBroker(t);
    const { summary } = await load(t, broker.url, '--engine', 'net');
    const { messages, people } = summary;
    // It takes messages to groups, and sends them to who came last.
    const lost = people!.groupExpected - people!.groupReceived;
    assert.ok(lost > people!.groupExpected / 3, `${lost} of ${people!.groupExpected}`);
    assert.equal(messages.lost, lost);
    assert.ok(people!.groupComplete! < people!.groupMessages);
  });

  test('a server that delivers twice: each copy counts once', async (t) => {
    const broker = await startFakeBroker(t, { copies: 2 });
    const { summary } = await load(t, broker.url, '--engine', 'net');
    const { messages, people } = summary;
    assert.ok(messages.received <= messages.expected);
    assert.equal(messages.unmatched, messages.received);
    assert.ok(people!.groupReceived <= people!.groupExpected);
  });

  test('where g/ and p/ are refused there is only writing from one to one', async (t) => {
    const broker = await startFakeBroker(t, { refusesTopics: /^[gp]\// });
    const { summary, talk } = await load(t, broker.url, '--engine', 'net');
    const { messages, people } = summary;
    assert.match(talk, /^target: no groups: g\/ is refused, no presence: p\/ is refused/m);
    assert.deepEqual(
      [people!.groups, people!.groupMessages, people!.presence.by],
      [0, 0, 'nobody'],
    );
    assert.deepEqual([messages.expected, messages.received], [messages.sent, messages.sent]);
  });
});
