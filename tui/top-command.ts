// `wsar top`: watches a running lab, or this host, on the terminal. This file reads options and decides
// whether there is a terminal; the screen itself is tui/app.ts, the plain form tui/plain.ts.

import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import type { ExitCode } from '#core/cli/exit-code.ts';
import { systemClock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { readTerminal, type TerminalTraits } from '#core/host/terminal.ts';
import { type SymbolSet, themeOf } from '#tui/view/theme.ts';

const SYMBOL_SETS: readonly string[] = ['braille', 'block', 'ascii'] satisfies SymbolSet[];

/** Lines for a pipe fit into the usual terminal. */
const PLAIN_COLS = 80;
const HEAD_EVERY_ROWS = 20;

export const command: CommandSpec = {
  name: 'top',
  summary: 'watch a run live and turn its knobs',
  options: [
    {
      flags: '--control',
      help: 'begin with control armed: keys turn knobs (else k arms it)',
    },
    {
      flags: '--symbols <set>',
      help: 'draw charts with braille, block or ascii (default: what the locale shows)',
      parse: parseSymbols,
    },
    {
      flags: '--plain',
      help: 'one line a second, without moving the cursor: for logs and screen readers',
    },
    { flags: '--once', help: 'end when the lab ends' },
    { flags: '--no-color', help: 'no colours (also NO_COLOR=1)' },
  ],
  examples: [
    'wsar top                         # the running lab, or this host',
    'wsar top --control               # [ and ] turn the selected knob',
    'wsar top --plain --once | tee run.txt',
  ],
  run,
};

async function run(context: CommandContext): Promise<ExitCode> {
  const { options, signal, root } = context;
  const terminal = readTerminal();
  const once = options['once'] === true;
  const symbols = (options['symbols'] as SymbolSet | undefined) ?? autoSymbols(terminal);
  if (options['plain'] === true) {
    const { runPlain } = await import('#tui/plain.ts');
    const { isTTY, columns } = process.stdout;
    return await runPlain({
      root,
      signal,
      clock: systemClock,
      out: context.out,
      cols: isTTY === true ? columns : PLAIN_COLS,
      headEvery: isTTY === true ? HEAD_EVERY_ROWS : 0,
      symbols,
      once,
    });
  }
  requireTerminal(terminal);
  // Loaded only now: without a terminal the screen library must not even wake up.
  const { runScreen } = await import('#tui/app.ts');
  return await runScreen({
    root,
    signal,
    clock: systemClock,
    input: process.stdin,
    output: process.stdout,
    theme: themeOf(symbols),
    colours: options['color'] === false ? 0 : terminal.colours,
    control: options['control'] === true,
    once,
  });
}

function requireTerminal({ term, canMove }: TerminalTraits): void {
  const lacks =
    process.stdout.isTTY !== true
      ? 'stdout is not a terminal'
      : process.stdin.isTTY !== true
        ? 'stdin is not a terminal'
        : canMove
          ? undefined
          : `TERM is '${term}', a terminal that cannot move its cursor`;
  if (lacks === undefined) return;
  throw new WsarError('WSAR_ERR_NO_TERMINAL', lacks, 'use a terminal, or `wsar top --plain`');
}

/** ASCII where more would be shown as something else. */
function autoSymbols({ isUtf8 }: TerminalTraits): SymbolSet {
  return isUtf8 ? 'braille' : 'ascii';
}

function parseSymbols(text: string): SymbolSet {
  if (SYMBOL_SETS.includes(text)) return text as SymbolSet;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `'${text}' is no set of symbols`,
    `use one of ${SYMBOL_SETS.join(', ')}`,
  );
}
