// npm run bench:ticks [-- --small] [-- --json]: does the collector keep its ticks and its rates when the CPUs are gone?
// Eight busy loops on all cores, 60 s of `wsar 1 --json`, then a SIGSTOP of 5 s. Printed: ticks present, missed and
// marked; how late they were; by how much each rate is off. The truth is a second reading of the same
// counter (context switches) every 10 ms, taken between two readings at the instant of the tick.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as setTimeoutAsync } from 'node:timers/promises';
import { benchOptions, json, small } from '#scripts/bench/bench-options.ts';
import { ROOT } from '#scripts/source-tree.ts';

const { small: isSmall, json: isJson } = benchOptions('bench:ticks', { small, json });
const LOOPS = 8;
const SECONDS = isSmall ? 4 : 60;
const STOP_MS = isSmall ? 2000 : 5000;
const AFTER_MS = isSmall ? 2500 : 5500;
const LOOK_MS = 10;
/** For the tens of microseconds between the start of a tick and its reading of the counter. */
const BOUNDS_SLACK = 0.01;
const COUNTER = 'system.linux.context_switches';

interface Row {
  tick: number;
  wallMs: number;
  missedTicks: number;
  intervalUs: number;
  values: Record<string, number | null>;
}

/** When a row's counters were read, ms of the wall clock. */
const readAtMs = ({ wallMs, values }: Row): number =>
  wallMs + (values['wsar.collector.tick.lateness_us'] ?? 0) / 1000;

/** The counter every 10 ms: wall clock with its fractions, and the count. */
class Truth {
  readonly #atMs: number[] = [];
  readonly #counts: number[] = [];
  readonly #fd = openSync('/proc/stat', 'r');
  readonly #bytes = Buffer.alloc(65_536);
  readonly #timer = setInterval(() => this.#look(), LOOK_MS);

  /** The count at an instant, on the line between the readings around it, and the readings. */
  at(ms: number): { count: number; low: number; high: number } {
    const after = this.#atMs.findIndex((at) => at >= ms);
    if (after <= 0) return { count: Number.NaN, low: Number.NaN, high: Number.NaN };
    const [from, to] = [this.#atMs[after - 1]!, this.#atMs[after]!];
    const [low, high] = [this.#counts[after - 1]!, this.#counts[after]!];
    return { count: low + ((high - low) * (ms - from)) / (to - from), low, high };
  }

  close(): void {
    clearInterval(this.#timer);
    closeSync(this.#fd);
  }

  #look(): void {
    const before = performance.now();
    const length = readSync(this.#fd, this.#bytes, 0, this.#bytes.length, 0);
    const at = performance.timeOrigin + (before + performance.now()) / 2;
    const text = this.#bytes.toString('latin1', 0, length);
    this.#atMs.push(at);
    this.#counts.push(Number(/^ctxt (\d+)/m.exec(text)?.[1]));
  }
}

const children: ChildProcess[] = [];
const folder = mkdtempSync(join(tmpdir(), 'wsar-bench-ticks-'));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end(1));
await main();
end(0);

function end(code: number): void {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = code;
  if (code !== 0) process.exit();
}

async function main(): Promise<void> {
  try {
    setPriority(constants.priority.PRIORITY_HIGHEST);
  } catch {
    process.stderr.write(
      'not root: the collector and this bench compete with the loops as equals\n',
    );
  }
  const rows: Row[] = [];
  const gaps: { fromTick: number; toTick: number }[] = [];
  const collector = spawn(join(ROOT, 'bin', 'wsar'), ['1', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, WSAR_STATE_DIR: folder },
  });
  children.push(collector);
  createInterface({ input: collector.stdout! }).on('line', (line) => {
    const object = JSON.parse(line) as Row & { data?: (typeof gaps)[number] };
    if (object.values !== undefined) rows.push(object);
    else if (object.data?.fromTick !== undefined) gaps.push(object.data);
  });
  while (rows.length === 0) await setTimeoutAsync(LOOK_MS);
  const truth = new Truth();
  for (let i = 0; i < LOOPS; i++) {
    const loop = spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' });
    setPriorityOf(loop, 0);
    children.push(loop);
  }
  await setTimeoutAsync(SECONDS * 1000);
  const rowsBusy = rows.length;
  collector.kill('SIGSTOP');
  await setTimeoutAsync(STOP_MS);
  collector.kill('SIGCONT');
  await setTimeoutAsync(AFTER_MS);
  truth.close();
  const gone = new Promise((resolve) => collector.once('exit', resolve));
  collector.kill('SIGTERM');
  await gone;
  print(judge(rows, rowsBusy, gaps, truth));
}

/** The loops are ordinary programs, whatever this one is. */
function setPriorityOf(child: ChildProcess, priority: number): void {
  if (child.pid !== undefined && process.getuid?.() === 0) setPriority(child.pid, priority);
}

function judge(
  rows: readonly Row[],
  rowsBusy: number,
  gaps: readonly { fromTick: number; toTick: number }[],
  truth: Truth,
) {
  const busy = rows.slice(0, rowsBusy);
  const errors = rows.slice(1).map((row, i) => {
    const [fromMs, toMs] = [readAtMs(rows[i]!), readAtMs(row)];
    const [from, to] = [truth.at(fromMs), truth.at(toMs)];
    const seconds = (toMs - fromMs) / 1000;
    const ours = (row.values[COUNTER] ?? Number.NaN) * seconds;
    return {
      row,
      percent: Math.abs(ours / (to.count - from.count) - 1) * 100,
      // A counter only rises: whatever happened between two readings, it was no less and no more.
      isBetween:
        ours >= (to.low - from.high) * (1 - BOUNDS_SLACK) &&
        ours <= (to.high - from.low) * (1 + BOUNDS_SLACK),
    };
  });
  const stopRow = errors.filter(({ row }) => busy.every((each) => each !== row));
  const longest = stopRow.toSorted((a, b) => b.row.intervalUs - a.row.intervalUs)[0];
  const marked = new Set(
    gaps.flatMap(({ fromTick, toTick }) =>
      Array.from({ length: toTick - fromTick + 1 }, (_, i) => fromTick + i),
    ),
  );
  const present = new Set(rows.map(({ tick }) => tick));
  const last = rows.at(-1)!.tick;
  const unmarked = Array.from({ length: last + 1 }, (_, tick) => tick).filter(
    (tick) => !present.has(tick) && !marked.has(tick),
  );
  const late = busy.map((row) => row.values['wsar.collector.tick.lateness_us'] ?? 0);
  return {
    ticks: busy.at(-1)!.tick + 1,
    present: busy.length,
    presentPercent: (100 * busy.length) / (busy.at(-1)!.tick + 1),
    missedByStop: rows.slice(rowsBusy).reduce((sum, { missedTicks }) => sum + missedTicks, 0),
    unmarked: unmarked.length,
    latenessUsMedian: at(late, 0.5),
    latenessUsMax: at(late, 1),
    rateErrorPercentMedian: at(known(errors.map(({ percent }) => percent)), 0.5),
    rateErrorPercentAfterStop: longest?.percent ?? Number.NaN,
    isRateAfterStopBetween: longest?.isBetween === true,
    intervalUsAfterStop: longest?.row.intervalUs ?? Number.NaN,
  };
}

function known(values: readonly number[]): number[] {
  return values.filter((value) => !Number.isNaN(value));
}

function at(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
}

function print(result: ReturnType<typeof judge>): void {
  if (isJson) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const percent = (value: number): string => `${value.toFixed(3)} %`;
  const ms = (us: number): string => `${(us / 1000).toFixed(1)} ms`;
  const { present, ticks, missedByStop, unmarked, intervalUsAfterStop } = result;
  const lines = [
    `${LOOPS} busy loops: ${present} of ${ticks} ticks present (${percent(result.presentPercent)})`,
    `late by ${ms(result.latenessUsMedian)} (median), ${ms(result.latenessUsMax)} at most`,
    `SIGSTOP of ${STOP_MS / 1000} s: ${missedByStop} ticks missed`,
    `ticks that no row and no gap speaks of: ${unmarked}`,
    `rates are off by ${percent(result.rateErrorPercentMedian)} (median)`,
    `over the ${ms(intervalUsAfterStop)} around the stop by ${percent(result.rateErrorPercentAfterStop)}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
