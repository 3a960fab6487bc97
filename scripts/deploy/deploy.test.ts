// The files for agents elsewhere: they say what the command understands, and have the form that their
// readers want. systemd's own verifier judges the unit where it is installed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { command } from '#loadgen/agent-command.ts';
import { ROOT } from '#scripts/source-tree.ts';

const read = (name: string): string => readFileSync(join(ROOT, 'scripts/deploy', name), 'utf8');
const known = new Set(command.options!.map(({ flags }) => flags.split(' ')[0]));

function assertOptions(words: readonly string[]): void {
  const options = words.filter((word) => word.startsWith('--'));
  assert.ok(options.length > 0);
  for (const option of options) assert.ok(known.has(option), `wsar agent has no ${option}`);
}

test('the Job is an Indexed Job (batch/v1) whose agents know their options', () => {
  const job = parse(read('agents.job.yaml')) as Record<string, never>;
  const { apiVersion, kind, spec } = job as unknown as {
    apiVersion: string;
    kind: string;
    spec: {
      completionMode: string;
      completions: number;
      parallelism: number;
      template: {
        spec: {
          restartPolicy: string;
          containers: { args: string[]; volumeMounts: { name: string }[] }[];
          volumes: { name: string }[];
        };
      };
    };
  };
  assert.deepEqual([apiVersion, kind, spec.completionMode], ['batch/v1', 'Job', 'Indexed']);
  assert.equal(spec.completions, spec.parallelism, 'all agents are there at once');
  const pod = spec.template.spec;
  assert.ok(['Never', 'OnFailure'].includes(pod.restartPolicy), 'a Job allows these two');
  assert.equal(pod.containers[0]!.args[0], 'agent');
  assertOptions(pod.containers[0]!.args);
  const volumes = pod.volumes.map(({ name }) => name);
  for (const { name } of pod.containers[0]!.volumeMounts) assert.ok(volumes.includes(name));
});

test('the unit starts an agent, keeps its token off the command line, and raises the limits', (t) => {
  const unit = read('wsar-agent.service');
  const start = /^ExecStart=(.*)$/m.exec(unit)![1]!.split(' ');
  assert.deepEqual(start.slice(0, 2), ['/opt/wsar/bin/wsar', 'agent']);
  assertOptions(start);
  assert.doesNotMatch(unit, /mqtt:\/\//);
  const judged = spawnSync(
    'systemd-analyze',
    ['verify', join(ROOT, 'scripts/deploy/wsar-agent.service')],
    {
      encoding: 'utf8',
    },
  );
  if (judged.error !== undefined) {
    t.diagnostic('systemd-analyze is not installed: the form of the unit is not judged');
    return;
  }
  const flaws = judged.stderr.split('\n').filter((line) => /wsar-agent/.test(line));
  // The program is not installed where the test runs.
  assert.deepEqual(
    flaws.filter((line) => !/not executable|No such file/.test(line)),
    [],
  );
});

test('the image runs wsar as an ordinary user', () => {
  const lines = read('Dockerfile').split('\n');
  const first = lines.find((line) => line !== '' && !line.startsWith('#'))!;
  assert.match(first, /^FROM node:24/);
  assert.ok(lines.includes('USER node'));
  assert.ok(lines.some((line) => /^ENTRYPOINT \["\/opt\/wsar\/bin\/wsar"\]$/.test(line)));
  const verbs = lines.filter((line) => /^[A-Z]/.test(line)).map((line) => line.split(' ')[0]!);
  const all = ['FROM', 'WORKDIR', 'COPY', 'RUN', 'USER', 'ENV', 'ENTRYPOINT', 'CMD'];
  for (const verb of verbs) assert.ok(all.includes(verb), verb);
});
