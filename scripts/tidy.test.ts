// The style as a test: see STYLE.md for the reasons.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { COMMANDS } from '#core/cli/command-list.ts';
import { ERROR_CODES } from '#core/errors.ts';
import { importsOf, ROOT, type SourceFile, sourceFiles } from '#scripts/source-tree.ts';
import { isTest, PACKAGE_HOME, violations } from '#scripts/tidy-rules.ts';

const files = sourceFiles();

test('names, lengths, calls, imports and text follow STYLE.md', () => {
  assert.deepEqual(violations(files), []);
});

test('the rules themselves catch what they are for', () => {
  const file = (path: string, text: string): SourceFile => ({
    path,
    text,
    sizeBytes: text.length,
    executable: false,
  });
  const caught = (path: string, text: string): number =>
    violations([file(path, `// What it is.\n${text}\n`)]).length;
  assert.equal(caught('core/a.ts', ''), 0);
  assert.equal(caught('core/utils.ts', ''), 1);
  assert.equal(caught('core/a.ts', "import { x } from '#lab/x.ts';"), 1);
  assert.equal(caught('tui/a.ts', "import { x } from '#collector/x.ts';"), 1);
  assert.equal(caught('lab/a.ts', "import { x } from '#collector/x.ts';"), 0);
  assert.equal(caught('core/a.ts', "import koffi from 'koffi';"), 1);
  assert.equal(caught('core/socket/ring/a.ts', "import koffi from 'koffi';"), 0);
  assert.equal(caught('core/a.ts', "import leftPad from 'left-pad';"), 1);
  assert.equal(caught('core/a.ts', 'const now = Date.now();'), 1);
  assert.equal(caught('core/clock/a.ts', 'const now = Date.now();'), 0);
  assert.equal(caught('core/a.ts', 'x'.repeat(121)), 1);
  assert.equal(caught('core/a.ts', '\n'.repeat(600)), 1);
  assert.equal(caught('core/a.ts', `open('${'/root'}/x');`), 1);
});

test('every source file is imported by something or started by something', () => {
  const started = new Set(['core/cli/main.ts', ...Object.values(COMMANDS).map(({ file }) => file)]);
  const imported = new Set(files.filter(({ path }) => path.endsWith('.ts')).flatMap(importsOf));
  const text = files.filter(({ path }) => /\.(ts|json|md)$|^bin\/|^\.ci\//.test(path));
  const dead = files
    .map(({ path }) => path)
    .filter((path) => path.endsWith('.ts') && !/\.(test|bench)\.ts$/.test(path))
    .filter((path) => !started.has(path) && !imported.has(path))
    // Workers and scripts are named in a string, not imported.
    .filter(
      (path) =>
        !text.some((other) => other.path !== path && other.text.includes(path.split('/').at(-1)!)),
    );
  assert.deepEqual(dead, []);
});

for (const [name, { file, summary }] of Object.entries(COMMANDS)) {
  test(`wsar ${name} has help, documentation, an example and a test`, () => {
    const folder = file.split('/')[0]!;
    for (const page of [`docs/tools/${name}.md`, `docs/examples/${name}.md`]) {
      assert.ok(existsSync(join(ROOT, page)), `${page} is missing`);
    }
    const manual = readFileSync(join(ROOT, 'docs/tools', `${name}.md`), 'utf8');
    const help = spawnSync(join(ROOT, 'bin/wsar'), ['help', name], { encoding: 'utf8' });
    assert.equal(help.status, 0, help.stderr);
    for (const [option] of help.stdout.matchAll(/(?<=^ {2}(?:-\w, )?)--[a-z-]+/gm)) {
      if (option !== '--help')
        assert.ok(manual.includes(option), `docs/tools/${name}.md lacks ${option}`);
    }
    for (const section of [
      'SYNOPSIS',
      'DESCRIPTION',
      'OPTIONS',
      'OVERHEAD',
      'CAVEATS',
      'EXIT STATUS',
    ]) {
      assert.match(
        manual,
        new RegExp(`^#+ ${section}`, 'm'),
        `docs/tools/${name}.md lacks ${section}`,
      );
    }
    assert.ok(help.stdout.includes(summary.slice(0, 20)) || help.stdout.length > 0);
    const tests = files.filter(({ path }) => isTest(path) && path.startsWith(`${folder}/`));
    const word = new RegExp(`['"\`]${name}['"\`]`);
    assert.ok(
      tests.some(({ text }) => word.test(text)),
      `no test in ${folder}/ runs wsar ${name}`,
    );
  });
}

test('docs/errors.md lists every error code and no other', () => {
  const text = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8');
  const listed = [...text.matchAll(/^\| `(WSAR_ERR_\w+)` \| (\d+) \|/gm)].map(([, code, exit]) => [
    code,
    Number(exit),
  ]);
  assert.deepEqual(listed.sort(), Object.entries(ERROR_CODES).sort());
});

test('docs/dependencies.md has a line for every dependency', () => {
  const text = readFileSync(join(ROOT, 'docs/dependencies.md'), 'utf8');
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const names = ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) =>
    Object.keys(manifest[kind]),
  );
  assert.deepEqual(
    names.filter((name) => !text.includes(`\`${name}\``)),
    [],
  );
  for (const name of Object.keys(PACKAGE_HOME))
    assert.ok(names.includes(name), `${name} is not a dependency`);
});

test('package-lock.json names no registry', () => {
  const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
  assert.doesNotMatch(lock, /"resolved":/);
});
