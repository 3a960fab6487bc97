// npm run bench:burst [-- --small] [-- --json]: a burst of 35 % at 80 % load. What the server can do is planted, so
// that it is known: each accepted message costs its only worker so much time (knob inject.cpu). Printed is how long
// after the end of the burst the queues are as short as before it, how long they were, what a message waited at
// most, and what was lost (nothing). It wants a machine of its own: where others take the CPU, the load is more than
// 80 %. In virtual time, so that npm test can run it: reference-server/statistics/burst.test.ts.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { readOptions } from '#reference-server/serve-command.ts';
import { Server } from '#reference-server/server.ts';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import { benchOptions, json, small } from '#scripts/bench/bench-options.ts';
import { ROOT } from '#scripts/source-tree.ts';

const { small: isSmall, json: isJson } = benchOptions('bench:burst', { small, json });
const size = isSmall
  ? { costUs: 1000, users: 100, calmS: 4, burstS: 3, afterS: 6 }
  : { costUs: 100, users: 2000, calmS: 20, burstS: 20, afterS: 40 };

/** What a message costs beside what is planted, at the most. */
const OWN_SHARE = 0.15;
const LOAD = 0.8;
const BURST = 1.35;
const SAMPLE_MS = 20;

interface Sample {
  atMs: number;
  queued: number;
  received: number;
}

const capacityPerS = 1e6 / (size.costUs * (1 + OWN_SHARE));
const calmPerS = Math.round(LOAD * capacityPerS);
const burstPerS = Math.round(calmPerS * BURST);
const { calmS, burstS, afterS, users } = size;

const options = { port: [0], host: '127.0.0.1', workers: 1, lab: true, connections: users + 100 };
const server = await Server.start(readOptions(options));
try {
  await server.change({ injectedUs: size.costUs });
  const samples: Sample[] = [];
  const { stats } = server.figures[0]!;
  const sampling = setInterval(() => {
    const [queued, received] = [stats[STAT.queued]!, stats[STAT.received]!];
    samples.push({ atMs: performance.now(), queued, received });
  }, SAMPLE_MS);
  const summary = await runLoad(server.ports[0]!);
  clearInterval(sampling);
  report(samples, summary);
} finally {
  await server.stop();
}

interface Summary {
  messages: { planned: number; sent: number; acked: number; received: number; lost: number };
  latencyUs: { p50: number; max: number };
}

async function runLoad(port: number): Promise<Summary> {
  const stages = `${calmS}s@${calmPerS}/s,${burstS}s@${burstPerS}/s,${afterS}s@${calmPerS}/s`;
  const child = spawn(
    join(ROOT, 'bin/wsar'),
    [
      ...['load', '--scenario', 'one-to-one', '--target', `mqtt://127.0.0.1:${port}`, '--json'],
      ...['--connections', String(users), '--stages', stages, '--arrivals', 'constant'],
      ...['--lateness-max', '60s', '--drain', '60s'],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const out = await text(child.stdout);
  return JSON.parse(out.trimEnd().split('\n').at(-1)!);
}

function report(samples: Sample[], { messages, latencyUs }: Summary): void {
  const startMs = samples.find(({ received }) => received > 0)!.atMs;
  const within = (fromS: number, toS: number): Sample[] =>
    samples.filter(({ atMs }) => atMs >= startMs + fromS * 1000 && atMs < startMs + toS * 1000);
  const longest = (part: Sample[]): number => Math.max(...part.map(({ queued }) => queued));
  const before = longest(within(calmS / 2, calmS));
  const endS = calmS + burstS;
  const recovered = within(endS, Number.POSITIVE_INFINITY).find(({ queued }) => queued <= before);
  const figures = {
    messages: messages.planned,
    calm_per_s: calmPerS,
    burst_per_s: burstPerS,
    queue_before: before,
    queue_longest: longest(within(calmS, endS + afterS)),
    recovery_s: recovered === undefined ? Number.NaN : (recovered.atMs - startMs) / 1000 - endS,
    latency_p50_ms: latencyUs.p50 / 1000,
    latency_max_ms: latencyUs.max / 1000,
    not_acknowledged: messages.planned - messages.acked,
    lost: messages.planned - messages.received,
  };
  if (isJson) {
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    return;
  }
  for (const [name, value] of Object.entries(figures)) {
    process.stdout.write(
      `${name.padEnd(20)}${value.toFixed(value % 1 === 0 ? 0 : 3).padStart(12)}\n`,
    );
  }
}
