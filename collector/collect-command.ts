// `wsar [collect] [interval [count]]`: the system activity reporter, the command that runs when none is
// named. Parses what was asked for and puts the parts together: sampler, reports, and in a lab the bus
// and the recorder. What each does stands in its own file.

import { setPriority, uptime } from 'node:os';
import { COLLECT_OPTIONS } from '#collector/collect-options.ts';
import { type CollectPlan, planOf } from '#collector/collect-plan.ts';
import { runCollector } from '#collector/collector.ts';
import { OutputQueue, openSink } from '#collector/report/output-queue.ts';
import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { letEngineGrow } from '#core/cli/lean-engine.ts';
import { systemClock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { watchLifeline } from '#core/host/lifeline.ts';

const STDOUT_FD = 1;
/** How long the last rows wait for a reader that has stopped. */
const CLOSE_MS_MAX = 1000;
/** Above ordinary programs, so that a busy host does not cost ticks; the collector takes under 1 % of a CPU. */
const NICE = -10;
const LEAN_PERIOD_MS_MIN = 1000;

export const command: CommandSpec = {
  name: 'collect',
  summary: 'report the activity of this host every second (default)',
  args: [
    { name: '[interval]', help: 'seconds between rows, default 1; or with a unit: 500ms, 2m' },
    { name: '[count]', help: 'end after so many rows; default: never' },
  ],
  options: COLLECT_OPTIONS,
  examples: [
    'wsar                    a row a second until Ctrl-C, then the averages',
    'wsar 1 5                five rows',
    'wsar --wide --show os,runtime',
    'wsar 1 10 --json | jq \'.values["tcp.listen.overflows"]\'',
  ],
  run: collect,
};

async function collect(context: CommandContext): Promise<ExitCode> {
  const plan = await planOf(context);
  if (needsCompilers(plan)) letEngineGrow();
  raisePriority();
  const lost = new AbortController();
  watchLifeline(() => {
    lost.abort(
      new WsarError(
        'WSAR_ERR_PARENT_LOST',
        'the lab that started this collector is gone',
        'see its own message or log; rows up to now are in the spool',
      ),
    );
  });
  const closed = new AbortController();
  const output = new OutputQueue({
    sink: openSink(STDOUT_FD, process.stdout),
    clock: systemClock,
    onClosed: () => closed.abort(),
  });
  try {
    await runCollector(plan, {
      clock: systemClock,
      uptimeS: uptime,
      out: (text) => output.write(text),
      output,
      talk: context.talk,
      terminalLines: () => (process.stdout.isTTY ? process.stdout.rows : undefined),
      signal: AbortSignal.any([context.signal, closed.signal]),
      lost: lost.signal,
    });
  } finally {
    await output.close(CLOSE_MS_MAX);
  }
  return EXIT.ok;
}

/** A fast lane, short intervals and a lab compute enough to be worth what optimised code takes. */
function needsCompilers({ periodMs, hasFastLane, lab }: CollectPlan): boolean {
  return periodMs < LEAN_PERIOD_MS_MIN || hasFastLane === true || lab.busUrl !== undefined;
}

function raisePriority(): void {
  try {
    setPriority(NICE);
  } catch {
    // Only root may; without it ticks are late more often, and say so.
  }
}
