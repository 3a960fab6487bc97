// One section of an experiment file: reads its keys with their types and units, and turns every mistake
// into one sentence with file and line. Unknown keys are mistakes: a misspelt setting that is ignored
// would measure something else than its author believes.

import {
  parseCount,
  parseDurationMs,
  parseRatePerS,
  parseRatio,
  parseSizeBytes,
} from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import type { KnobValue } from '#core/knob/knob.ts';
import { nearestWord } from '#core/yaml/nearest-word.ts';
import type { MapNode, ScalarNode, YamlNode } from '#core/yaml/yaml-tree.ts';
import { experimentError } from '#lab/experiment/experiment-error.ts';

interface Range {
  min: number;
  max: number;
}

export class Section {
  readonly #file: string;
  readonly #path: string;
  readonly #node: MapNode;
  readonly #lines: Record<string, number>;

  /** `known` are all keys that may stand here; undefined = any. `lines` collects where values stood. */
  constructor(
    file: string,
    path: string,
    node: YamlNode,
    known: readonly string[] | undefined,
    lines: Record<string, number>,
  ) {
    this.#file = file;
    this.#path = path;
    this.#lines = lines;
    if (node.kind !== 'map') {
      const what = path === '' ? 'the file' : path;
      throw experimentError(file, node.line, `${what} is not a section of 'key: value' lines`);
    }
    this.#node = node;
    for (const [key, { line }] of node.entries) {
      if (known !== undefined && !known.includes(key)) throw this.#unknownKey(key, line, known);
      lines[this.#name(key)] = line;
    }
  }

  keys(): string[] {
    return [...this.#node.entries.keys()];
  }

  has(key: string): boolean {
    return this.#node.entries.has(key);
  }

  /** The section under `key`; an absent one is empty, so that its defaults hold. */
  section(key: string, known?: readonly string[]): Section {
    const entry = this.#node.entries.get(key);
    const node: YamlNode = entry?.node ?? {
      kind: 'map',
      line: this.#node.line,
      entries: new Map(),
    };
    return new Section(this.#file, this.#name(key), node, known, this.#lines);
  }

  /** An error about `key`, with its line. */
  wrong(key: string, message: string, hint?: string): WsarError {
    const line = this.#node.entries.get(key)?.node.line ?? this.#node.line;
    return experimentError(this.#file, line, `${this.#name(key)}: ${message}`, hint);
  }

  /** A line of text; `pattern` says what it may look like. */
  text(key: string, pattern: RegExp, like: string, otherwise?: string): string {
    const node = this.#scalar(key, otherwise !== undefined);
    if (node === undefined) return otherwise!;
    if (typeof node.value !== 'string' || !pattern.test(node.value)) {
      throw this.wrong(key, `'${node.text}' is not text like ${like}`, `write it like ${like}`);
    }
    return node.value;
  }

  /** One of `words`. */
  word<Word extends string>(key: string, words: readonly Word[], otherwise?: Word): Word {
    const node = this.#scalar(key, otherwise !== undefined);
    if (node === undefined) return otherwise!;
    if (words.includes(node.text as Word)) return node.text as Word;
    const near = nearestWord(node.text, words);
    throw this.wrong(
      key,
      `'${node.text}' is none of ${words.join(', ')}`,
      near === undefined ? `give one of them` : `did you mean '${near}'?`,
    );
  }

  /** A whole number without a unit. */
  count(key: string, { min, max }: Range, otherwise?: number): number {
    return this.#quantity(key, parseCount(min, max), otherwise);
  }

  /** A time with its unit, ms. */
  durationMs(key: string, range: Range, otherwise?: number): number {
    return this.#quantity(key, within(parseDurationMs, range, printMs), otherwise);
  }

  /** The same, in whole seconds: rows and blocks stand on whole seconds. */
  wholeSecondsMs(key: string, range: Range, otherwise?: number): number {
    const ms = this.durationMs(key, range, otherwise);
    if (ms % 1000 === 0) return ms;
    throw this.wrong(
      key,
      `${printMs(ms)} is not a whole number of seconds`,
      'rows come once a second',
    );
  }

  /** Events a second with their unit. */
  ratePerS(key: string, range: Range, otherwise?: number): number {
    return this.#quantity(
      key,
      within(parseRatePerS, range, (value) => `${value}/s`),
      otherwise,
    );
  }

  sizeBytes(key: string, range: Range, otherwise?: number): number {
    return this.#quantity(
      key,
      within(parseSizeBytes, range, (value) => `${value} B`),
      otherwise,
    );
  }

  /** '3 %' or 0.03, as a ratio. */
  ratio(key: string, range: Range, otherwise?: number): number {
    const print = (value: number): string => `${Number((value * 100).toPrecision(6))} %`;
    return this.#quantity(key, within(parseRatio, range, print), otherwise);
  }

  /** 'auto' (also when absent), or what `read` reads. */
  orAuto<Value>(key: string, read: (key: string) => Value): Value | 'auto' {
    const node = this.#scalar(key, true);
    return node === undefined || node.text === 'auto' ? 'auto' : read(key);
  }

  /** A value of a knob: a word or a number. */
  knobValue(key: string): KnobValue {
    const { value, text } = this.#scalar(key, false)!;
    if (typeof value === 'string' || typeof value === 'number') return value;
    throw this.wrong(key, `'${text}' is not a word or a number`, 'quote it if it is a word');
  }

  /** A list of words; a single word counts as a list of one. */
  words(key: string, otherwise: string[]): string[] {
    const node = this.#node.entries.get(key)?.node;
    if (node === undefined) return otherwise;
    const items = node.kind === 'list' ? node.items : [node];
    return items.map((item) => {
      if (item.kind === 'scalar' && typeof item.value === 'string') return item.value;
      throw this.wrong(key, 'is not a list of words', 'write it like [latency.p99]');
    });
  }

  /** A list of values, each read by `parse`; a single one counts as a list of one. `form` shows how one looks. */
  items<Value>(key: string, form: string, parse: (text: string) => Value): Value[] {
    const node = this.#node.entries.get(key)?.node ?? this.#scalar(key, false)!;
    const items = node.kind === 'list' ? node.items : [node];
    return items.map((item) => {
      if (item.kind !== 'scalar') throw this.wrong(key, `is not a list of values like ${form}`);
      try {
        return parse(item.text);
      } catch (error) {
        if (!(error instanceof WsarError)) throw error;
        throw this.wrong(key, error.message, error.hint);
      }
    });
  }

  /** True when `key` holds 'key: value' lines of its own. */
  isSection(key: string): boolean {
    return this.#node.entries.get(key)?.node.kind === 'map';
  }

  #scalar(key: string, optional: boolean): ScalarNode | undefined {
    const entry = this.#node.entries.get(key);
    if (entry === undefined) {
      if (optional) return undefined;
      const where = this.#path === '' ? 'the file' : this.#path;
      throw experimentError(
        this.#file,
        this.#node.line,
        `${where} lacks '${key}'`,
        `add a line '${key}: ...'`,
      );
    }
    if (entry.node.kind !== 'scalar')
      throw this.wrong(key, 'is a section or list, one value is wanted');
    if (entry.node.value === null) throw this.wrong(key, 'has no value');
    return entry.node;
  }

  #quantity(key: string, parse: (text: string) => number, otherwise?: number): number {
    const node = this.#scalar(key, otherwise !== undefined);
    if (node === undefined) return otherwise!;
    try {
      return parse(node.text);
    } catch (error) {
      if (!(error instanceof WsarError)) throw error;
      throw this.wrong(key, error.message, error.hint);
    }
  }

  #unknownKey(key: string, line: number, known: readonly string[]): WsarError {
    const where = this.#path === '' ? '' : ` in ${this.#path}`;
    const near = nearestWord(key, known);
    return experimentError(
      this.#file,
      line,
      `there is no key '${key}'${where}`,
      near === undefined ? `known keys: ${known.join(', ')}` : `did you mean '${near}'?`,
    );
  }

  #name(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }
}

function within(
  parse: (text: string) => number,
  { min, max }: Range,
  print: (value: number) => string,
): (text: string) => number {
  return (text) => {
    const value = parse(text);
    if (value >= min && value <= max) return value;
    throw new WsarError(
      'WSAR_ERR_FILE',
      `${text} is out of range`,
      `give ${print(min)} to ${print(max)}`,
    );
  };
}

function printMs(ms: number): string {
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`;
}
