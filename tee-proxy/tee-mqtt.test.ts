// Real brokers on both sides: mosquitto in production and as the shadow, npm mqtt as clients. The shadow
// is judged by what a subscriber that talks to it directly receives.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import mqtt, { type MqttClient } from 'mqtt';
import { freePort, until } from '#tee-proxy/test/peer-servers.ts';
import { ENGINES, startTee } from '#tee-proxy/test/running-tee.ts';
import { temporaryFolder } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

async function startMosquitto(t: TestContext): Promise<number> {
  const port = await freePort();
  const file = join(temporaryFolder(t), 'mosquitto.conf');
  writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
  const path = `${process.env['PATH']}:/usr/sbin`;
  const env = { ...process.env, PATH: path };
  const broker = spawn('mosquitto', ['-c', file], { stdio: 'ignore', env });
  t.after(async () => {
    broker.kill('SIGKILL');
    await once(broker, 'exit');
  });
  for (let tries = 0; ; tries++) {
    const socket = net.connect(port, '127.0.0.1');
    const isUp = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isUp) return port;
    assert.ok(tries < 1000, 'mosquitto starts');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function connect(t: TestContext, port: number, clientId: string): Promise<MqttClient> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, {
    clientId,
    reconnectPeriod: 0,
  });
  t.after(() => client.endAsync(true));
  return client;
}

for (const engine of ENGINES) {
  test(`${engine}: QoS 1 through the tee; the shadow broker lives the same life`, {
    skip: needPrograms('mosquitto'),
    timeout: 60_000,
  }, async (t) => {
    const production = await startMosquitto(t);
    const shadow = await startMosquitto(t);
    const tee = await startTee(t, { engine, upstream: production, shadows: [shadow] });
    const seen = { production: [] as string[], shadow: [] as string[] };
    const watcher = await connect(t, shadow, 'watcher');
    watcher.on('message', (_, payload) => seen.shadow.push(payload.toString('latin1')));
    await watcher.subscribeAsync('m/#', { qos: 1 });
    const receiver = await connect(t, tee.port, 'receiver');
    receiver.on('message', (_, payload) => seen.production.push(payload.toString('latin1')));
    await receiver.subscribeAsync('m/receiver', { qos: 1 });
    const sender = await connect(t, tee.port, 'sender');
    const sent: string[] = [];
    for (let message = 0; message < 100; message++) {
      const text = `${message}:${'x'.repeat((message * 997) % 3000)}`;
      sent.push(text);
      // Resolves with the broker's PUBACK, which came through the tee.
      await sender.publishAsync('m/receiver', text, { qos: 1 });
    }
    const big = 'y'.repeat(1024 * 1024);
    sent.push(big);
    await sender.publishAsync('m/receiver', big, { qos: 1 });
    await until('production has all', () => seen.production.length === sent.length);
    await until('the shadow has all', () => seen.shadow.length === sent.length);
    assert.deepEqual(seen.production, sent);
    assert.deepEqual(seen.shadow, sent);
    await Promise.all([sender.endAsync(), receiver.endAsync()]);
    await until('both copies are over', () => tee.figure('shadow.completed') === 2);
    const { shadows } = await tee.stop();
    assert.ok(shadows[0]!.discardedBytes > 0, 'the CONNACK of the shadow went nowhere');
  });
}
