// The command line of `wsar tee`: what it refuses, what it prints, and how it ends.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, test } from 'node:test';
import { WsarError } from '#core/errors.ts';
import { command } from '#tee-proxy/tee-command.ts';
import {
  answering,
  Client,
  freePort,
  mute,
  quiet,
  startServer,
  talk,
  until,
} from '#tee-proxy/test/peer-servers.ts';
import { ENGINES, startTee, summaryOf } from '#tee-proxy/test/running-tee.ts';
import { startWsar } from '#test/command.ts';

/** Against a hang; nothing is judged by time. */
const LIMIT = { timeout: 60_000 };

/** What the command throws for these options (each with a value), parsed as the command line does. */
async function refusal(args: string[]): Promise<WsarError> {
  const options: Record<string, unknown> = { share: 1, seed: 1, engine: 'auto', workers: 1 };
  const context = { args: [], signal: AbortSignal.abort('SIGTERM'), root: '', out() {}, talk() {} };
  try {
    for (let at = 0; at < args.length; at += 2) {
      const name = args[at]!.slice(2);
      const spec = command.options!.find(({ flags }) => flags.startsWith(`--${name} `))!;
      const value = spec.parse!(args[at + 1]!);
      const key = name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
      options[key] = spec.repeat ? [value] : value;
    }
    await command.run({ ...context, options });
  } catch (error) {
    assert.ok(error instanceof WsarError, String(error));
    return error;
  }
  return assert.fail(`${args.join(' ')} was accepted`);
}

// Several at a time: they wait more than they work.
describe('the command line of the tee', { concurrency: 3 }, () => {
  test('wrong usage is one sentence, before anything is started', LIMIT, async (t) => {
    const cases: [string, string[], number, RegExp][] = [
      ['no upstream', ['--listen', '0'], 2, /--upstream is missing/],
      ['no listen', ['--upstream', '1'], 2, /--listen is missing/],
      ['bad address', ['--listen', 'x:y', '--upstream', '1'], 2, /not HOST:PORT/],
      ['upstream port 0', ['--listen', '0', '--upstream', '0'], 2, /port 0/],
      ['share', ['--listen', '0', '--upstream', '1', '--share', '2'], 2, /more than everything/],
      ['no unit', ['--listen', '0', '--upstream', '1', '--shadow-buffer', '9'], 2, /no unit/],
      ['small', ['--listen', '0', '--upstream', '1', '--shadow-buffer', '1 KiB'], 2, /128 KiB/],
      ['engine', ['--listen', '0', '--upstream', '1', '--engine', 'x'], 2, /no engine 'x'/],
      ['a loop', ['--listen', '9001', '--upstream', '9001'], 2, /connect to itself/],
      ['a loop by any', ['--listen', '0.0.0.0:9001', '--upstream', '9001'], 2, /connect to itself/],
      [
        'shadow = production',
        ['--listen', '0', '--upstream', '9001', '--shadow', 'localhost:9001'],
        2,
        /is the upstream itself/,
      ],
      ['no name', ['--listen', 'no.such.name.invalid:0', '--upstream', '1'], 2, /no address/],
      ['not ours', ['--listen', '0', '--upstream', '192.0.2.1:80'], 2, /--i-own-this-target/],
      [
        'not our shadow',
        ['--listen', '0', '--upstream', '1', '--shadow', '192.0.2.1:80'],
        2,
        /WSAR_ERR_TARGET_NOT_OWNED/,
      ],
      ['IPv6', ['--listen', '0', '--upstream', '[::1]:80'], 2, /IPv6/],
      [
        'too many',
        ['--listen', '0', '--upstream', '1', '--engine', 'net', '--connections', '1000000'],
        3,
        /WSAR_ERR_LIMIT/,
      ],
    ];
    for (const [name, args, code, sentence] of cases) {
      const error = await refusal(args);
      assert.match(`${error.message}; ${error.hint} (${error.code})`, sentence, name);
      assert.equal(error.exitCode, code, name);
    }
    const [, args, code, sentence] = cases.at(-1)!;
    const running = startWsar(t, ['tee', ...args]);
    assert.equal(await running.exit(), code);
    assert.equal(running.stdout(), '');
    assert.match(running.stderr(), sentence);
  });

  test(
    'a port in use is said before anything serves, also with several workers',
    LIMIT,
    async (t) => {
      // A stranger that would share the port.
      const stranger = net.createServer().listen({ port: 0, host: '127.0.0.1', reusePort: true });
      t.after(() => stranger.close());
      await once(stranger, 'listening');
      const { port } = stranger.address() as net.AddressInfo;
      for (const workers of ['1', '2']) {
        const args = ['--listen', `${port}`, '--upstream', '1', '--workers', workers, '--json'];
        const running = startWsar(t, ['tee', ...args]);
        assert.equal(await running.exit(), 3, running.stderr());
        assert.match(running.stderr(), new RegExp(`"WSAR_ERR_PORT_IN_USE".*${port}`));
        assert.equal(running.stdout(), '');
      }
    },
  );

  for (const engine of ENGINES) {
    test(
      `${engine}: ready first, on SIGINT the table, exit 130, nothing after`,
      LIMIT,
      async (t) => {
        const upstream = await startServer(t, answering);
        const shadow = await startServer(t, quiet);
        const port = await freePort();
        const args = ['--listen', `127.0.0.1:${port}`, '--upstream', `localhost:${upstream.port}`];
        const more = ['--shadow', `${shadow.port}`, '--engine', engine];
        const running = startWsar(t, ['tee', ...args, ...more]);
        await running.line(/^ready /);
        assert.equal(running.stdout(), `ready tcp://127.0.0.1:${port}\n`);
        await talk(port, 1, 1000);
        // One stays open over the end: it is reset, as a dying server would.
        const client = new Client(port, 2);
        await client.say(1000);
        await until('both are copied', () => shadow.seen.get(2)?.bytes === 1000);
        running.child.kill('SIGINT');
        assert.equal(await running.exit(), 130, running.stderr());
        await client.closed;
        assert.match(running.stdout(), /2 taken, 0 without upstream/);
        assert.match(running.stdout(), /complete {2}2 connections, 2000 B sent/);
        assert.match(running.stdout(), /shed {6}0 connections, 0 B/);
        assert.match(running.stderr(), new RegExp(`engine ${engine}`));
      },
    );

    test(
      `${engine}: --duration ends by itself; several workers share clients and share`,
      LIMIT,
      async (t) => {
        const upstream = await startServer(t, answering);
        const shadow = await startServer(t, quiet);
        const more = ['--workers', '2', '--share', '40 %', '--duration', '3s'];
        const setting = { engine, upstream: upstream.port, shadows: [shadow.port], more };
        const tee = await startTee(t, setting);
        const ids = Array.from({ length: 200 }, (_, index) => index + 1);
        for (const { error } of await Promise.all(ids.map((id) => talk(tee.port, id, 500)))) {
          assert.equal(error, undefined);
        }
        assert.equal(await tee.command.exit(), 0, tee.command.stderr());
        const { values, workers } = summaryOf(tee.command);
        assert.equal(workers, 2);
        assert.equal(values['wsar.tee.accepted'], 200);
        const sampled = values['wsar.tee.shadow.sampled']!;
        assert.ok(sampled > 50 && sampled < 110, `${sampled} of 200 at 40 %`);
        assert.equal(shadow.seen.size, sampled);
        assert.equal(values['wsar.tee.shadow.completed'], sampled);
      },
    );
  }

  test(
    'rows are one a second, of whole seconds, with every metric, and only rise',
    LIMIT,
    async (t) => {
      const upstream = await startServer(t, answering);
      const shadow = await startServer(t, mute);
      const setting = { engine: 'net' as const, upstream: upstream.port, shadows: [shadow.port] };
      const tee = await startTee(t, setting);
      await talk(tee.port, 1, 50_000);
      await tee.nextRow();
      await tee.nextRow();
      await tee.nextRow();
      await tee.stop();
      const [ready, ...lines] = tee.command.stdout().trimEnd().split('\n');
      assert.match(ready!, /^ready tcp:/);
      const rows = lines.slice(0, -1).map((line) => JSON.parse(line));
      for (const [index, row] of rows.entries()) {
        assert.equal(row.wallMs % 1000, 0);
        assert.ok(row.intervalUs > 0);
        for (const [name, value] of Object.entries(row.values)) {
          assert.ok(Number.isFinite(value) && (value as number) >= 0, `${name} is ${value}`);
        }
        if (index === 0) continue;
        const before = rows[index - 1].values;
        for (const name of ['rx_bytes', 'cpu_us', 'accepted', 'shadow.offered_bytes']) {
          assert.ok(row.values[`wsar.tee.${name}`] >= before[`wsar.tee.${name}`], name);
        }
      }
      assert.equal(rows.at(-1).values['wsar.tee.rx_bytes'], 50_000);
    },
  );
});
