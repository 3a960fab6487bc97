// The files for agents elsewhere: they say what the command understands, and have the form that their
// readers want: judged by the published schemas of Kubernetes, by a parser of Dockerfiles, and by systemd's own
// verifier where it is installed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { validate as validateDockerfile } from 'dockerfile-utils';
import { Job } from 'kubernetes-models/batch/v1';
import { parse } from 'yaml';
import { command } from '#loadgen/agent-command.ts';
import { ROOT } from '#scripts/source-tree.ts';
import { temporaryFolder } from '#test/command.ts';

/** What the tests look at in the Job; its form is the schema's. */
interface JobText {
  spec: {
    completionMode: string;
    completions: number;
    parallelism: number;
    template: {
      spec: {
        containers: { args: string[]; volumeMounts: { name: string }[] }[];
        volumes: { name: string }[];
      };
    };
  };
}

const read = (name: string): string => readFileSync(join(ROOT, 'scripts/deploy', name), 'utf8');
const known = new Set(command.options!.map(({ flags }) => flags.split(' ')[0]));

function assertOptions(words: readonly string[]): void {
  const options = words.filter((word) => word.startsWith('--'));
  assert.ok(options.length > 0);
  for (const option of options) assert.ok(known.has(option), `wsar agent has no ${option}`);
}

test('the Job is one by the published schema, with no field that Kubernetes does not know', (t) => {
  const job = parse(read('agents.job.yaml')) as JobText;
  assert.equal(whyNoJob(job), undefined);
  assert.equal(job.spec.completionMode, 'Indexed');
  assert.equal(job.spec.completions, job.spec.parallelism, 'all agents are there at once');
  const pod = job.spec.template.spec;
  const [container] = pod.containers;
  assert.equal(container!.args[0], 'agent');
  assertOptions(container!.args);
  const volumes = pod.volumes.map(({ name }) => name);
  for (const { name } of container!.volumeMounts) assert.ok(volumes.includes(name));
  assert.deepEqual(unknownFields(t, job), []);
});

test('the judges of the Job see what is wrong with one', (t) => {
  const wrong = (change: (job: JobText) => void): JobText => {
    const job = structuredClone(parse(read('agents.job.yaml')) as JobText);
    change(job);
    return job;
  };
  const judged = (change: (job: JobText) => void): string => whyNoJob(wrong(change)) ?? '';
  assert.match(
    judged((job) => Object.assign(job.spec, { completions: '30' })),
    /must be integer/,
  );
  assert.match(
    judged((job) => Object.assign(job.spec, { completionMode: 'All' })),
    /allowed values/,
  );
  assert.match(
    judged((job) => Object.assign(job.spec.template.spec.containers[0]!, { name: undefined })),
    /required property name/,
  );
  const misspelt = wrong((job) => Object.assign(job.spec, { paralellism: 3 }));
  assert.match(unknownFields(t, misspelt).join(), /paralellism/);
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
  assert.deepEqual(flawsOf(read('Dockerfile')), []);
  assert.deepEqual(flawsOf('FROM node\nCOPY a\nRUNS x\n'), [
    'COPY requires at least two arguments',
    'Unknown instruction: RUNS',
  ]);
});

/** What the schema of the API says against a Job; undefined when nothing. */
function whyNoJob(job: JobText): string | undefined {
  try {
    new Job(job as never).validate();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Fields that the API's types do not have. Its schema lets them pass, as a server does that drops them, so the
 * compiler is asked, which knows no surplus in a literal.
 */
function unknownFields(t: TestContext, job: JobText): string[] {
  const folder = temporaryFolder(t);
  const models = join(ROOT, 'node_modules/kubernetes-models/batch/v1');
  writeFileSync(
    join(folder, 'job.ts'),
    `import type { IJob } from '${models}';\nexport const job: IJob = ${JSON.stringify(job)};\n`,
  );
  const { stdout, error } = spawnSync(
    join(ROOT, 'node_modules/.bin/tsc'),
    [
      ...['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext'],
      ...['--types', '', join(folder, 'job.ts')],
    ],
    { encoding: 'utf8', cwd: folder },
  );
  assert.equal(error, undefined);
  return stdout.split('\n').filter((line) => /error/.test(line));
}

function flawsOf(dockerfile: string): string[] {
  return validateDockerfile(dockerfile).map(({ message }) =>
    typeof message === 'string' ? message : message.value,
  );
}
