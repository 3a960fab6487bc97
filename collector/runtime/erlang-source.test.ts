// A real Erlang node: Debian's ejabberd in a folder of its own, on free ports, without epmd. What it is made to do must
// show: connections are processes, messages that nobody takes are in mailboxes.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ErlangProbe } from '#collector/runtime/erlang-probe.ts';
import { ErlangSource, ErlangStatusSource } from '#collector/runtime/erlang-source.ts';
import { Sampler } from '#collector/sampler.ts';
import { systemClock, VirtualClock } from '#core/clock/clock.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';
import { freePort } from '#test/free-port.ts';

const COOKIE = 'onlyfortests';
const skip = needPrograms('erl', 'ejabberdctl');

interface Ejabberd {
  node: string;
  port: number;
  xmppPort: number;
  child: ChildProcess;
  /** Evaluates an expression in the node and gives what it is. */
  evaluate(expression: string): string;
}

async function startEjabberd(t: TestContext): Promise<Ejabberd> {
  const folder = temporaryFolder(t);
  const [port, xmppPort] = [await freePort(), await freePort()];
  const config = join(folder, 'ejabberd.yml');
  const listen =
    `listen:\n  - port: ${xmppPort}\n    ip: "127.0.0.1"\n    module: ejabberd_c2s\n` +
    '    max_stanza_size: 65536\n';
  writeFileSync(config, `hosts: [localhost]\nloglevel: warning\n${listen}modules: {}\n`);
  const node = `ejabberd_${process.pid}_${port}@localhost`;
  const distribution = [
    '-erl_epmd_port',
    String(port),
    '-start_epmd',
    'false',
    '-setcookie',
    COOKIE,
  ];
  const child = spawn(
    'erl',
    [
      '-noinput',
      '-sname',
      node,
      ...distribution,
      '-mnesia',
      'dir',
      JSON.stringify(join(folder, 'db')),
      '-s',
      'ejabberd',
    ],
    {
      cwd: folder,
      stdio: 'ignore',
      env: {
        ...process.env,
        HOME: folder,
        ERL_LIBS: '/usr/lib/x86_64-linux-gnu',
        EJABBERD_CONFIG_PATH: config,
        EJABBERD_LOG_PATH: join(folder, 'ejabberd.log'),
        EJABBERD_PID_PATH: join(folder, 'pid'),
      },
    },
  );
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await untilListening(xmppPort, child);
  return {
    node,
    port,
    xmppPort,
    child,
    evaluate(expression) {
      const other = `wsar_eval_${process.pid}_${port}@localhost`;
      const call =
        `erlang:set_cookie('${node}', ${COOKIE}), R = rpc:call('${node}', erl_eval, exprs, ` +
        `[element(2, erl_parse:parse_exprs(element(2, erl_scan:string("${expression}.")))), []]), ` +
        'io:format("~0p", [element(2, R)]), halt(0).';
      const flags = [
        '-noinput',
        '-hidden',
        '-dist_listen',
        'false',
        '-sname',
        other,
        ...distribution,
      ];
      const run = spawnSync('erl', [...flags, '-eval', call], {
        encoding: 'utf8',
        env: { ...process.env, HOME: folder },
        timeout: 120_000,
      });
      assert.equal(run.status, 0, run.stderr);
      return run.stdout;
    },
  };
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 1800; i++) {
    assert.equal(child.exitCode, null, 'ejabberd runs');
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await pause(100);
  }
  throw new Error('ejabberd does not listen');
}

function look(t: TestContext, { node, port }: Pick<Ejabberd, 'node' | 'port'>, cookie = COOKIE) {
  const said: (string | undefined)[] = [];
  const probe = new ErlangProbe({
    target: { node, port, cookie },
    clock: systemClock,
    ownId: `test_${process.pid}_${port}`,
    onChange: (failure) => said.push(failure),
  });
  t.after(() => probe.close());
  const source = new ErlangSource(probe, { node, periodMs: 1000, fillsTable: true });
  const sampler = new Sampler(systemClock, [source, new ErlangStatusSource(probe)]);
  const value = (name: string): number => sampler.table.value(sampler.registry.slotOf(name));
  return {
    probe,
    sampler,
    said,
    value,
    of: (name: string, more = ''): number => value(`erlang.${name}{${more}node=${node}}`),
    /** Samples until something holds. */
    async until(isSo: () => boolean): Promise<void> {
      for (let i = 0; i < 900; i++) {
        sampler.sample();
        if (isSo()) return;
        await pause(200);
      }
      throw new Error(`has not come: ${probe.failure}, ${[...probe.values].join(' ')}`);
    },
  };
}

test('ejabberd: processes, memory, garbage, schedulers, mailboxes; lost and found again', {
  skip,
}, async (t) => {
  const ejabberd = await startEjabberd(t);
  const { probe, sampler, said, of, value, until } = look(t, ejabberd);
  await until(() => of('gc.count') >= 0 && of('mailbox.nonempty') >= 0);
  assert.deepEqual(said, [undefined]);

  const told = /\[(\d+),(\d+),(\d+)\]/.exec(
    ejabberd.evaluate(
      '[erlang:system_info(process_limit), erlang:memory(code), erlang:system_info(schedulers_online)]',
    ),
  )!;
  assert.equal(of('process.limit'), Number(told[1]));
  assert.ok(Math.abs(of('memory', 'kind=code,') / Number(told[2]) - 1) < 0.2);
  assert.equal(of('schedulers'), Number(told[3]));
  const parts = of('memory', 'kind=processes,') + of('memory', 'kind=system,');
  assert.ok(Math.abs(parts / of('memory', 'kind=total,') - 1) < 0.02);
  const utilization = of('scheduler.utilization');
  assert.ok(utilization >= 0 && utilization <= 1, String(utilization));
  const states = ['emulator', 'gc', 'port', 'check_io', 'aux', 'other', 'sleep'];
  const shares = states.map((state) => of('scheduler.time', `state=${state},`));
  assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-3, shares.join(' '));

  // Each connection is a port of ejabberd's and, once the stream is open, a process.
  const [processes, ports] = [of('process.count'), of('port.count')];
  const sockets = Array.from({ length: 60 }, () => connect(ejabberd.xmppPort, '127.0.0.1'));
  t.after(() => sockets.forEach((socket) => void socket.destroy()));
  for (const socket of sockets) {
    socket.on('error', () => {});
    socket.write(
      '<stream:stream to="localhost" version="1.0" xmlns="jabber:client" ' +
        'xmlns:stream="http://etherx.jabber.org/streams">',
    );
  }
  await until(() => of('process.count') >= processes + 40 && of('port.count') >= ports + 40);

  // A process that takes no messages, and 700 for it.
  ejabberd.evaluate(
    'P = spawn(fun() -> timer:sleep(infinity) end), [P ! x || _ <- lists:seq(1, 700)], garbage_collect(P)',
  );
  await until(() => of('mailbox.length', 'stat=max,') >= 700);
  assert.ok(of('mailbox.length', 'stat=sum,') >= 700 && of('mailbox.nonempty') >= 1);
  assert.equal(
    value('mailbox.length{stat=max}'),
    of('mailbox.length', 'stat=max,'),
    'the runtime table too',
  );
  assert.equal(value('wsar.runtime.processes'), of('process.count'));
  assert.ok(of('mailbox.age') < 10);

  // A busy process shows in reductions and utilisation.
  ejabberd.evaluate('spawn(fun() -> F = fun(G) -> G(G) end, F(F) end), ok');
  await until(() => of('reductions') > 100_000 && of('scheduler.utilization') > 0.1);

  // The probe dies, and is started again.
  const child = probe.restarts;
  ejabberd.evaluate('[erlang:disconnect_node(N) || N <- nodes(hidden)], ok');
  await until(() => probe.failure === undefined && of('process.count') > 0);
  assert.equal(probe.restarts, child);

  ejabberd.child.kill('SIGKILL');
  await once(ejabberd.child, 'exit');
  await until(() => value('erlang.probe.up') === 0);
  assert.match(probe.failure ?? '', /nobody listens|lost|no answer/);
  for (let i = 0; i < 400 && !Number.isNaN(of('process.count')); i++) {
    await pause(100);
    sampler.sample();
  }
  assert.ok(Number.isNaN(of('process.count')), 'too old to stand');
});

test('a wrong cookie, no node, no Erlang: each has its reason; wsar collect --erlang has the runtime table', {
  skip,
}, async (t) => {
  const ejabberd = await startEjabberd(t);
  const wrong = look(t, ejabberd, 'wrong');
  await wrong.until(() => /cookie/.test(wrong.probe.failure ?? ''));
  const nobody = look(t, { node: 'nobody@localhost', port: await freePort() });
  await nobody.until(() => /nobody listens/.test(nobody.probe.failure ?? ''));
  const none = new ErlangProbe({
    target: { node: 'a@localhost', port: 1, cookie: 'x' },
    clock: systemClock,
    ownId: 'none',
    program: 'no-such-erl',
  });
  none.ask(0);
  while (none.failure === 'not asked yet') await pause(10);
  assert.match(none.failure ?? '', /not on PATH/);
  await none.close();

  const cookieFile = join(temporaryFolder(t), 'cookie');
  writeFileSync(cookieFile, `${COOKIE}\n`);
  const where = [
    '--erlang',
    `${ejabberd.node}:${ejabberd.port}`,
    '--erlang-cookie-file',
    cookieFile,
  ];
  const run = startWsar(t, ['collect', '1', '4', '--json', ...where]);
  assert.equal(await run.exit(), 0, run.stderr());
  const row = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!).values;
  assert.ok(row['wsar.runtime.processes'] > 50, JSON.stringify(row).slice(0, 200));
  assert.ok(row['wsar.runtime.gc.count'] >= 0);
  const missing = startWsar(t, [
    'collect',
    '--erlang',
    'a@b',
    '--erlang-cookie-file',
    '/nonexistent',
  ]);
  assert.equal(await missing.exit(), 2);
  assert.match(missing.stderr(), /cookie/);
});

/** A program that stands for `erl` and does what the shell text says. */
function program(t: TestContext, text: string): string {
  const path = join(temporaryFolder(t), 'erl');
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

test('a probe that ends, hangs or floods is ended, and started again later and later', async (t) => {
  const clock = new VirtualClock();
  const open = (text: string): ErlangProbe => {
    const probe = new ErlangProbe({
      target: { node: 'a@localhost', port: 1, cookie: 'x' },
      clock,
      ownId: 'x',
      program: program(t, text),
    });
    t.after(() => probe.close());
    return probe;
  };
  const ends = open('exit 3');
  for (const [restarts, pauseMs] of [
    [1, 1000],
    [2, 2000],
    [3, 4000],
  ] as const) {
    ends.ask(clock.monoUs());
    while (ends.restarts < restarts) await pause(10);
    assert.match(ends.failure ?? '', /ended \(3\)/);
    clock.advance(pauseMs - 1);
    ends.ask(clock.monoUs());
    assert.equal(ends.restarts, restarts, 'not before its time');
    clock.advance(1);
  }
  const floods = open('while :; do printf "%01000d" 7; done');
  floods.ask(0);
  while (floods.restarts === 0) await pause(10);
  assert.match(floods.failure ?? '', /floods/);
  const hangs = open('exec sleep 60');
  hangs.ask(0);
  hangs.ask(13e6);
  assert.match(hangs.failure ?? '', /does not answer/);
  const lies = open(
    'read a; read b; read c; printf "begin\\nrun_queue many\\nprocesses -4\\nports 7\\nend\\n"; read d',
  );
  lies.ask(0);
  while (lies.answers === 0) await pause(10);
  assert.equal(lies.values.get('ports'), 7);
});
