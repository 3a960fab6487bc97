// The command line as a person meets it: the real launcher, as a child process.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { COMMANDS } from '#core/cli/command-list.ts';
import { ROOT, startWsar, temporaryFolder } from '#test/command.ts';

const BIN = join(ROOT, 'bin', 'wsar');

function run(command: string, args: string[], env: Record<string, string> = {}) {
  return spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } });
}

test('help lists every command, on stdout, with exit 0', () => {
  const { stdout, status } = run(BIN, ['--help']);
  assert.equal(status, 0);
  for (const [name, { summary }] of Object.entries(COMMANDS)) {
    assert.match(stdout, new RegExp(`^  ${name} +${summary.replace(/[()]/g, '\\$&')}$`, 'm'));
  }
});

for (const name of Object.keys(COMMANDS)) {
  test(`wsar help ${name} equals wsar ${name} --help and ends with examples`, () => {
    const byHelp = run(BIN, ['help', name]);
    const byFlag = run(BIN, [name, '--help']);
    assert.equal(byHelp.status, 0, byHelp.stderr);
    assert.equal(byHelp.stdout, byFlag.stdout);
    assert.match(byHelp.stdout, new RegExp(`^Usage: wsar ${name}`));
    assert.match(byHelp.stdout, /\nExamples:\n {2}\S*wsar /);
  });
}

test('an unknown command and an unknown option get one sentence and exit 2', () => {
  const command = run(BIN, ['colect']);
  assert.equal(command.status, 2);
  assert.match(
    command.stderr,
    /^wsar: there is no command 'colect'; did you mean 'collect'\?.*\n$/,
  );
  const inherited = run(BIN, ['constructor']);
  assert.match(inherited.stderr, /^wsar: there is no command 'constructor'/);
  const option = run(BIN, ['store', '--prot', '1']);
  assert.equal(option.status, 2);
  assert.match(option.stderr, /^wsar: unknown option '--prot'.*wsar store --help.*\n$/);
  const word = run(BIN, ['store', 'extra']);
  assert.match(word.stderr, /^wsar: too many arguments: [^.;]*; wsar store --help [^.;]*\n$/);
  assert.equal(command.stdout + option.stdout + word.stdout, '');
});

test('help about no command is that mistake too, with nothing on stdout', () => {
  const { stdout, stderr, status } = run(BIN, ['help', 'colect']);
  assert.equal(status, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /^wsar: there is no command 'colect'; did you mean 'collect'\?.*\n$/);
});

test('--version and -V say the version of the package', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  for (const flag of ['--version', '-V']) {
    const { stdout, stderr, status } = run(BIN, [flag]);
    assert.deepEqual([stdout, stderr, status], [`wsar ${version}\n`, '', 0]);
  }
});

test('with --json an error is one JSON object on stderr', () => {
  const { stderr } = run(BIN, ['store', '--prot', '1', '--json']);
  assert.equal(JSON.parse(stderr).error.code, 'WSAR_ERR_USAGE');
});

test('node bin/wsar works under whatever Node is on PATH', () => {
  const other = ['/usr/local/bin/node', '/usr/bin/node'].find((path) => existsSync(path));
  const { stdout, status } = run(other ?? process.execPath, [BIN, '--help']);
  assert.equal(status, 0);
  assert.match(stdout, /^wsar: the performance lab/);
});

test('bin/wsar needs no Node on PATH when the project brought one', () => {
  const { stdout, status } = run('/bin/sh', [BIN, '--help'], { PATH: '/usr/bin:/bin' });
  assert.equal(status, 0);
  assert.match(stdout, /^wsar: the performance lab/);
});

test('bin/wsar works through a symbolic link and from another folder', (t) => {
  const folder = temporaryFolder(t);
  symlinkSync(BIN, join(folder, 'wsar'));
  const stdout = execFileSync(join(folder, 'wsar'), ['--help'], { cwd: folder, encoding: 'utf8' });
  assert.match(stdout, /^wsar: the performance lab/);
});

test('without its packages the launcher says what to type, exit 3', (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'bin'));
  cpSync(BIN, join(folder, 'bin', 'wsar'));
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  for (const launch of [
    [join(folder, 'bin', 'wsar')],
    [process.execPath, join(folder, 'bin', 'wsar')],
  ]) {
    const { stderr, status } = run(launch[0]!, [...launch.slice(1), '--help']);
    assert.equal(status, 3);
    assert.match(stderr, /^wsar: its packages are not installed in .*npm install.*\n$/);
  }
});

test('the launcher knows, in both of its languages, which commands allocate nothing', () => {
  const names = Object.keys(COMMANDS).filter((name) => COMMANDS[name]!.leanness === 'unallocating');
  const launcher = readFileSync(BIN, 'utf8');
  const [, inShell] = /case "\$\{1-\}" in (\S+)\) f=--single-threaded-gc;;/.exec(launcher)!;
  const [, inNode] = /= \[(.*)\]\.includes\(argv\[0\]\) \? \['--single-threaded-gc'\]/.exec(
    launcher,
  )!;
  assert.deepEqual(inShell!.split('|'), names);
  assert.deepEqual(inNode!.replaceAll("'", '').split(', '), names);
});

test('a signal to the launcher reaches the tool: there is one process, not two', async (t) => {
  const commands: [string[], RegExp, string[]][] = [
    [['collect', '1', '60', '--json'], /\{/, []],
    [['serve', '--port', '0'], /^ready/, ['--single-threaded-gc']],
  ];
  for (const [argv, ready, flags] of commands) {
    const { child, line } = startWsar(t, argv);
    await line(ready);
    const command = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    assert.match(command[0]!, /node$/);
    assert.deepEqual(command.slice(1), [...flags, join(ROOT, 'bin/wsar'), ...argv]);
  }
});
