// /proc/diskstats: requests, bytes and time of each disk. Documentation/admin-guide/iostats.rst.
//
//   major minor name  reads merged sectors ms  writes merged sectors ms  in-flight busy-ms queue-ms  ...
//
// Sectors are 512 bytes whatever the disk. The times are 32 bits wide and wrap. Partitions are left out (the
// kernel counts them with their disk), and so are disks that have never had a request: loop devices.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { InstanceTable } from '#collector/source/instance-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, derivedRate, gauge, instanceName } from '#collector/source/metric-shape.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

const DISKS_MAX = 64;
const COLUMNS = 11;
const ZERO = '0'.charCodeAt(0);
const NINE = '9'.charCodeAt(0);
const LETTER_P = 'p'.charCodeAt(0);
const SECTOR_BYTES = 512;
const MS = 1e-3;
/** Faster than any disk: 1 Tbyte a second, in requests of one sector. */
const BYTES_PER_S_MAX = 1e12;
const MS_CLASS = { counter: { width: 32 as const }, scale: MS };

/** Columns of the file behind the name. */
const READS = 0;
const READ_SECTORS = 2;
const WRITES = 4;
const IN_FLIGHT = 8;

/** Places of an instance's metrics: those of the file first, then those that are derived. */
const OPERATIONS = { read: 0, write: 1 };
const TIME = { read: 6, write: 7 };
const AWAIT = 11;

/** Column of the file of each metric that is a counter, in the order of `specsOf`. */
const COUNTER_COLUMNS = [READS, WRITES, 1, 5, READ_SECTORS, 6, 3, 7, 9, 10];
const IN_FLIGHT_PLACE = COUNTER_COLUMNS.length;

export class DiskSource implements Source {
  readonly id = 'disk';
  readonly budgetUs = 20_000;
  readonly #file: ProcFile;
  readonly #scanner = new ByteScanner();
  readonly #disks = new InstanceTable(DISKS_MAX, specsOf);
  readonly #high = new Float64Array(COLUMNS);
  readonly #low = new Float64Array(COLUMNS);
  /** Where the name of the last whole disk stands: its partitions follow it in the file. */
  #wholeStart = 0;
  #wholeEnd = 0;
  #refused = -1;

  constructor(root: string) {
    this.#file = new ProcFile(`${root}/diskstats`);
  }

  probe(): Capability {
    return this.#file.probe();
  }

  declare(metrics: MetricScope): void {
    this.#disks.declare(metrics);
    this.#refused = metrics.declare(
      gauge(
        'system.disk.linux.refused',
        'dskrefu',
        '{disk}',
        `sightings of disks beyond the first ${DISKS_MAX}, which are not shown, since the start`,
      ),
    );
  }

  sample(table: SampleTable): number {
    if (!this.#file.read()) return Freshness.stale;
    const scanner = this.#scanner;
    this.#disks.startTick();
    this.#wholeEnd = this.#wholeStart;
    scanner.start(this.#file.bytes, this.#file.length);
    while (scanner.nextLine()) {
      const isDisk = scanner.number() && scanner.number() && scanner.word();
      if (isDisk && !this.#isPartition()) this.#readDisk(table);
    }
    table.gauge(this.#refused, this.#disks.refused);
    return Freshness.now;
  }

  derive(table: SampleTable): void {
    for (let disk = 0; disk < this.#disks.size; disk++) {
      const slots = this.#disks.slots(disk);
      const requests = table.delta(slots[OPERATIONS.read]!) + table.delta(slots[OPERATIONS.write]!);
      const ms = table.delta(slots[TIME.read]!) + table.delta(slots[TIME.write]!);
      table.set(slots[AWAIT]!, (ms * MS) / requests);
    }
  }

  close(): void {
    this.#file.close();
  }

  /** Names of the disks that are there and have ever had a request. */
  disks(): string[] {
    return this.#disks.names().filter((_, disk) => this.#disks.isSeen(disk));
  }

  #readDisk(table: SampleTable): void {
    const scanner = this.#scanner;
    this.#wholeStart = scanner.wordStart;
    this.#wholeEnd = scanner.wordEnd;
    for (let column = 0; column < COLUMNS; column++) {
      // A line with too few numbers is left out whole.
      if (!scanner.number()) return;
      this.#high[column] = scanner.high;
      this.#low[column] = scanner.low;
    }
    const requests =
      this.#low[READS]! + this.#high[READS]! + this.#low[WRITES]! + this.#high[WRITES]!;
    if (requests === 0) return;
    const disk = this.#disks.find(scanner, table);
    if (disk < 0) return;
    this.#disks.seen(disk);
    const slots = this.#disks.slots(disk);
    for (let place = 0; place < COUNTER_COLUMNS.length; place++) {
      const column = COUNTER_COLUMNS[place]!;
      table.counter(slots[place]!, this.#high[column]!, this.#low[column]!);
    }
    table.gauge(slots[IN_FLIGHT_PLACE]!, this.#low[IN_FLIGHT]!);
  }

  /** sda1 after sda, nvme0n1p2 after nvme0n1; not dm-10 after dm-1. */
  #isPartition(): boolean {
    const { bytes, wordStart, wordEnd } = this.#scanner;
    const whole = this.#wholeStart;
    const length = this.#wholeEnd - whole;
    if (length === 0 || wordEnd - wordStart <= length) return false;
    for (let i = 0; i < length; i++) if (bytes[wordStart + i] !== bytes[whole + i]) return false;
    let at = wordStart + length;
    if (isDigit(bytes[at - 1]!)) {
      if (bytes[at] !== LETTER_P) return false;
      at++;
    }
    if (at === wordEnd) return false;
    for (; at < wordEnd; at++) if (!isDigit(bytes[at]!)) return false;
    return true;
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function specsOf(disk: string): MetricSpec[] {
  const named = (what: string): string => instanceName(`system.disk.${what}`, 'device', disk);
  const both = (
    what: string,
    unit: string,
    shorts: readonly [string, string],
    help: string,
    more: Partial<MetricSpec>,
  ): MetricSpec[] =>
    (['read', 'write'] as const).map((direction, i) =>
      counter(
        instanceName(named(what), 'direction', direction),
        shorts[i]!,
        unit,
        `${help} of ${disk}, ${direction}`,
        more,
      ),
    );
  return [
    ...both('operations', '{operation}/s', ['r/s', 'w/s'], 'requests', { decays: true }),
    ...both('merged', '{operation}/s', ['rmrg', 'wmrg'], 'requests merged into others', {}),
    ...both('io', 'By/s', ['rB/s', 'wB/s'], 'bytes', {
      scale: SECTOR_BYTES,
      max: BYTES_PER_S_MAX,
      decays: true,
    }),
    ...both(
      'operation_time',
      '1',
      ['rtim', 'wtim'],
      'seconds that requests took, a second',
      MS_CLASS,
    ),
    counter(named('io_time'), '%busy', '1', `share of the time in which ${disk} was busy`, {
      ...MS_CLASS,
      decays: true,
    }),
    counter(named('linux.queue'), 'aqu', '1', `requests under way at ${disk}, mean`, MS_CLASS),
    gauge(named('linux.in_flight'), 'infl', '{operation}', `requests under way at ${disk} now`),
    derivedRate(named('linux.await'), 'await', 's', `mean time of a request of ${disk}`),
  ];
}
