// `npm test`: types, lint and format, then every test file under node:test.
// `npm test -- core/socket lab` runs the tests of some folders only.

import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
}

const folders = process.argv.slice(2);
run(bin('tsc'), ['-p', '.']);
run(bin('biome'), ['check', '--error-on-warnings', '.']);
const files = (folders.length === 0 ? ['.'] : folders)
  .flatMap((folder) => globSync(`${folder}/**/*.test.ts`, { cwd: root }))
  .filter((file) => !file.includes('node_modules'))
  .sort();
run(process.execPath, ['--test', '--test-concurrency=2', '--test-timeout=240000', ...files]);
