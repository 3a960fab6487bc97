// Debian's ClickHouse server (18.16: old, and a real one) for one test: own port, own folder, the smallest
// configuration that serves HTTP to one user with a password.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '#test/command.ts';
import { freePort } from '#test/free-port.ts';

export interface ClickHouseServer {
  /** http://user:token@127.0.0.1:port */
  url: string;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same port and folder. */
  restart(): Promise<void>;
}

const USER = 'wsar';
const PASSWORD = "secret'&<>";

export async function startClickHouseServer(t: TestContext): Promise<ClickHouseServer> {
  // Registered before the folder, so that the server is gone before its folder is.
  let child: ChildProcess | undefined;
  t.after(() => void child?.kill('SIGKILL'));
  const folder = temporaryFolder(t);
  const port = await freePort();
  const config = writeConfig(folder, port);
  const start = async (): Promise<void> => {
    child = spawn('clickhouse-server', [`--config-file=${config}`], {
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
      stdio: 'ignore',
    });
    const ended = once(child, 'exit').then(() => 'ended');
    if ((await Promise.race([isReady(port), ended])) === 'ended') {
      throw new Error('clickhouse-server does not start');
    }
  };
  await start();
  return {
    url: `http://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`,
    async kill() {
      const ended = once(child!, 'exit');
      child!.kill('SIGKILL');
      await ended;
    },
    restart: start,
  };
}

async function isReady(port: number): Promise<string> {
  for (;;) {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/ping`);
      if (answer.ok) return 'ready';
    } catch {
      // Not listening yet.
    }
    await sleep(20);
  }
}

function writeConfig(folder: string, port: number): string {
  for (const name of ['data', 'tmp']) mkdirSync(join(folder, name));
  const users = join(folder, 'users.xml');
  const config = join(folder, 'config.xml');
  const password = PASSWORD.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  writeFileSync(
    users,
    `<yandex>
  <profiles><default/></profiles><quotas><default/></quotas>
  <users><${USER}>
    <password>${password}</password><networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile><quota>default</quota>
  </${USER}></users>
</yandex>`,
    { mode: 0o600 },
  );
  writeFileSync(
    config,
    `<yandex>
  <logger><level>error</level><console>1</console></logger>
  <listen_host>127.0.0.1</listen_host><http_port>${port}</http_port>
  <path>${folder}/data/</path><tmp_path>${folder}/tmp/</tmp_path>
  <users_config>${users}</users_config>
  <default_profile>default</default_profile><default_database>default</default_database>
  <mark_cache_size>67108864</mark_cache_size>
</yandex>`,
  );
  return config;
}
