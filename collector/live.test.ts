// Known workloads and second methods on the live /proc: what was done must show, and what another tool
// reads must be the same. Other tests run beside this one, so a rise is compared from below, and a second
// reading is taken before and after ours: what we say must lie between.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Sampler } from '#collector/sampler.ts';
import { hostSources } from '#collector/source/source-list.ts';
import { systemClock } from '#core/clock/clock.ts';
import { watchProcess } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const skip = existsSync('/proc/net/sockstat') ? false : 'this host has no Linux /proc';

interface Live {
  sample(): void;
  value(name: string): number;
  /** By how much a counter rose between the last two samples, in its source's unit. */
  rise(name: string): number;
}

function live(t: TestContext): Live {
  const sampler = new Sampler(systemClock, hostSources());
  t.after(() => sampler.close());
  const slot = (name: string): number => sampler.registry.slotOf(name);
  return {
    sample: () => sampler.sample(),
    value: (name) => sampler.table.value(slot(name)),
    rise: (name) => sampler.table.delta(slot(name)),
  };
}

/** Opens loopback connections; both ends are closed by reset, which leaves no TIME_WAIT behind. */
async function openConnections(count: number): Promise<() => Promise<void>> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const clients = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
  await Promise.all(clients.map((client) => once(client, 'connect')));
  while (accepted.length < count) await once(server, 'connection');
  return async () => {
    for (const client of clients) client.resetAndDestroy();
    await Promise.all(accepted.map((socket) => socket.destroyed || closed(socket)));
    await new Promise((resolve) => server.close(resolve));
  };
}

/** Resolves when a socket is closed, also by a reset. */
function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve));
}

test('23 connections on loopback are 46 control blocks more, and gone when they are closed', {
  skip,
}, async (t) => {
  const { sample, value } = live(t);
  const rises: string[] = [];
  // Others open and close sockets too; one undisturbed try in thirty is asked for.
  for (let i = 0; i < 30; i++) {
    const counts: number[][] = [];
    const count = (): void => {
      sample();
      counts.push([
        value('network.linux.tcp.control_blocks'),
        value('system.network.connection.count{state=established}'),
      ]);
    };
    count();
    const close = await openConnections(23);
    count();
    await close();
    count();
    const [before, open, after] = counts as [number[], number[], number[]];
    // The listening socket counts as a control block of its own.
    const text = `${open[0]! - before[0]!} ${open[1]! - before[1]!} ${after[0]! - before[0]!}`;
    if (text === '47 46 0') return;
    rises.push(text);
  }
  assert.fail(`wanted 47 46 0, saw ${rises.join(', ')}`);
});

test('opened connections, segments and bytes are counted', { skip }, async (t) => {
  const { sample, rise } = live(t);
  sample();
  const close = await openConnections(40);
  sample();
  await close();
  for (const [name, least] of [
    ['tcp.connections.opened{type=active}', 40],
    ['tcp.connections.opened{type=passive}', 40],
    ['network.linux.tcp.segments{direction=out}', 120],
    ['network.linux.ip.bytes{direction=in}', 120 * 40],
  ] as const) {
    assert.ok(rise(name) >= least, `${name}: ${rise(name)}`);
  }
});

test('context switches and page faults of this process are among those of the host', {
  skip,
}, (t) => {
  const { sample, rise } = live(t);
  sample();
  const before = process.resourceUsage();
  const cell = new Int32Array(new SharedArrayBuffer(4));
  // A wait whose time is over before the thread sleeps is no switch.
  const slept = (): number =>
    process.resourceUsage().voluntaryContextSwitches - before.voluntaryContextSwitches;
  while (slept() < 200) Atomics.wait(cell, 0, 0, 0.1);
  const memory = Buffer.alloc(32 * 1024 * 1024, 1);
  const after = process.resourceUsage();
  sample();
  assert.equal(memory.at(-1), 1);
  const switches = after.voluntaryContextSwitches - before.voluntaryContextSwitches;
  const faults = after.minorPageFault - before.minorPageFault;
  assert.ok(switches >= 200 && faults > 0, `${switches} switches, ${faults} faults`);
  assert.ok(rise('system.linux.context_switches') >= switches);
  assert.ok(rise('system.paging.faults') >= faults);
});

test('datagrams on loopback are counted by protocol and by device', { skip }, async (t) => {
  const { sample, rise } = live(t);
  const receiver = createSocket('udp4');
  receiver.bind(0, '127.0.0.1');
  await once(receiver, 'listening');
  const sender = createSocket('udp4');
  t.after(() => {
    sender.close();
    receiver.close();
  });
  sample();
  for (let i = 0; i < 500; i++) {
    await new Promise((resolve) => sender.send('x', receiver.address().port, '127.0.0.1', resolve));
  }
  sample();
  assert.ok(rise('network.linux.udp.datagrams{direction=out}') >= 500);
  assert.ok(rise('system.network.packet.count{device=lo,direction=transmit}') >= 500);
});

test('a server that does not accept overflows its listen queue, and that shows', {
  skip,
}, async (t) => {
  const { sample, rise } = live(t);
  const program =
    "const s = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }," +
    '() => console.log(s.address().port))';
  const server = watchProcess(
    spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  t.after(() => void server.child.kill('SIGKILL'));
  const port = Number((await server.line(/(\d+)\n/))[1]);
  server.child.kill('SIGSTOP');
  sample();
  const clients = Array.from({ length: 20 }, () =>
    connect(port, '127.0.0.1').on('error', () => {}),
  );
  t.after(() => {
    for (const client of clients) client.destroy();
  });
  // The queue holds two; the others try again every second.
  let overflows = 0;
  for (let i = 0; i < 100 && overflows === 0; i++) {
    await new Promise<void>((resolve) => void systemClock.after(20, resolve));
    sample();
    overflows += rise('tcp.listen.overflows');
  }
  assert.ok(overflows > 0);
  assert.ok(clients.some((client) => client.connecting));
});

/** Runs a program that prints counters and reads one; its output is in English. */
function readCounter(program: string, args: string[], pattern: RegExp): number {
  const { stdout } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  const match = pattern.exec(stdout);
  assert.ok(match, `${program} says nothing of ${pattern}: ${stdout.slice(0, 200)}`);
  return Number(match[1]);
}

const SECOND_METHODS: [metric: string, program: string, args: string[], pattern: RegExp][] = [
  ['system.linux.context_switches', 'vmstat', ['-s'], /(\d+) CPU context switches/],
  ['system.linux.interrupts', 'vmstat', ['-s'], /(\d+) interrupts/],
  ['system.process.created', 'vmstat', ['-s'], /(\d+) forks/],
  ['tcp.connections.opened{type=passive}', 'nstat', ['-asz'], /^TcpPassiveOpens +(\d+)/m],
  ['network.linux.tcp.segments{direction=in}', 'nstat', ['-asz'], /^TcpInSegs +(\d+)/m],
  ['tcp.listen.overflows', 'nstat', ['-asz'], /^TcpExtListenOverflows +(\d+)/m],
  ['network.linux.ip.bytes{direction=out}', 'nstat', ['-asz'], /^IpExtOutOctets +(\d+)/m],
];

for (const [metric, program, args, pattern] of SECOND_METHODS) {
  test(`${metric} rises as ${program} says`, { skip: skip || needPrograms(program) }, async (t) => {
    const { sample, rise } = live(t);
    const read = (): number => readCounter(program, args, pattern);
    const outerStart = read();
    sample();
    const innerStart = read();
    const close = await openConnections(10);
    await close();
    const innerEnd = read();
    sample();
    const outerEnd = read();
    const ours = rise(metric);
    const bounds = `${innerEnd - innerStart} <= ${ours} <= ${outerEnd - outerStart}`;
    assert.ok(innerEnd - innerStart <= ours && ours <= outerEnd - outerStart, bounds);
  });
}

test('the number of TCP sockets is the one that ss shows', {
  skip: skip || needPrograms('ss'),
}, (t) => {
  const { sample, value } = live(t);
  const seen: string[] = [];
  for (let i = 0; i < 30; i++) {
    sample();
    const ours =
      value('network.linux.sockets{type=tcp}') + value('network.linux.sockets{type=tcp6}');
    const theirs = readCounter('ss', ['-s'], /^TCP\s+(\d+)/m);
    if (ours === theirs) return;
    seen.push(`${ours}/${theirs}`);
  }
  assert.fail(`ours/theirs: ${seen.join(' ')}`);
});
