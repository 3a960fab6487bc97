// Programs of bench:loadgen: `wsar load` with its rows and summary, servers that say where they listen, and
// the CPU time of a command with all its children.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Row } from '#core/metric/row.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { ROOT } from '#scripts/source-tree.ts';

const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;

export interface LoadOutput {
  rows: Row[];
  summary: LoadSummary;
  exitCode: number | null;
  /** The last line of stderr. */
  lastWords: string;
}

/** Runs `wsar load --json`; `onRow` is told each row and what stands on stderr. Throws what it said when it failed. */
export async function runLoad(
  args: string[],
  onRow: (row: Row, talk: string) => void = () => {},
): Promise<LoadOutput> {
  // What is compared is a message, not a population; an HTTP server has neither.
  const plain = args.some((word) => word.startsWith('http')) ? [] : ['--scenario', 'one-to-one'];
  const child = spawn(join(ROOT, 'bin/wsar'), ['load', '--json', ...plain, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let talk = '';
  let at = 0;
  child.stderr.setEncoding('utf8').on('data', (part: string) => (talk += part));
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    for (let end = text.indexOf('\n', at); end >= 0; end = text.indexOf('\n', at)) {
      const line = JSON.parse(text.slice(at, end)) as Row;
      if (line.values !== undefined) onRow(line, talk);
      at = end + 1;
    }
  });
  await once(child, 'close');
  const lines = text.trimEnd().split('\n');
  const lastWords = talk.trim().split('\n').at(-1) ?? '';
  try {
    const rows = lines.slice(0, -1).map((line) => JSON.parse(line) as Row);
    const summary = JSON.parse(lines.at(-1)!) as LoadSummary;
    return { rows, summary, exitCode: child.exitCode, lastWords };
  } catch {
    throw new Error(`wsar load ${args.join(' ')}: ${lastWords}`);
  }
}

/** Starts a server and waits for `pattern` in what it prints. */
export async function startServer(
  command: string,
  args: string[],
  pattern: RegExp,
): Promise<{ child: ChildProcess; match: RegExpExecArray; end(): Promise<void> }> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH },
  });
  let text = '';
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(timer);
  };
  const match = await new Promise<RegExpExecArray>((resolve, reject) => {
    const hear = (part: string): void => {
      text += part;
      const found = pattern.exec(text);
      if (found !== null) resolve(found);
    };
    child.stdout!.setEncoding('utf8').on('data', hear);
    child.stderr!.setEncoding('utf8').on('data', hear);
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`${command} ${args.join(' ')} ended early: ${text}`)));
  });
  return { child, match, end };
}

/** User and system time of a shell command and all it waited for, us. */
export async function commandCpuUs(command: string): Promise<number> {
  const child = spawn('bash', ['-c', `TIMEFORMAT='cpu %U %S'; time { ${command}; }`], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PATH },
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(child, 'close');
  const match = /cpu ([\d.]+) ([\d.]+)\s*$/.exec(text);
  if (match === null) throw new Error(`${command}: ${text.trim().split('\n').at(-1)}`);
  return (Number(match[1]) + Number(match[2])) * 1e6;
}
