// A server that stands still (SIGSTOP) in the middle of a load, and what each generator says of it. An
// open loop shows as many affected samples as were due meanwhile, a closed loop one for each connection.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHistogram } from '#core/metric/histogram.ts';
import { type LoadOutput, runLoad, startServer } from '#scripts/bench/loadgen-process.ts';
import { ROOT } from '#scripts/source-tree.ts';

/** Samples longer than this saw the freeze. */
const AFFECTED_US = 50_000;

export interface FrozenFigures {
  tool: string;
  samples: number;
  /** Longer than 50 ms; null where the tool does not tell. */
  affected: number | null;
  p999_ms: number;
  max_ms: number;
}

export interface FrozenSize {
  ratePerS: number;
  connections: number;
  seconds: number;
  frozenS: number;
}

const HTTP_SERVER = [
  "require('http').createServer((q,r)=>r.end('ok'))",
  ".listen(0,'127.0.0.1',function(){console.log('ready '+this.address().port)})",
].join('');

export async function frozenServer(size: FrozenSize): Promise<FrozenFigures[]> {
  const { ratePerS, connections, seconds } = size;
  const load = ['--connections', String(connections), '--rate', `${ratePerS}/s`];
  const long = ['--duration', `${seconds}s`];
  const figures: FrozenFigures[] = [];
  const wsar = join(ROOT, 'bin/wsar');
  const mqtt = await startServer(wsar, ['serve', '--port', '0', '--lab'], /^ready (\S+)/m);
  try {
    const freeze = once1(() => freezeFor(mqtt.child.pid!, size.frozenS));
    const args = ['--target', mqtt.match[1]!, ...load, ...long, '--lateness-max', '60s'];
    const out = await runLoad(args, ({ values }) => {
      if (Number(values['wsar.load.messages.received']) > ratePerS) freeze();
    });
    figures.push(figuresOf('wsar load mqtt://', out));
  } finally {
    await mqtt.end();
  }
  const http = await startServer(process.execPath, ['-e', HTTP_SERVER], /^ready (\d+)/m);
  try {
    const url = `http://127.0.0.1:${http.match[1]}`;
    const soon = (): void => void sleep(2000).then(() => freezeFor(http.child.pid!, size.frozenS));
    soon();
    figures.push(
      figuresOf('wsar load http://', await runLoad(['--target', url, ...load, ...long])),
    );
    soon();
    figures.push(await autocannon(url, size));
    if (spawnSync('wrk', ['-v']).error === undefined) {
      soon();
      figures.push(await wrk(url, size));
    } else process.stderr.write('no wrk: it is left out\n');
  } finally {
    await http.end();
  }
  return figures;
}

function figuresOf(tool: string, { rows, summary }: LoadOutput): FrozenFigures {
  const all = createHistogram();
  for (const { histograms } of rows) if (histograms?.['latency']) all.merge(histograms['latency']);
  const { latencyUs } = summary;
  return {
    tool,
    samples: latencyUs.count,
    affected: countAbove(all, AFFECTED_US),
    p999_ms: latencyUs.p999 / 1000,
    max_ms: latencyUs.max / 1000,
  };
}

/** autocannon by itself, with the correction that it has for rates. */
async function autocannon(url: string, size: FrozenSize): Promise<FrozenFigures> {
  const { connections, ratePerS, seconds } = size;
  const options = ['-c', String(connections), '-R', String(ratePerS), '-d', String(seconds), '-j'];
  const file = join(ROOT, 'node_modules/autocannon/autocannon.js');
  const text = await outputOf(process.execPath, [file, ...options, url]);
  const told = JSON.parse(text) as {
    latency: { p99_9: number; max: number; totalCount: number };
  };
  const { p99_9, max, totalCount } = told.latency;
  return {
    tool: 'autocannon -R',
    samples: totalCount,
    affected: null,
    p999_ms: p99_9,
    max_ms: max,
  };
}

/** wrk is a closed loop as fast as it goes: the rate is the server's. */
async function wrk(url: string, { connections, seconds }: FrozenSize): Promise<FrozenFigures> {
  const script = join(ROOT, 'scripts/bench/wrk-percentiles.lua');
  const options = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '60s'];
  const text = await outputOf('wrk', [...options, '-s', script, url]);
  const [, p999, max, requests] = /^figures (\d+) (\d+) (\d+)/m.exec(text)!.map(Number);
  return {
    ...{ tool: 'wrk', samples: requests!, affected: null },
    ...{ p999_ms: p999! / 1000, max_ms: max! / 1000 },
  };
}

async function outputOf(command: string, args: string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(child, 'close');
  return text;
}

async function freezeFor(pid: number, seconds: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await sleep(seconds * 1000);
  process.kill(pid, 'SIGCONT');
}

function once1(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}

/** How many samples of a histogram are above a time: by halving the percentile. */
function countAbove(histogram: ReturnType<typeof createHistogram>, us: number): number {
  if (histogram.count === 0 || histogram.max <= us) return 0;
  let low = 0;
  let high = 100;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (histogram.percentile(middle) > us) high = middle;
    else low = middle;
  }
  return Math.round(histogram.count * (1 - low / 100));
}
