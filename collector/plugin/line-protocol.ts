// The line protocol, version 1 (docs/tools/plugin-protocol.md): what a program says becomes metrics and values.
//
//   wsar-plugin 1
//   metric <name> <kind> <unit> <help ...>
//   value <name> <number>
//   commit [<seconds since 1970>]
//   # a remark
//
// A line that is none of these is counted and read no further; nothing a program says can throw.

import { quoted } from '#collector/plugin/plugin-metric.ts';
import { Note, type ValueCell } from '#collector/plugin/value-cell.ts';
import type { ValueCollector } from '#collector/plugin/value-collector.ts';

export const PROTOCOL_VERSION = 1;
const HELLO = /^wsar-plugin (\d{1,9})$/;
const METRIC = /^metric (\S+) (\S+) (\S+) (.+)$/;
const VALUE = /^value (\S+) (\S+)$/;
const COMMIT = /^commit(?: (\d{1,12}(?:\.\d{1,9})?))?$/;
const US_PER_MS = 1000;
/** A program's time may be this many periods off the arrival; more is a clock that is wrong. */
const TIME_PERIODS_MAX = 3;

export interface LineProtocolOptions {
  cell: ValueCell;
  values: ValueCollector;
  periodMs: number;
  /** Monotonic us, the same in every thread, and ms since 1970. */
  monoUs: () => number;
  wallMs: () => number;
  /** Something a person should know; called seldom. */
  say: (text: string) => void;
}

export class LineProtocol {
  readonly #options: LineProtocolOptions;
  #version = 0;
  #hasComplained = false;

  constructor(options: LineProtocolOptions) {
    this.#options = options;
  }

  /** The program was started anew. */
  restart(): void {
    this.#version = 0;
    this.#hasComplained = false;
    this.#options.values.clear();
  }

  take(line: string): void {
    if (line === '' || line.startsWith('#')) return;
    if (this.#version === 0) this.#takeHello(line);
    else if (this.#version !== PROTOCOL_VERSION || !this.#takeKnown(line)) this.#refuse();
  }

  #takeHello(line: string): void {
    const version = Number(HELLO.exec(line)?.[1] ?? 0);
    this.#version = version;
    if (version === PROTOCOL_VERSION) return;
    this.#refuse();
    const text =
      version === 0
        ? `its first line is ${quoted(line)}, not 'wsar-plugin ${PROTOCOL_VERSION}'`
        : `it speaks version ${version} of the protocol, this wsar version ${PROTOCOL_VERSION}`;
    this.#complain(text);
  }

  #takeKnown(line: string): boolean {
    const { values } = this.#options;
    const value = VALUE.exec(line);
    if (value !== null) {
      values.setText(value[1]!, value[2]!);
      return true;
    }
    const commit = COMMIT.exec(line);
    if (commit !== null) {
      values.commit(this.#stampUs(commit[1]));
      return true;
    }
    const metric = METRIC.exec(line);
    if (metric === null) return false;
    const [, name, kind, unit, help] = metric;
    const reason = values.declare({ name, kind, unit, help });
    if (reason !== undefined) this.#complain(`a metric ${reason}`);
    return true;
  }

  /** When the values were taken: what the program says, unless it cannot be. */
  #stampUs(seconds: string | undefined): number {
    const { cell, monoUs, wallMs, periodMs } = this.#options;
    const nowUs = monoUs();
    if (seconds === undefined) return nowUs;
    const ageMs = wallMs() - Number(seconds) * 1000;
    const stampUs = nowUs - Math.max(0, ageMs) * US_PER_MS;
    const isNear = Math.abs(ageMs) <= TIME_PERIODS_MAX * periodMs;
    if (isNear && stampUs > cell.note(Note.stampUs)) return stampUs;
    cell.count(Note.refusedTimes);
    return nowUs;
  }

  #refuse(): void {
    this.#options.cell.count(Note.refusedLines);
  }

  /** Once in a life of the program: it may be wrong in every line. */
  #complain(text: string): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    this.#options.say(text);
  }
}
