// /proc/net/dev: bytes, packets, errors and drops of each network device. proc(5).
//
//   eth0: bytes packets errs drop fifo frame compressed multicast   bytes packets errs drop fifo ...
//         receive                                                    transmit
//
// A device that is gone has no value and leaves its place to a new one when the table is full; one that
// comes back starts without a predecessor. Drivers differ in whether they count super-packets as one.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { InstanceTable } from '#collector/source/instance-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge, instanceName } from '#collector/source/metric-shape.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

const DEVICES_MAX = 64;
const COLUMNS = 16;
const HEADER_LINES = 2;
const LOOPBACK = 'lo';
/** No device moves more: 1.6 Tbit/s, and the smallest packet is 64 bytes. */
const BYTES_PER_S_MAX = 2e11;
const PACKETS_PER_S_MAX = BYTES_PER_S_MAX / 64;

interface Kind {
  column: number;
  name: string;
  direction: 'receive' | 'transmit';
  unit: string;
  short: string;
}

const KINDS: readonly Kind[] = [
  { column: 0, name: 'io', direction: 'receive', unit: 'By/s', short: 'rB/s' },
  { column: 8, name: 'io', direction: 'transmit', unit: 'By/s', short: 'tB/s' },
  { column: 1, name: 'packet.count', direction: 'receive', unit: '{packet}/s', short: 'rxd' },
  { column: 9, name: 'packet.count', direction: 'transmit', unit: '{packet}/s', short: 'txd' },
  { column: 2, name: 'errors', direction: 'receive', unit: '{error}/s', short: 'rerr' },
  { column: 10, name: 'errors', direction: 'transmit', unit: '{error}/s', short: 'terr' },
  { column: 3, name: 'packet.dropped', direction: 'receive', unit: '{packet}/s', short: 'rdrp' },
  { column: 11, name: 'packet.dropped', direction: 'transmit', unit: '{packet}/s', short: 'tdrp' },
];

const more = (column: number, name: string, short: string): Kind => {
  const direction = column < 8 ? 'receive' : 'transmit';
  return { column, name: `linux.${name}`, direction, unit: '{event}/s', short };
};
const MORE_KINDS: readonly Kind[] = [
  more(4, 'fifo_errors', 'rfifo'),
  more(5, 'frame_errors', 'rframe'),
  more(6, 'compressed', 'rcompr'),
  more(7, 'multicast', 'rmcast'),
  more(12, 'fifo_errors', 'tfifo'),
  more(13, 'collisions', 'coll'),
  more(14, 'carrier_errors', 'tcarr'),
  more(15, 'compressed', 'tcompr'),
];

export class NetworkDeviceSource implements Source {
  readonly id = 'network';
  readonly isFast = true;
  readonly budgetUs = 20_000;
  readonly #file: ProcFile;
  readonly #scanner = new ByteScanner();
  readonly #devices: InstanceTable;
  readonly #kinds: readonly Kind[];
  readonly #hasTraffic: boolean[] = [];
  readonly #high = new Float64Array(COLUMNS);
  readonly #low = new Float64Array(COLUMNS);
  #refusedSlot = -1;

  /** `isDetailed`: all sixteen columns. */
  constructor(root: string, isDetailed = false) {
    this.#file = new ProcFile(`${root}/net/dev`);
    this.#kinds = isDetailed ? [...KINDS, ...MORE_KINDS] : KINDS;
    this.#devices = new InstanceTable(DEVICES_MAX, (device) => specsOf(device, this.#kinds));
  }

  /** How often a device was seen that found no place in the table. */
  get refused(): number {
    return this.#devices.refused;
  }

  probe(): Capability {
    return this.#file.probe();
  }

  declare(metrics: MetricScope): void {
    this.#devices.declare(metrics);
    this.#refusedSlot = metrics.declare(
      gauge(
        'network.linux.devices.refused',
        'drefu',
        '{device}',
        `sightings of devices beyond the first ${DEVICES_MAX}, which are not shown, since the start`,
      ),
    );
  }

  sample(table: SampleTable): number {
    if (!this.#file.read()) return Freshness.stale;
    this.#devices.startTick();
    const scanner = this.#scanner;
    scanner.start(this.#file.bytes, this.#file.length);
    for (let line = 0; scanner.nextLine(); line++) {
      if (line < HEADER_LINES || !scanner.word()) continue;
      const device = this.#devices.find(scanner, table);
      if (device >= 0) this.#readDevice(device, table);
    }
    table.gauge(this.#refusedSlot, this.refused);
    return Freshness.now;
  }

  close(): void {
    this.#file.close();
  }

  /** Names of the devices that are there and have ever carried a byte, loopback last. */
  activeDevices(): string[] {
    const active = this.#devices
      .names()
      .filter((_, device) => this.#devices.isSeen(device) && this.#hasTraffic[device]);
    return active.sort((a, b) => Number(a === LOOPBACK) - Number(b === LOOPBACK));
  }

  #readDevice(device: number, table: SampleTable): void {
    const scanner = this.#scanner;
    for (let column = 0; column < COLUMNS; column++) {
      // A line with too few numbers is left out whole.
      if (!scanner.number()) return;
      this.#high[column] = scanner.high;
      this.#low[column] = scanner.low;
    }
    this.#devices.seen(device);
    this.#hasTraffic[device] = this.#low[0]! + this.#high[0]! + this.#low[8]! + this.#high[8]! > 0;
    const slots = this.#devices.slots(device);
    for (let kind = 0; kind < this.#kinds.length; kind++) {
      const { column } = this.#kinds[kind]!;
      table.counter(slots[kind]!, this.#high[column]!, this.#low[column]!);
    }
  }
}

function specsOf(device: string, kinds: readonly Kind[]): MetricSpec[] {
  return kinds.map(({ name, direction, unit, short }) =>
    counter(
      instanceName(
        instanceName(`system.network.${name}`, 'device', device),
        'direction',
        direction,
      ),
      short,
      unit,
      `${name.replace(/[._]/g, ' ')} of ${device}, ${direction}`,
      {
        max: unit === 'By/s' ? BYTES_PER_S_MAX : PACKETS_PER_S_MAX,
        decays: name === 'packet.count',
      },
    ),
  );
}
