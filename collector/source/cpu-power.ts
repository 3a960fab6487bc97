// How often and how long the CPUs sleep, by idle state, and how fast they run: /sys/devices/system/cpu/cpuN/cpuidle
// and cpufreq. Two small files for each CPU and state, so they are read every ten seconds only, and of
// the first CPUs alone where there are many; a busy server that enters idle states often has sleepy
// schedulers. Virtual machines often have no frequency, and some no idle states.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { joined } from '#collector/source/cell-file.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge } from '#collector/source/metric-shape.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import { sysfsRoot } from '#collector/source/sysfs-root.ts';

const PERIOD_US = 10e6;
const CPUS_MAX = 64;
const STATES_MAX = 10;
const KHZ = 1000;
const US_PER_S = 1e6;

interface IdleState {
  name: string;
  entries: ProcFile[];
  times: ProcFile[];
  entrySlot: number;
  timeSlot: number;
}

export class CpuPowerSource implements Source {
  readonly id = 'cpu-power';
  readonly budgetUs = 20_000;
  readonly #states: IdleState[] = [];
  readonly #frequencies: ProcFile[] = [];
  readonly #scanner = new ByteScanner();
  #frequency = -1;
  #nextUs = -Infinity;

  constructor(procRoot: string) {
    const folder = join(sysfsRoot(procRoot), 'devices/system/cpu');
    for (const cpu of numbered(folder, 'cpu', CPUS_MAX)) {
      const clock = join(folder, cpu, 'cpufreq/scaling_cur_freq');
      if (existsSync(clock)) this.#frequencies.push(new ProcFile(clock));
      const idle = join(folder, cpu, 'cpuidle');
      for (const [i, state] of numbered(idle, 'state', STATES_MAX).entries()) {
        const known = (this.#states[i] ??= newState(state));
        known.entries.push(new ProcFile(join(idle, state, 'usage')));
        known.times.push(new ProcFile(join(idle, state, 'time')));
      }
    }
  }

  probe(): Capability {
    const idle: Capability =
      this.#states.length > 0
        ? { state: 'ok' }
        : { state: 'absent', reason: 'this kernel shows no idle states of CPUs (cpuidle)' };
    const clock: Capability =
      this.#frequencies.length > 0
        ? { state: 'ok' }
        : { state: 'absent', reason: 'CPUs do not tell their frequency (cpufreq)' };
    return joined([idle, clock]);
  }

  declare(metrics: MetricScope): void {
    this.#frequency = metrics.declare(
      gauge('system.cpu.frequency', 'MHz', 'Hz', 'mean frequency of the CPUs', { scale: KHZ }),
    );
    for (const state of this.#states) {
      const of = (what: string): string => `cpu.linux.idle.${what}{state=${state.name}}`;
      const help = `of idle state ${state.name}, all CPUs`;
      state.entrySlot = metrics.declare(
        counter(of('entries'), `${state.name}#`, '{entry}/s', `entries ${help}`),
      );
      state.timeSlot = metrics.declare(
        counter(of('time'), state.name, '1', `CPUs that are in it, ${help}`, {
          scale: 1 / US_PER_S,
        }),
      );
    }
  }

  sample(table: SampleTable, nowUs: number): number {
    if (nowUs < this.#nextUs) return Freshness.unchanged;
    this.#nextUs = nowUs + PERIOD_US;
    for (const { entries, times, entrySlot, timeSlot } of this.#states) {
      table.counterNumber(entrySlot, this.#sum(entries));
      table.counterNumber(timeSlot, this.#sum(times));
    }
    const { length } = this.#frequencies;
    if (length > 0) table.gauge(this.#frequency, this.#sum(this.#frequencies) / length);
    return Freshness.now;
  }

  close(): void {
    for (const file of this.#frequencies) file.close();
    for (const { entries, times } of this.#states) {
      for (const file of [...entries, ...times]) file.close();
    }
  }

  /** A CPU that is switched off adds nothing; the counter then starts over. */
  #sum(files: readonly ProcFile[]): number {
    let sum = 0;
    for (let i = 0; i < files.length; i++) {
      const file = files[i]!;
      if (!file.read()) continue;
      this.#scanner.start(file.bytes, file.length);
      if (this.#scanner.nextLine() && this.#scanner.number()) sum += this.#scanner.value;
    }
    return sum;
  }
}

function newState(name: string): IdleState {
  return { name, entries: [], times: [], entrySlot: -1, timeSlot: -1 };
}

/** `cpu0`, `cpu1` ... in a folder, in order; none when there is no such folder. */
function numbered(folder: string, prefix: string, countMax: number): string[] {
  try {
    const pattern = new RegExp(`^${prefix}\\d+$`);
    const indexOf = (name: string): number => Number(name.slice(prefix.length));
    return readdirSync(folder)
      .filter((name) => pattern.test(name))
      .sort((a, b) => indexOf(a) - indexOf(b))
      .slice(0, countMax);
  } catch {
    // No /sys here, or it is hidden in this container.
    return [];
  }
}
