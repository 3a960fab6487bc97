// `npm run conformance:scripts -- --suite FOLDER`: runs the broker scripts of the Eclipse Mosquitto project
// (its folder `test`, which is not part of this repository) with `wsar serve` in the place of the broker, and
// prints each that failed with its last words. See docs/conformance.md.
//
//   --suite FOLDER    the `test` folder of a checkout of eclipse/mosquitto (required)
//   --only TEXT       only scripts whose name contains TEXT; may be repeated
//   --together N      scripts that run at the same time (default 2)
//   --verbose         all that a failed script said
//
// The scripts start `../../src/mosquitto`, which is a file of our own in a copy of the folder; the copy is
// removed at the end. They wait 2 s for a broker to start, which is raised to 60 s for a loaded machine.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchOptions, count, flag, text, texts } from '#scripts/bench/bench-options.ts';
import { ROOT } from '#test/command.ts';
import { freePort } from '#test/free-port.ts';

/** One script starts sixty brokers after each other, on a loaded machine up to fifteen seconds each. */
const SCRIPT_MS_MAX = 900_000;
/** What needs a plugin, a bridge, TLS or dynamic security. */
const OTHER_SCRIPTS = /^(06|08|14)-|plugin|extended-auth|auth-bad-method/;

const values = benchOptions('conformance:scripts', {
  suite: text('FOLDER', 'the `test` folder of a checkout of eclipse/mosquitto (required)'),
  only: texts('TEXT', 'only scripts whose name contains TEXT'),
  together: count('scripts that run at the same time', 2),
  verbose: flag('all that a failed script said'),
});
if (values.suite === undefined) {
  process.stderr.write('conformance:scripts: --suite FOLDER is needed\n');
  process.exit(2);
}

interface Script {
  name: string;
  ports: number;
}

/** The scripts that the suite's own list runs, with the ports that each needs. */
function plainScripts(folder: string): Script[] {
  const list = readFileSync(join(folder, 'broker', 'test.py'), 'utf8');
  return [...list.matchAll(/^\s*\((\d), '\.\/([^']+)'\)/gm)]
    .map(([, ports, name]) => ({ name: name!, ports: Number(ports) }))
    .filter(({ name }) => !OTHER_SCRIPTS.test(name));
}

/** A copy of the suite whose broker is this server. */
function prepare(suite: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'wsar-scripts-'));
  cpSync(suite, join(folder, 'test'), { recursive: true });
  const library = join(folder, 'test', 'mosq_test.py');
  const text = readFileSync(library, 'utf8');
  writeFileSync(library, text.replace('for i in range(0, 20):', 'for i in range(0, 600):'));
  mkdirSync(join(folder, 'src'));
  writeFileSync(join(folder, 'src', 'mosquitto'), shim(folder), { mode: 0o755 });
  return join(folder, 'test');
}

/** Starts this server for `mosquitto [-v] [-c FILE] [-p PORT]`; a port alone means a file with that listener. */
function shim(folder: string): string {
  return [
    '#!/bin/sh',
    `export WSAR_STATE_DIR=${folder}/state`,
    'while [ $# -gt 0 ]; do',
    '  case $1 in',
    '    -c) file=$2; shift ;;',
    `    -p) file=${folder}/port-$2.conf`,
    '        printf "port %s\\nallow_anonymous true\\n" "$2" > "$file"; shift ;;',
    '  esac',
    '  shift',
    'done',
    `exec ${join(ROOT, 'bin', 'wsar')} serve --workers 1 -c "$file"`,
    '',
  ].join('\n');
}

/** Runs one; resolves with what it said when it failed. */
async function play(folder: string, { name, ports }: Script): Promise<string | undefined> {
  const numbers = await Promise.all(Array.from({ length: ports }, () => freePort()));
  const child = spawn('python3', [`./${name}`, ...numbers.map(String)], {
    cwd: join(folder, 'broker'),
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: a broker that it leaves behind ends with it.
    detached: true,
  });
  let said = '';
  child.stdout.on('data', (text: Buffer) => (said += text.toString('latin1')));
  child.stderr.on('data', (text: Buffer) => (said += text.toString('latin1')));
  const closed = once(child, 'close');
  const timer = setTimeout(() => child.kill('SIGKILL'), SCRIPT_MS_MAX);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  endGroup(child.pid!);
  await closed;
  if (code === 0) return undefined;
  return code === null ? `${said}\nended after ${SCRIPT_MS_MAX / 1000} s` : said;
}

/** Ends what is left of a script's group of processes. */
function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch (error) {
    // Nothing was left.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const folder = prepare(values.suite);
try {
  const scripts = plainScripts(folder).filter(
    ({ name }) => values.only.length === 0 || values.only.some((part) => name.includes(part)),
  );
  const left = [...scripts];
  let failures = 0;
  const runner = async (): Promise<void> => {
    for (let script = left.shift(); script !== undefined; script = left.shift()) {
      const said = await play(folder, script);
      if (said === undefined) continue;
      failures++;
      const lines = said
        .trim()
        .split('\n')
        .filter((line) => !line.startsWith('wsar serve:'));
      const shown = values.verbose ? lines : lines.slice(-3);
      process.stdout.write(
        `${script.name}: failed\n${shown.map((line) => `    ${line}\n`).join('')}`,
      );
    }
  };
  await Promise.all(Array.from({ length: values.together }, runner));
  process.stdout.write(`${scripts.length - failures} of ${scripts.length}\n`);
  process.exitCode = failures === 0 ? 0 : 10;
} finally {
  // A broker that is still ending may write there.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
}
