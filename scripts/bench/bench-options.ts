// The command line of a bench. What it does not know is refused with one sentence that lists what there is, since a
// mistyped option would otherwise cost the ten minutes of a whole run; --help says the same and runs nothing.
// Values are given as `--only idle,fan` or `--only=idle,fan`.

import { parseArgs } from 'node:util';
import { endChildrenWithBench } from '#scripts/bench/bench-children.ts';

export interface BenchOption<T> {
  /** What stands for its value in the help; none: it takes no value. */
  value?: string;
  help: string;
  /** Of what was given, in order; nothing when the option was not. Throws a sentence about a wrong value. */
  read(given: readonly string[]): T;
}

type BenchOptions = Record<string, BenchOption<unknown>>;
type BenchValues<O extends BenchOptions> = {
  [K in keyof O]: O[K] extends BenchOption<infer T> ? T : never;
};
type BenchStart<O extends BenchOptions> = { values: BenchValues<O> } | { say: string; exit: 0 | 2 };

/**
 * The values of this process's command line; ends it after --help, and when something is not known. A signal that ends
 * the bench ends what it starts from now on.
 */
export function benchOptions<O extends BenchOptions>(name: string, options: O): BenchValues<O> {
  const start = readBenchOptions(name, options, process.argv.slice(2));
  if ('values' in start) {
    endChildrenWithBench();
    return start.values;
  }
  (start.exit === 0 ? process.stdout : process.stderr).write(`${start.say}\n`);
  process.exit(start.exit);
}

export function readBenchOptions<O extends BenchOptions>(
  name: string,
  options: O,
  args: readonly string[],
): BenchStart<O> {
  const types = Object.entries(options).map(([key, { value }]) => {
    return [key, { type: value === undefined ? 'boolean' : 'string' }] as const;
  });
  const { tokens } = parseArgs({
    ...{ args: [...args], strict: false, tokens: true, allowPositionals: true },
    options: Object.fromEntries(types),
  });
  const given = new Map<string, string[]>();
  const refuse = (why: string): BenchStart<O> => ({ say: `${name}: ${why}`, exit: 2 });
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      return refuse(`'${token.value}' is no option; there are ${listed(options)}`);
    }
    if (token.name === 'help' || token.rawName === '-h')
      return { say: help(name, options), exit: 0 };
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) {
      return refuse(`there is no option ${token.rawName}; there are ${listed(options)}`);
    }
    const wantsValue = option.value !== undefined;
    if (wantsValue && !token.value) return refuse(`--${token.name} needs a value: ${option.value}`);
    if (!wantsValue && token.value !== undefined) return refuse(`--${token.name} takes no value`);
    given.set(token.name, [...(given.get(token.name) ?? []), token.value ?? '']);
  }
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(options)) {
    try {
      values[key] = option.read(given.get(key) ?? []);
    } catch (error) {
      return refuse(`--${key}: ${(error as Error).message}`);
    }
  }
  return { values: values as BenchValues<O> };
}

export function flag(help: string): BenchOption<boolean> {
  return { help, read: (given) => given.length > 0 };
}

export const small = flag(
  'a size that takes seconds, as npm test runs it; its figures say nothing',
);
export const json = flag('one JSON object a line instead of a table');

export function text(value: string, help: string): BenchOption<string | undefined> {
  return { value, help, read: (given) => given.at(-1) };
}

export function texts(value: string, help: string): BenchOption<readonly string[]> {
  return { value, help: `${help}; may be repeated`, read: (given) => given };
}

/** A whole number from 1 on. */
export function count(help: string, without: number): BenchOption<number> {
  const read = (given: readonly string[]): number => {
    const word = given.at(-1);
    if (word === undefined) return without;
    const number = Number(word);
    if (Number.isSafeInteger(number) && number >= 1) return number;
    throw new Error(`'${word}' is no whole number from 1 on`);
  };
  return { value: 'N', help: `${help} (default ${without})`, read };
}

/** Some of some words, in their order. */
export function words<W extends string>(
  help: string,
  all: readonly W[],
  without = all,
): BenchOption<readonly W[]> {
  const read = (given: readonly string[]): readonly W[] => {
    const wanted = given.flatMap((list) => list.split(','));
    const wrong = wanted.find((word) => !all.some((known) => known === word));
    if (wrong !== undefined) throw new Error(`there is no '${wrong}'; there are ${all.join(', ')}`);
    return given.length === 0 ? without : all.filter((word) => wanted.includes(word));
  };
  const unsaid = without === all ? 'all' : without.join(', ');
  return { value: 'LIST', help: `${help}: ${all.join(', ')} (default: ${unsaid})`, read };
}

function usage(key: string, { value }: BenchOption<unknown>): string {
  return value === undefined ? `--${key}` : `--${key} ${value}`;
}

function listed(options: BenchOptions): string {
  const own = Object.entries(options).map(([key, option]) => usage(key, option));
  return own.length === 0 ? 'only --help' : `${own.join(', ')} and --help`;
}

function help(name: string, options: BenchOptions): string {
  const own = Object.entries(options).map(([key, option]) => [usage(key, option), option.help]);
  const rows = [...own, ['--help', 'this text']] as [string, string][];
  const width = Math.max(...rows.map(([left]) => left.length));
  const lines = rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
  return [`npm run ${name} [-- OPTIONS]`, '', ...lines].join('\n');
}
