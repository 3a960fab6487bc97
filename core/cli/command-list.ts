// Which file owns which command. The file is loaded only when its command runs.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CommandSpec } from '#core/cli/command.ts';

/** What V8 does without (lean-engine.ts): it sleeps nearly all the time, or its hot paths allocate nothing. */
export type Leanness = 'asleep' | 'unallocating';

export const COMMANDS: Record<string, { file: string; summary: string; leanness?: Leanness }> = {
  collect: {
    file: 'collector/collect-command.ts',
    summary: 'report the activity of this host every second (default)',
    leanness: 'asleep',
  },
  dump: { file: 'collector/dump-command.ts', summary: 'print what wsar collect has recorded' },
  'replay-samples': {
    file: 'collector/replay-samples-command.ts',
    summary: 'derive the rows of a recording again, with rates and decays',
  },
  serve: {
    file: 'reference-server/serve-command.ts',
    summary: 'run the messaging server under test',
    leanness: 'unallocating',
  },
  load: {
    file: 'loadgen/load-command.ts',
    summary: 'log in a population of users and let them talk',
    leanness: 'unallocating',
  },
  agent: {
    file: 'loadgen/agent-command.ts',
    summary: 'carry out a part of the loads that a controller plans',
  },
  tee: {
    file: 'tee-proxy/tee-command.ts',
    summary: 'pass traffic to production and a bounded copy to a shadow',
  },
  run: {
    file: 'lab/run-command.ts',
    summary: 'run a tuning experiment and say whether it was better',
  },
  compare: { file: 'lab/compare-command.ts', summary: 'compare the recorded figures of two runs' },
  gate: {
    file: 'lab/gate-command.ts',
    summary: 'turn the comparison of two runs into an exit code',
  },
  'plan-fleet': {
    file: 'lab/plan-fleet-command.ts',
    summary: 'compute from a recorded ladder how many hosts a population needs',
  },
  doctor: { file: 'lab/doctor-command.ts', summary: 'say what this host can do and what it lacks' },
  store: {
    file: 'dashboards/store-command.ts',
    summary: 'serve the embedded history store over HTTP',
  },
  top: { file: 'tui/top-command.ts', summary: 'watch a run live and turn its knobs' },
  completion: {
    file: 'core/cli/completion-command.ts',
    summary: 'print a script with which a shell completes commands and options',
  },
};

export const DEFAULT_COMMAND = 'collect';

/** What the file of a command declares; `root` is the folder of the package. */
export async function importCommand(name: string, root: string): Promise<CommandSpec> {
  const { href } = pathToFileURL(join(root, COMMANDS[name]!.file));
  return ((await import(href)) as { command: CommandSpec }).command;
}
