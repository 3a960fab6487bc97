import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type RunningCommand, startWsar, temporaryFolder } from '#test/command.ts';
import { freePort } from '#test/free-port.ts';

interface RunningStore extends RunningCommand {
  url: string;
  urlFile: string;
}

async function startStore(
  t: TestContext,
  args: string[],
  options: Parameters<typeof startWsar>[2] = {},
): Promise<RunningStore> {
  const store = startWsar(t, ['store', ...args], options);
  const [, urlFile] = await store.line(/^url-file (.+)$/m);
  return { ...store, urlFile: urlFile!, url: readFileSync(urlFile!, 'utf8').trim() };
}

/** Asks in the url, as curl would: user and token in front of the host. */
async function ask(url: string, sql: string): Promise<string> {
  const { origin, username, password } = new URL(url);
  const answer = await fetch(origin, {
    method: 'POST',
    body: sql,
    headers: {
      'x-clickhouse-user': decodeURIComponent(username),
      'x-clickhouse-key': decodeURIComponent(password),
    },
  });
  return await answer.text();
}

test('says when it is ready, keeps its token to itself, ends well on SIGTERM', async (t) => {
  const folder = temporaryFolder(t);
  const store = await startStore(t, ['--port', '0', '--folder', folder]);
  const { port, password } = new URL(store.url);
  assert.equal(store.stdout(), `ready http://127.0.0.1:${port}\nurl-file ${join(folder, 'url')}\n`);
  assert.equal(statSync(store.urlFile).mode & 0o777, 0o600);
  assert.equal(statSync(folder).mode & 0o077, 0);
  assert.ok(password.length >= 32);
  assert.equal(await ask(store.url, 'SELECT currentDatabase()'), 'wsar\n');
  assert.match(await ask(store.url.replace(password, 'x'), 'SELECT 1'), /AUTHENTICATION_FAILED/);
  assert.ok(!readFileSync(`/proc/${store.child.pid}/cmdline`, 'utf8').includes(password));
  store.child.kill('SIGTERM');
  assert.equal(await store.exit(), 143);
  assert.equal(store.stderr(), '');
});

test('data and token survive SIGTERM and SIGKILL', async (t) => {
  const folder = temporaryFolder(t);
  const first = await startStore(t, ['--port', '0', '--folder', folder]);
  await ask(first.url, 'CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a');
  await ask(first.url, 'INSERT INTO t VALUES (1)');
  first.child.kill('SIGTERM');
  assert.equal(await first.exit(), 143);
  const { port } = new URL(first.url);
  const second = await startStore(t, ['--port', port, '--folder', folder]);
  assert.equal(second.url, first.url);
  await ask(second.url, 'INSERT INTO t VALUES (2)');
  second.child.kill('SIGKILL');
  assert.equal(await second.exit(), 137);
  const third = await startStore(t, ['--port', port, '--folder', folder]);
  assert.equal(await ask(third.url, 'SELECT a FROM t ORDER BY a'), '1\n2\n');
});

test('a second store on the folder, a taken port, a bad folder: one sentence, and the first goes on', async (t) => {
  const folder = temporaryFolder(t);
  const first = await startStore(t, ['--port', '0', '--folder', folder]);
  const { port } = new URL(first.url);
  const cases: [string[], number, RegExp][] = [
    [
      ['--port', '0', '--folder', folder],
      3,
      new RegExp(`already open in process ${first.child.pid}`),
    ],
    [['--port', port, '--folder', join(folder, 'other')], 3, /WSAR_ERR_PORT_IN_USE/],
    [['--port', '0', '--folder', '/dev/null/store'], 3, /folder of the store cannot be made/],
    [['--port', '70000'], 2, /not a whole number from 0 to 65535/],
  ];
  for (const [args, code, sentence] of cases) {
    const other = startWsar(t, ['store', ...args]);
    assert.equal(await other.exit(), code, other.stderr());
    assert.match(other.stderr(), sentence);
    assert.equal(other.stderr().trim().split('\n').length, 1, other.stderr());
    assert.equal(other.stdout(), '');
  }
  assert.equal(await ask(first.url, 'SELECT 1'), '1\n');
});

test('takes user, token and port of a lab; not those of a store elsewhere', async (t) => {
  const port = await freePort();
  const given = `http://lab:to%2Fken@127.0.0.1:${port}`;
  const folder = temporaryFolder(t);
  const store = await startStore(t, ['--folder', folder], { env: { WSAR_CLICKHOUSE_URL: given } });
  assert.equal(store.url, given);
  assert.match(store.stdout(), new RegExp(`^ready http://127\\.0\\.0\\.1:${port}\n`));
  assert.equal(await ask(given, 'SELECT 1'), '1\n');
  const env = { WSAR_CLICKHOUSE_URL: 'http://other:secret@db.example:8123' };
  const other = await startStore(t, ['--port', '0', '--folder', temporaryFolder(t)], { env });
  assert.doesNotMatch(other.url, /secret|db\.example/);
});

test('ends with the lab that started it', async (t) => {
  const folder = temporaryFolder(t);
  const store = await startStore(t, ['--port', '0', '--folder', folder], {
    env: { WSAR_LIFELINE: '1' },
    stdin: 'pipe',
  });
  await ask(store.url, 'CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a');
  store.child.stdin!.end();
  assert.equal(await store.exit(), 4);
  assert.match(store.stderr(), /WSAR_ERR_PARENT_LOST/);
  const again = await startStore(t, ['--port', '0', '--folder', folder]);
  assert.equal(await ask(again.url, 'SHOW TABLES'), 't\n');
});

test('without chDB it says how to get a store', async (t) => {
  // Resolution fails as on a platform for which npm installs no chdb.
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ resolve: (name, context, next) => {
      if (name !== 'chdb') return next(name, context);
      throw Object.assign(new Error("Cannot find package 'chdb'"), { code: 'ERR_MODULE_NOT_FOUND' });
    } });`;
  const NODE_OPTIONS = `--import data:text/javascript,${encodeURIComponent(hook)}`;
  const folder = temporaryFolder(t);
  const store = startWsar(t, ['store', '--port', '0', '--folder', folder], {
    env: { NODE_OPTIONS },
  });
  assert.equal(await store.exit(), 3, store.stderr());
  assert.match(store.stderr(), /chdb.*not usable here: Cannot find package.*WSAR_CLICKHOUSE_URL/);
  assert.match(store.stderr(), /\(WSAR_ERR_PART_MISSING\)\n$/);
  assert.equal(store.stdout(), '');
});
