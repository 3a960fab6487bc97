// `wsar run FILE`: runs a tuning experiment and says whether it was better.

import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import type { ExitCode } from '#core/cli/exit-code.ts';
import { parseCount } from '#core/cli/quantity.ts';
import { systemClock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { readTerminal } from '#core/host/terminal.ts';
import { storyLines } from '#dashboards/report/ladder-story.ts';
import { readExperiment, readExperimentText } from '#lab/experiment/read-experiment.ts';
import { type LadderOptions, type LadderResult, runLadder } from '#lab/ladder/ladder-run.ts';
import { isLadder, readLadder } from '#lab/ladder/read-ladder.ts';
import { chooseSteps, USERS_MAX, withUsers } from '#lab/ladder/step-list.ts';
import { type RunResult, runExperiment } from '#lab/run/experiment-run.ts';
import { jsonProgress, textProgress } from '#lab/run/progress.ts';

export const command: CommandSpec = {
  name: 'run',
  summary: 'run a tuning experiment, or a ladder, and say what came out',
  args: [{ name: '<file>', help: 'experiment file, YAML or JSON' }],
  options: [
    { flags: '--json', help: 'one object a phase, the verdict as the last line' },
    {
      flags: '--output <folder>',
      help: 'new folder for record, report and logs (default: runs/ID in the state folder)',
    },
    {
      flags: '--port <port>',
      help: 'of an experiment the port of the server, instead of the one in the file',
      parse: parseCount(1, 65_535),
    },
    {
      flags: '--steps <list>',
      help: "of a ladder only these, in this order, like 'stack:2000000 for 5m,kernel:2800000'",
    },
    {
      flags: '--users <n>',
      help: 'of a ladder each phase once, with so many users and messages in proportion',
      parse: parseCount(2, USERS_MAX),
    },
  ],
  examples: [
    'wsar run lab/experiments/first-loop.yaml',
    'wsar run my-experiment.yaml --output ./result --json',
    "wsar run lab/experiments/ladder.yaml --steps 'kernel:100000,stack:100000 for 20s'",
  ],
  run,
};

const COLUMNS_DEFAULT = 80;

async function run(context: CommandContext): Promise<ExitCode> {
  const { args, options, signal, root, out, talk } = context;
  const isJson = options['json'] === true;
  const progress = isJson
    ? jsonProgress(systemClock, out)
    : textProgress({
        clock: systemClock,
        write: talk,
        columns: columnsToDraw(),
        isUtf8: readTerminal().isUtf8,
      });
  const common = {
    root,
    clock: systemClock,
    signal,
    progress,
    outputFolder: options['output'] as string | undefined,
  };
  const isOfLadder = isLadder(readExperimentText(args[0]!));
  requireFit(options, isOfLadder);
  if (isOfLadder) {
    const result = await runLadder({ ...common, ...readLadderPart(args[0]!, options) });
    out(isJson ? `${JSON.stringify(ladderLine(result))}\n` : ladderText(result));
    return result.exitCode;
  }
  const result = await runExperiment({
    ...common,
    source: readExperiment(args[0]!),
    port: options['port'] as number | undefined,
  });
  out(isJson ? `${JSON.stringify(verdictLine(result))}\n` : verdictText(result));
  return result.exitCode;
}

/** Throws WSAR_ERR_USAGE for an option that this kind of file would leave unused. */
function requireFit(options: CommandContext['options'], isOfLadder: boolean): void {
  const other = (isOfLadder ? ['port'] : ['steps', 'users']).find(
    (one) => options[one] !== undefined,
  );
  if (other === undefined) return;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--${other} is for ${isOfLadder ? 'an experiment, and this file is a ladder' : 'a ladder, and this file is none'}`,
    isOfLadder
      ? 'leave it out: each step has free ports'
      : 'leave it out; load.connections of the file sizes it',
  );
}

/** The ladder of a file, or the part of it that `--steps` and `--users` name. */
function readLadderPart(
  file: string,
  options: CommandContext['options'],
): Pick<LadderOptions, 'ladder' | 'file' | 'argumentsText'> {
  const ladder = readLadder(file);
  const wanted = options['steps'] as string | undefined;
  const users = options['users'] as number | undefined;
  const chosen = wanted === undefined ? ladder.steps : chooseSteps(wanted, ladder.steps);
  const steps = users === undefined ? chosen : withUsers(chosen, users);
  const argumentsText = [
    wanted === undefined ? '' : ` --steps '${wanted}'`,
    users === undefined ? '' : ` --users ${users}`,
  ].join('');
  return { ladder: { ...ladder, steps }, file, argumentsText };
}

/** Width to draw the list of phases in; null when it is a log. */
function columnsToDraw(): number | null {
  // Escape codes leave only when both streams are the person's terminal.
  const isTerminal = process.stderr.isTTY === true && process.stdout.isTTY === true;
  return isTerminal && readTerminal().canMove ? (process.stderr.columns ?? COLUMNS_DEFAULT) : null;
}

function verdictText({ record, reportFile }: RunResult): string {
  const { verdict, cut } = record;
  const lines = [
    verdict.sentence,
    verdict.interval,
    `${cut === null ? '' : 'partial '}report: ${reportFile}`,
  ];
  if (cut?.cause === 'time') lines.unshift(cut.sentence);
  return `\n${lines.filter((line) => line !== '').join('\n')}\n`;
}

function ladderText({ record, reportFile }: LadderResult): string {
  return `\n${[record.sentence, ...storyLines(record)].join('\n')}\nreport: ${reportFile}\n`;
}

function ladderLine({ record, reportFile, exitCode }: LadderResult): object {
  const { runId, reached, sentence, steps } = record;
  return {
    kind: 'ladder',
    run_id: runId,
    reached,
    sentence,
    steps,
    report: reportFile,
    exit_code: exitCode,
  };
}

function verdictLine({ record, reportFile, exitCode }: RunResult): object {
  const { verdict, metrics, runId, cut } = record;
  const estimate = metrics[0]?.estimate ?? null;
  return {
    kind: 'verdict',
    run_id: runId,
    ...verdict,
    metric: metrics[0]?.name ?? null,
    ratio: estimate?.ratio ?? null,
    ratio_low: estimate?.low ?? null,
    ratio_high: estimate?.high ?? null,
    coverage: estimate?.coverage ?? null,
    pairs: estimate?.pairs ?? 0,
    cut: cut?.sentence ?? null,
    report: reportFile,
    exit_code: exitCode,
  };
}
