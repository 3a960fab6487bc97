// `wsar replay-samples`: the output of `wsar collect --json` again, from its recording. The recording holds what
// was read; rates and decays are computed anew, and come out to the last digit as they were printed. With
// --against they are compared with what was.

import { readFileSync } from 'node:fs';
import { writeLines } from '#collector/recording/line-output.ts';
import type { LineCounts } from '#collector/recording/recorded-lines.ts';
import {
  allLines,
  checkRecordingPath,
  newCounts,
  remarkOf,
} from '#collector/recording/recording-path.ts';
import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { WsarError } from '#core/errors.ts';

export const command: CommandSpec = {
  name: 'replay-samples',
  summary: 'derive the rows of a recording again, with rates and decays',
  args: [{ name: '<recording>', help: 'spool folder, or one file of it' }],
  options: [
    {
      flags: '--against <file>',
      help: 'compare with this output of wsar collect --json instead of printing; exit 10 when a row differs',
    },
  ],
  examples: [
    'wsar replay-samples records | jq .decays',
    'wsar collect 1 60 --json --spool-folder records > live && wsar replay-samples records --against live',
  ],
  run: replaySamples,
};

async function replaySamples(context: CommandContext): Promise<ExitCode> {
  const path = checkRecordingPath(context.args[0]);
  const against = context.options['against'] as string | undefined;
  const counts = newCounts();
  const lines = replayedLines(path, counts);
  let code: ExitCode = EXIT.ok;
  if (against === undefined) await writeLines(lines, process.stdout, context.signal);
  else code = compare(lines, textOf(against), context);
  const remark = remarkOf(counts);
  if (remark !== undefined) context.talk(`wsar replay-samples: ${remark}\n`);
  return code;
}

/** As `wsar collect --json` writes them. */
function* replayedLines(path: string, counts: LineCounts): Generator<string> {
  for (const line of allLines(path, counts)) {
    if (line.kind === 'row') yield JSON.stringify({ ...line.origin, ...line.row });
    else if (line.kind === 'event') yield JSON.stringify({ ...line.origin, ...line.event });
  }
}

/** Each line of the file has to be there, the next one after it; descriptions of metrics aside. */
function compare(lines: Iterable<string>, text: string, { out }: CommandContext): ExitCode {
  const live = text.split('\n').filter((line) => line !== '' && !isDescription(line));
  let same = 0;
  let index = 0;
  let difference = '';
  for (const line of lines) {
    const printed = live[index];
    if (line === printed) same++;
    else difference ||= `line ${index + 1}: ${differenceOf(printed, line)}`;
    index++;
  }
  if (index < live.length)
    difference ||= `${live.length - index} lines at the end were not recorded`;
  out(`${same} of ${live.length} lines are identical\n`);
  if (difference === '') return EXIT.ok;
  out(`first difference: ${difference}\n`);
  return EXIT.thresholdFailed;
}

function isDescription(line: string): boolean {
  return line.startsWith('{') && !line.includes('"wallMs"') && line.includes('"metrics"');
}

/** Where two rows part, in words. */
function differenceOf(printed: string | undefined, replayed: string): string {
  if (printed === undefined) return 'it was not printed';
  try {
    const [before, after] = [JSON.parse(printed), JSON.parse(replayed)];
    for (const part of ['values', 'decays']) {
      for (const metric of Object.keys(before[part] ?? {})) {
        const [was, is] = [before[part][metric], after[part]?.[metric]].map((value) =>
          JSON.stringify(value),
        );
        if (was !== is) return `${part} of ${metric}: printed ${was}, replayed ${is}`;
      }
    }
  } catch {
    return 'it is no JSON';
  }
  return `printed ${printed.slice(0, 120)}, replayed ${replayed.slice(0, 120)}`;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_FILE',
      `${file} cannot be read: ${(error as Error).message}`,
      'give the output of wsar collect --json',
      error,
    );
  }
}
