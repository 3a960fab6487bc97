// What bench:collector needs: the collectors it compares, each started to sample once a second, and what a
// process and its children have cost so far.

import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '#scripts/source-tree.ts';

const TICKS_PER_S = 100;

export interface Contestant {
  name: string;
  /** Undefined: the program is not on this host. */
  program: string | undefined;
  args(folder: string, port: number): string[];
  /** Asked once a second while it runs; the length of the answer is its sample. */
  scrape?: (port: number) => string;
  /** The file it records in. */
  file?: (folder: string) => string;
  /** Its stdout is its sample. */
  isStdout?: boolean;
}

/** First of some paths, or of the folders of PATH, where there is such a program. */
export function findProgram(name: string, folders: readonly string[]): string | undefined {
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        return (statSync(path).mode & 0o111) !== 0;
      } catch {
        return false;
      }
    });
}

/** Ours in three forms, and the others; `folders` is where programs are looked for. */
export function contestants(folders: readonly string[]): Contestant[] {
  const wsar = join(ROOT, 'bin', 'wsar');
  const ours = (name: string, ...args: string[]): Contestant => ({
    name,
    program: wsar,
    args: () => ['1', ...args],
    isStdout: true,
  });
  const sadc = ['/usr/lib/sysstat', '/usr/lib64/sa', ...folders];
  return [
    ours('wsar'),
    ours('wsar --detail', '--detail'),
    ours('wsar --fast-lane', '--fast-lane'),
    ours('wsar --detail --json', '--detail', '--json'),
    {
      name: 'wsar --detail, spool',
      program: wsar,
      args: (folder) => ['1', '--detail', '--spool-folder', join(folder, 'spool')],
      file: (folder) => join(folder, 'spool'),
    },
    {
      name: 'sadc -S XALL',
      program: findProgram('sadc', sadc),
      args: (folder) => ['-S', 'XALL', '1', join(folder, 'sadc')],
      file: (folder) => join(folder, 'sadc'),
    },
    {
      name: 'atop -w',
      program: findProgram('atop', folders),
      args: (folder) => ['-w', join(folder, 'atop'), '1'],
      file: (folder) => join(folder, 'atop'),
    },
    {
      name: 'node_exporter',
      program: findProgram('prometheus-node-exporter', folders),
      args: (_, port) => [`--web.listen-address=127.0.0.1:${port}`],
      scrape: (port) => `http://127.0.0.1:${port}/metrics`,
    },
    {
      name: 'netdata',
      program: findProgram('netdata', folders),
      args: (folder, port) => ['-D', '-p', String(port), '-c', netdataConfig(folder)],
    },
  ];
}

/** netdata with what it is compared for: no machine learning, no alarms, no cloud, its files in `folder`. */
function netdataConfig(folder: string): string {
  const path = join(folder, 'netdata.conf');
  const places = ['cache', 'lib', 'log', 'config', 'stock config', 'home'];
  writeFileSync(
    path,
    [
      '[global]',
      '  run as user = root',
      '[directories]',
      ...places.map((place) => `  ${place} = ${folder}`),
      '[db]\n  mode = ram',
      '[ml]\n  enabled = no',
      '[health]\n  enabled = no',
      '[web]\n  bind to = 127.0.0.1',
      '[plugins]\n  python.d = no\n  charts.d = no\n  go.d = no\n  ebpf = no\n  apps = no',
      '',
    ].join('\n'),
  );
  return path;
}

/** Starts one; its stdout is counted, not kept. */
export function startContestant(contestant: Contestant, folder: string, port: number): Running {
  const child = spawn(contestant.program!, contestant.args(folder, port), {
    stdio: ['ignore', contestant.isStdout === true ? 'pipe' : 'ignore', 'ignore'],
    env: { ...process.env, WSAR_STATE_DIR: folder },
  });
  let bytes = 0;
  let ticksUs: number[] = [];
  child.stdout?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    const match = TICK_US.exec(chunk.toString('latin1'));
    if (match !== null) ticksUs.push(Number(match[1]));
  });
  child.on('error', () => {});
  return {
    child,
    outputBytes: () => bytes,
    takeTicksUs: () => {
      const taken = ticksUs;
      ticksUs = [];
      return taken;
    },
  };
}

/** In a row of ours: how long it took to read all sources. */
const TICK_US = /"wsar\.collector\.sample_us":([\d.]+)/;

export interface Running {
  child: ChildProcess;
  outputBytes(): number;
  /** The times of the ticks since the last call, where it prints them. */
  takeTicksUs(): number[];
}

/** CPU time of a process, its children that live and those that have ended, us. */
export function treeCpuUs(pid: number): number {
  let us = endedChildrenUs(pid);
  for (const task of tasksOf(pid)) {
    us += Number(readText(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0] ?? 0) / 1000;
    for (const child of readText(`/proc/${pid}/task/${task}/children`).split(' ')) {
      if (child !== '') us += treeCpuUs(Number(child));
    }
  }
  return us;
}

/** Resident memory of a process and its children, bytes. */
export function treeRssBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readText(`/proc/${pid}/status`))?.[1];
  let bytes = Number(kib ?? 0) * 1024;
  for (const task of tasksOf(pid)) {
    for (const child of readText(`/proc/${pid}/task/${task}/children`).split(' ')) {
      if (child !== '') bytes += treeRssBytes(Number(child));
    }
  }
  return bytes;
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    // It has ended.
    return [];
  }
}

function endedChildrenUs(pid: number): number {
  const stat = readText(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) * 1e6) / TICKS_PER_S;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    // Gone between two looks.
    return '';
  }
}

/** Size of a file, or of all files of a folder. */
export function bytesAt(path: string): number {
  try {
    const stat = statSync(path);
    if (!stat.isDirectory()) return stat.size;
    return readdirSync(path).reduce((sum, name) => sum + bytesAt(join(path, name)), 0);
  } catch {
    return 0;
  }
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
