// `bin/wsar tee` as a process of a test, with its rows and its summary.

import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import type { EngineName } from '#core/socket/reactor.ts';
import type { TeeSummary } from '#tee-proxy/tee-summary.ts';
import { until } from '#tee-proxy/test/peer-servers.ts';
import { type RunningCommand, startWsar } from '#test/command.ts';

/** The engines that run on this host. */
export const ENGINES: EngineName[] =
  chooseEngine('auto').engine === 'ring' ? ['ring', 'epoll', 'net'] : ['epoll', 'net'];

export interface RunningTee {
  command: RunningCommand;
  port: number;
  /** Value of a metric in the newest row, without 'wsar.tee.'; 0 before the first row. */
  figure(name: string): number;
  /** Resolves when a row after this call is there. */
  nextRow(): Promise<void>;
  /** Ends it with SIGTERM and returns its summary. */
  stop(): Promise<TeeSummary>;
}

export interface TeeSetting {
  engine: EngineName;
  upstream: number;
  shadows?: number[];
  more?: string[];
  env?: Record<string, string>;
}

/** Starts a tee on a free port, with --json. */
export async function startTee(t: TestContext, setting: TeeSetting): Promise<RunningTee> {
  const { engine, upstream, shadows = [], more = [], env = {} } = setting;
  const args = ['tee', '--listen', '0', '--upstream', `${upstream}`, '--engine', engine, '--json'];
  for (const shadow of shadows) args.push('--shadow', `${shadow}`);
  const command = startWsar(t, [...args, ...more], { env });
  const [, port] = await command.line(/^ready tcp:\/\/127\.0\.0\.1:(\d+)\n/);
  const rows = (): string[] => command.stdout().split('\n').slice(1, -1);
  return {
    command,
    port: Number(port),
    figure(name) {
      const line = rows().at(-1);
      return line === undefined ? 0 : JSON.parse(line).values[`wsar.tee.${name}`];
    },
    async nextRow() {
      const count = rows().length;
      await until('a row', () => rows().length > count);
    },
    async stop() {
      command.child.kill('SIGTERM');
      assert.equal(await command.exit(), 143, command.stderr());
      return summaryOf(command);
    },
  };
}

/** The summary that a tee with --json ended with; checks that its books balance. */
export function summaryOf(command: RunningCommand): TeeSummary {
  const summary = JSON.parse(command.stdout().trimEnd().split('\n').at(-1)!) as TeeSummary;
  assert.equal(summary.summary, 'tee');
  const value = (name: string): number => summary.values[`wsar.tee.${name}`]!;
  const shed = value('shadow.shed_connections');
  const copies = value('shadow.sampled') * summary.shadows.length;
  assert.equal(copies, value('shadow.completed') + shed, 'every copy ended once');
  assert.equal(value('shadow.queued_bytes'), 0);
  assert.equal(
    value('shadow.offered_bytes'),
    value('shadow.sent_bytes') + value('shadow.shed_bytes'),
    'offered = sent + shed',
  );
  for (const { name, sentBytes, shedBytes } of summary.shadows) {
    assert.ok(sentBytes >= 0 && shedBytes >= 0, name);
    const offered = value('shadow.offered_bytes') / summary.shadows.length;
    assert.equal(sentBytes + shedBytes, offered, `${name}: offered = sent + shed`);
  }
  assert.equal(value('output_overflows'), 0);
  assert.equal(value('connections'), 0);
  assert.equal(value('shadow.connections'), 0);
  return summary;
}

/** Sockets that the process holds, by descriptor (Linux). */
export function socketCount(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`).startsWith('socket:');
    } catch {
      return false; // Closed since it was listed.
    }
  }).length;
}
