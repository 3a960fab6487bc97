// What a command declares. The command line is parsed in one place (core/cli/main.ts); a command's
// own folder knows nothing of the parser.

import type { ExitCode } from '#core/cli/exit-code.ts';

export interface OptionSpec {
  /** As in help: '--port <port>', '--json', '--host <address>'. A flag without a value is boolean. */
  flags: string;
  help: string;
  /** Turns the text into the value; throws WsarError (usage) with one clear sentence. */
  parse?: (text: string) => unknown;
  /** Value when the option is not given. */
  default?: unknown;
  /** The option may be given several times; the value is an array. */
  repeat?: boolean;
  /** Environment variable that gives the value when the option is absent. */
  env?: string;
}

export interface CommandSpec {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** Positional arguments as in help: '<file>', '[interval]', '[runs...]'. */
  args?: { name: string; help: string }[];
  options?: OptionSpec[];
  /** Shown at the end of help; each is one command line. */
  examples: string[];
  run(context: CommandContext): Promise<ExitCode>;
}

export interface CommandContext {
  args: string[];
  /** Option values by camelCase name: '--i-own-this-target' is iOwnThisTarget. */
  options: Record<string, unknown>;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP (reason: the signal's name): core/cli/signals.ts. */
  signal: AbortSignal;
  /** Data. Nothing else is ever written to stdout. */
  out: (text: string) => void;
  /** Talk: progress, notes, warnings (stderr). */
  talk: (text: string) => void;
  /** Root folder of the installed package. */
  root: string;
}
