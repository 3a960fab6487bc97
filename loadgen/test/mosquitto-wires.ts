// A mosquitto that speaks everything that a load does, and a certificate for 127.0.0.1 and localhost.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '#test/command.ts';
import { freePort } from '#test/free-port.ts';
import { isListening } from '#test/mosquitto.ts';

/** Files of a certificate that only itself vouches for, and of its key. */
export function makeCertificate(t: TestContext): { cert: string; key: string } {
  const folder = temporaryFolder(t);
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert],
  ]);
  assert.equal(made.status, 0, String(made.stderr));
  return { cert, key };
}

/** A mosquitto with a listener of each kind, and the certificate of its TLS ones. */
export async function startMosquittoWires(t: TestContext) {
  const { cert, key } = makeCertificate(t);
  const ports = await Promise.all(Array.from({ length: 4 }, () => freePort()));
  const [tcp, tls, ws, wss] = ports as [number, number, number, number];
  const secure = [`cafile ${cert}`, `certfile ${cert}`, `keyfile ${key}`];
  const file = join(temporaryFolder(t), 'mosquitto.conf');
  writeFileSync(
    file,
    [
      ...['allow_anonymous true', 'persistence false', 'set_tcp_nodelay true', 'user root'],
      `listener ${tcp} 127.0.0.1`,
      ...[`listener ${tls} 127.0.0.1`, ...secure],
      ...[`listener ${ws} 127.0.0.1`, 'protocol websockets'],
      ...[`listener ${wss} 127.0.0.1`, 'protocol websockets', ...secure],
    ].join('\n'),
  );
  const child = spawn('mosquitto', ['-c', file], {
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
    stdio: 'ignore',
  });
  t.after(() => void child.kill('SIGKILL'));
  for (const port of ports) await isListening(port);
  return { tcp, tls, ws, wss, cert };
}
