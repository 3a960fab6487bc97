// `npm test`: types, lint and format, then every test file under node:test.
// `npm test -- core/socket lab/run/run.test.ts` runs the tests of some folders and files only.
//
// Two files run at a time, on machines that others use too. A file that fails is run once more, alone; when it
// passes then, it is named as unsteady at the end, with what failed first still above it. A bound on how many
// may be so keeps a broken tree from passing.

import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readOutcomes } from '#scripts/test-outcomes.ts';

const UNSTEADY_FILES_MAX = 3;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

function run(command: string, args: string[]): number {
  const stdio = ['ignore', 'inherit', 'inherit'] as const;
  return spawnSync(command, args, { cwd: root, stdio: [...stdio] }).status ?? 1;
}

function check(command: string, args: string[]): void {
  const status = run(command, args);
  if (status !== 0) process.exit(status);
}

/** Runs test files so many at a time; returns those that failed, or undefined when the runner itself did. */
function runFiles(files: string[], concurrency: number): string[] | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'wsar-test-'));
  try {
    const list = join(folder, 'outcomes');
    const status = run(process.execPath, [
      '--test',
      `--test-concurrency=${concurrency}`,
      '--test-timeout=240000',
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${join(root, 'scripts', 'test-outcomes.ts')}`,
      `--test-reporter-destination=${list}`,
      ...files,
    ]);
    const { failed, skippedText } = readOutcomes(readFileSync(list, 'utf8'));
    process.stdout.write(skippedText);
    if ((status === 0) !== (failed.length === 0)) return undefined;
    return failed;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const HELP = `npm test                                    types, style and every test, in some minutes
npm test -- core/socket lab/run/run.test.ts   the tests of some folders and files only

A test that needs a foreign program (a broker, a database, tmux) or a right that is missing is skipped; the end says
what and why. With CI=true in the environment nothing is skipped: there it fails. Benches are apart: see package.json.
`;

const chosen = process.argv.slice(2);
if (chosen.some((word) => word === '--help' || word === '-h')) {
  process.stdout.write(HELP);
  process.exit(0);
}
check(bin('tsc'), ['-p', '.']);
check(bin('biome'), ['check', '--error-on-warnings', '.']);
const files = (chosen.length === 0 ? ['.'] : chosen)
  .flatMap((path) => globSync([`${path}/**/*.test.ts`, path], { cwd: root }))
  .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
  .sort();
if (files.length === 0) {
  process.stderr.write(`no test file in ${chosen.join(' ')}: name folders or x.test.ts files\n`);
  process.exit(2);
}
const failed = runFiles(files, 2);
if (failed === undefined || failed.length > UNSTEADY_FILES_MAX) process.exit(1);
if (failed.length > 0) {
  process.stdout.write(`\nonce more, alone:\n${failed.join('\n')}\n\n`);
  if (runFiles(failed, 1)?.length !== 0) process.exit(1);
  process.stdout.write(`\nunsteady, passed alone (see above):\n${failed.join('\n')}\n`);
}
