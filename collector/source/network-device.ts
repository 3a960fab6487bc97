// /proc/net/dev: bytes, packets, errors and drops of each network device. proc(5).
//
//   eth0: bytes packets errs drop fifo frame compressed multicast   bytes packets errs drop fifo ...
//         receive                                                    transmit
//
// A device that is gone has no value and leaves its place to a new one when the table is full; one that
// comes back starts without a predecessor. Drivers differ in whether they count super-packets as one.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';
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

const KINDS = [
  { column: 0, name: 'io', direction: 'receive', unit: 'By/s', short: 'rB/s' },
  { column: 8, name: 'io', direction: 'transmit', unit: 'By/s', short: 'tB/s' },
  { column: 1, name: 'packet.count', direction: 'receive', unit: '{packet}/s', short: 'rxd' },
  { column: 9, name: 'packet.count', direction: 'transmit', unit: '{packet}/s', short: 'txd' },
  { column: 2, name: 'errors', direction: 'receive', unit: '{error}/s', short: 'rerr' },
  { column: 10, name: 'errors', direction: 'transmit', unit: '{error}/s', short: 'terr' },
  { column: 3, name: 'packet.dropped', direction: 'receive', unit: '{packet}/s', short: 'rdrp' },
  { column: 11, name: 'packet.dropped', direction: 'transmit', unit: '{packet}/s', short: 'tdrp' },
] as const;

export class NetworkDeviceSource implements Source {
  readonly id = 'network';
  readonly budgetUs = 20_000;
  /** How often a device was seen that found no place in the table. */
  refused = 0;
  readonly #file: ProcFile;
  readonly #scanner = new ByteScanner();
  readonly #devices = new KeyTable();
  /** Slots of each device, by kind; and the tick in which it was last seen. */
  readonly #slots: number[][] = [];
  readonly #seenTick: number[] = [];
  readonly #hasTraffic: boolean[] = [];
  readonly #high = new Float64Array(COLUMNS);
  readonly #low = new Float64Array(COLUMNS);
  #tick = 0;
  #refusedSlot = -1;
  #metrics!: MetricScope;

  constructor(root: string) {
    this.#file = new ProcFile(`${root}/net/dev`);
  }

  probe(): Capability {
    return this.#file.probe();
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
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
    this.#tick++;
    const scanner = this.#scanner;
    scanner.start(this.#file.bytes, this.#file.length);
    for (let line = 0; scanner.nextLine(); line++) {
      if (line < HEADER_LINES || !scanner.word()) continue;
      const device = this.#deviceIndex(table);
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
      .filter((_, device) => this.#seenTick[device] === this.#tick && this.#hasTraffic[device]);
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
    this.#seenTick[device] = this.#tick;
    this.#hasTraffic[device] = this.#low[0]! + this.#high[0]! + this.#low[8]! + this.#high[8]! > 0;
    const slots = this.#slots[device]!;
    for (let kind = 0; kind < KINDS.length; kind++) {
      const { column } = KINDS[kind]!;
      table.counter(slots[kind]!, this.#high[column]!, this.#low[column]!);
    }
  }

  /** Index of the device the scanner stands on; a place for a new one; -1 when there is none. */
  #deviceIndex(table: SampleTable): number {
    const known = this.#devices.find(this.#scanner);
    if (known >= 0) return known;
    const name = this.#scanner.wordText();
    if (this.#devices.size < DEVICES_MAX) {
      this.#slots.push(specsOf(name).map((spec) => this.#metrics.declare(spec)));
      this.#seenTick.push(this.#tick);
      return this.#devices.add(name);
    }
    const gone = this.#seenTick.findIndex((tick) => tick < this.#tick - 1);
    if (gone < 0) {
      this.refused++;
      return -1;
    }
    this.#devices.replace(gone, name);
    for (const [kind, spec] of specsOf(name).entries()) {
      const slot = this.#slots[gone]![kind]!;
      table.forget(slot);
      if (slot >= 0) this.#metrics.registry.redeclare(slot, spec);
    }
    return gone;
  }
}

function specsOf(device: string): MetricSpec[] {
  return KINDS.map(({ name, direction, unit, short }) =>
    counter(
      instanceName(
        instanceName(`system.network.${name}`, 'device', device),
        'direction',
        direction,
      ),
      short,
      unit,
      `${name.replace('.', ' ')} of ${device}, ${direction}`,
      {
        max: unit === 'By/s' ? BYTES_PER_S_MAX : PACKETS_PER_S_MAX,
        decays: name === 'packet.count',
      },
    ),
  );
}
