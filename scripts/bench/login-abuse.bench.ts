// `npm run bench:login-abuse`: what 10,000 connections cost that claim packets of 256 MiB, trickle or say nothing
// and never log in, and whether two users who write to each other notice.
//
//   --claims N   connections (default 10000)    --engine NAME   (default auto)

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import mqtt, { type MqttClient } from 'mqtt';
import { openClaims } from '#reference-server/test/slow-claims.ts';
import { benchOptions, count, text } from '#scripts/bench/bench-options.ts';
import { ROOT, watchProcess } from '#test/command.ts';

const { claims: claimsCount, engine = 'auto' } = benchOptions('bench:login-abuse', {
  claims: count('connections', 10_000),
  engine: text('NAME', 'engine of the server (default auto)'),
});
const args = ['serve', '--lab', '--port', '0', '--workers', '1', '--engine', engine, '--json'];
const child = spawn(join(ROOT, 'bin', 'wsar'), args, { stdio: ['ignore', 'pipe', 'inherit'] });
const server = watchProcess(child);
const [, url, port] = await server.line(/^ready (mqtt:\/\/127\.0\.0\.1:(\d+))\n/);
const login = (clientId: string): Promise<MqttClient> => mqtt.connectAsync(url!, { clientId });
const from = await login('from');
const to = await login('to');
await to.subscribeAsync('m/to', { qos: 1 });

// A first crowd touches tables and buffers that stay.
await (await openClaims(Number(port), claimsCount)).closed;
const quiet = await converse(2000);
const before = await rss();
const start = performance.now();
const claims = await openClaims(Number(port), claimsCount);
const busy = await converse(2000);
const during = await rss();
await claims.closed;
const seconds = ((performance.now() - start) / 1000).toFixed(1);
const grown = ((during - before) / 1024 / 1024).toFixed(2);
process.stdout.write(
  `${claimsCount} claims: ${grown} MiB, ended after ${seconds} s\n` +
    `message and PUBACK, us: p50 ${quiet.p50} p99 ${quiet.p99} before, ` +
    `p50 ${busy.p50} p99 ${busy.p99} with the claims open\n`,
);
await from.endAsync();
await to.endAsync();
child.kill('SIGTERM');
await server.exit();

/** Sends one message after the other; microseconds from sending to PUBACK and arrival. */
async function converse(messages: number): Promise<{ p50: number; p99: number }> {
  const times: number[] = [];
  for (let serial = 0; serial < messages; serial++) {
    const sent = performance.now();
    const came = new Promise((resolve) => to.once('message', resolve));
    await Promise.all([came, from.publishAsync('m/to', String(serial), { qos: 1 })]);
    times.push((performance.now() - sent) * 1000);
  }
  times.sort((a, b) => a - b);
  const at = (ratio: number): number => Math.round(times[Math.floor(messages * ratio)]!);
  return { p50: at(0.5), p99: at(0.99) };
}

/** Resident memory of the server, by its next row. */
async function rss(): Promise<number> {
  const seen = server.stdout().length;
  for (;;) {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const lines = server.stdout().slice(seen).split('\n');
    const row = lines.find((line) => line.startsWith('{"wallMs"') && line.endsWith('}}'));
    if (row !== undefined) return JSON.parse(row).values['wsar.server.rss'];
  }
}
