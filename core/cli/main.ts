// Parses the command line, loads the one folder that owns the command, and turns what it throws into a
// sentence and an exit code. commander is used here and nowhere else.

import { Command, CommanderError, Option } from 'commander';
import type { CommandContext, CommandSpec, OptionSpec } from '#core/cli/command.ts';
import { COMMANDS, DEFAULT_COMMAND, importCommand } from '#core/cli/command-list.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { keepEngineLean, keepYoungSmall } from '#core/cli/lean-engine.ts';
import { signalExitCode, withSignals } from '#core/cli/signals.ts';
import { WsarError } from '#core/errors.ts';
import { packageVersion } from '#core/package-version.ts';

/** Runs one command line; returns the exit code. `root` is the folder of the package. */
export async function main(argv: string[], root: string): Promise<number> {
  ignoreClosedPipe();
  try {
    return await dispatch(argv, root);
  } catch (error) {
    return report(error, argv.includes('--json'));
  }
}

async function dispatch(argv: string[], root: string): Promise<number> {
  const first = argv[0];
  const isNamed = first !== undefined && Object.hasOwn(COMMANDS, first);
  if (first === '--help' || first === '-h' || first === 'help') {
    const about = argv[1];
    if (about !== undefined && !Object.hasOwn(COMMANDS, about)) throw noCommand(about);
    process.stdout.write(about === undefined ? overview() : helpText(await load(about, root)));
    return EXIT.ok;
  }
  if (first === '--version' || first === '-V') {
    process.stdout.write(`wsar ${packageVersion()}\n`);
    return EXIT.ok;
  }
  if (first !== undefined && !isNamed && !/^(-|\d)/.test(first)) throw noCommand(first);
  const spec = await load(isNamed ? first : DEFAULT_COMMAND, root);
  return await runCommand(spec, isNamed ? argv.slice(1) : argv, root);
}

async function load(name: string, root: string): Promise<CommandSpec> {
  const { leanness } = COMMANDS[name]!;
  if (leanness === 'asleep') keepEngineLean();
  else if (leanness === 'unallocating') keepYoungSmall();
  return await importCommand(name, root);
}

async function runCommand(spec: CommandSpec, argv: string[], root: string): Promise<number> {
  const program = toCommander(spec);
  let parsed: { args: string[]; options: Record<string, unknown> } | undefined;
  program.action(() => {
    parsed = { args: program.args, options: program.opts() };
  });
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return commanderExit(error, spec);
    throw error;
  }
  if (parsed === undefined) return EXIT.ok;
  const { args, options } = parsed;
  return await withSignals(async (signal) => {
    const context: CommandContext = {
      args,
      options,
      signal,
      root,
      out: (text) => void process.stdout.write(text),
      talk: (text) => void process.stderr.write(text),
    };
    const code: ExitCode = await spec.run(context);
    return code === EXIT.ok ? signalExitCode(signal) : code;
  });
}

function toCommander(spec: CommandSpec): Command {
  const program = new Command(`wsar ${spec.name}`);
  program.description(spec.summary).exitOverride().allowExcessArguments(false);
  program.configureOutput({ writeErr: () => {} });
  for (const arg of spec.args ?? []) program.argument(arg.name, arg.help);
  for (const option of spec.options ?? []) program.addOption(toCommanderOption(option));
  program.addHelpText('after', examplesText(spec));
  return program;
}

function toCommanderOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.help);
  const parse = spec.parse === undefined ? undefined : namedParse(option, spec.parse);
  if (spec.repeat) {
    option.argParser((text: string, before: unknown) => [
      ...(Array.isArray(before) ? before : []),
      parse ? parse(text) : text,
    ]);
  } else if (parse) option.argParser((text: string) => parse(text));
  if (spec.default !== undefined) option.default(spec.default);
  if (spec.env !== undefined) option.env(spec.env);
  return option;
}

/** What a parser refuses is told with the option it stood in. */
function namedParse(option: Option, parse: (text: string) => unknown): (text: string) => unknown {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof WsarError) || error.message.includes(option.long ?? option.flags))
        throw error;
      throw new WsarError(error.code, `${option.long}: ${error.message}`, error.hint, error);
    }
  };
}

function commanderExit(error: CommanderError, spec: CommandSpec): number {
  if (error.exitCode === 0) return EXIT.ok;
  const sentence = error.message
    .replace(/^error: /, '')
    .replace(/\n/g, ' ')
    .replace('. Expected', ': expected')
    .replace(/\.$/, '');
  throw new WsarError('WSAR_ERR_USAGE', sentence, `wsar ${spec.name} --help lists the options`);
}

function examplesText(spec: CommandSpec): string {
  const examples = spec.examples.map((line) => `  ${line}\n`).join('');
  return (
    `\nExamples:\n${examples}\n` +
    'Exit codes: 0 ok, 2 usage, 3 this host cannot, 4 unreachable, 5 stop rule, 10 threshold failed,\n' +
    '11 regression, 12 inconclusive, 13 invalid run, 129/130/143 signal; all in docs/errors.md\n'
  );
}

/** Full help of one command, as text. */
export function helpText(spec: CommandSpec): string {
  const program = toCommander(spec);
  let text = '';
  program.configureOutput({ writeOut: (part) => (text += part) });
  program.outputHelp();
  return text;
}

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const rows = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}\n`,
  );
  return `wsar: the performance lab for servers that hold millions of connections

Usage: wsar <command> [options]
       wsar [interval [count]]
       wsar --version

Commands:
${rows.join('')}
wsar help <command> shows one; 60-second start: npm start
`;
}

function noCommand(name: string): WsarError {
  return new WsarError(
    'WSAR_ERR_USAGE',
    `there is no command '${name}'${suggest(name)}`,
    'wsar --help lists them',
  );
}

function suggest(name: string): string {
  const near = Object.keys(COMMANDS).find(
    (known) => known.startsWith(name.slice(0, 2)) || name.startsWith(known),
  );
  return near === undefined ? '' : `; did you mean '${near}'?`;
}

/** Writes one sentence (or one JSON object) about the failure; returns the exit code. */
function report(error: unknown, asJson: boolean): number {
  if (!(error instanceof WsarError)) {
    process.stderr.write(
      `wsar: this is a bug: ${error instanceof Error ? error.stack : String(error)}\n`,
    );
    return EXIT.bug;
  }
  const { code, message, hint, exitCode } = error;
  process.stderr.write(
    asJson
      ? `${JSON.stringify({ error: { code, message, hint } })}\n`
      : `wsar: ${message}; ${hint} (${code})\n`,
  );
  return exitCode;
}

/**
 * `wsar ... | head` ends quietly, and so does a command whose terminal was closed (EIO); of talk that nobody hears any
 * more it does not end: a run still has its record to write.
 */
function ignoreClosedPipe(): void {
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  });
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'EIO') process.exit(EXIT.ok);
    throw error;
  });
}
