// CPU of one QoS 1 message through Debian's mosquitto, by generator: all that the generator spends for
// sending it, hearing the acknowledgement, receiving it and acknowledging. mosquitto's own client tools
// (C, one connection each way) and tsung (Erlang) beside `wsar load`.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuUs } from '#scripts/bench/bench-process.ts';
import { commandCpuUs, runLoad, startServer } from '#scripts/bench/loadgen-process.ts';

export interface MessageCost {
  tool: string;
  messages: number;
  cpu_us_per_message: number;
}

/** `count` messages by each tool, through a broker at `port`; a tool that is not installed is named and left out. */
export async function messageCosts(
  count: number,
  port: number,
  mapperPort: number,
): Promise<MessageCost[]> {
  const folder = mkdtempSync(join(tmpdir(), 'wsar-bench-'));
  const config = join(folder, 'mosquitto.conf');
  writeFileSync(
    config,
    [
      ...[`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'persistence false'],
      ...['set_tcp_nodelay true', 'max_queued_messages 0', 'max_inflight_messages 0'],
      ...['log_dest stderr', 'user root'],
    ].join('\n'),
  );
  const broker = await startServer('mosquitto', ['-c', config], /running/);
  try {
    const costs = [await ours(count, port), await mosquittoClients(count, port)];
    if (spawnSync('tsung', ['-v']).error === undefined)
      costs.push(await tsung(count, port, mapperPort, folder));
    else process.stderr.write('no tsung: it is left out\n');
    return costs;
  } finally {
    await broker.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ours(count: number, port: number): Promise<MessageCost> {
  const ratePerS = Math.max(100, Math.round(count / 4));
  const { summary } = await runLoad([
    ...['--target', `mqtt://127.0.0.1:${port}`, '--connections', '100', '--receipts', 'off'],
    ...['--rate', `${ratePerS}/s`, '--duration', '4s', '--lateness-max', '60s'],
  ]);
  return {
    tool: 'wsar load',
    messages: summary.messages.received,
    cpu_us_per_message: summary.cpuUsPerMessage ?? Number.NaN,
  };
}

async function mosquittoClients(count: number, port: number): Promise<MessageCost> {
  const where = `-h 127.0.0.1 -p ${port} -t bench -q 1`;
  const text = 'x'.repeat(64);
  const received = commandCpuUs(`mosquitto_sub ${where} -C ${count}`);
  await sleep(500);
  const sent = await commandCpuUs(`mosquitto_pub ${where} -m ${text} --repeat ${count}`);
  const bothUs = sent + (await received);
  return {
    tool: 'mosquitto_pub + _sub',
    messages: count,
    cpu_us_per_message: Math.round((bothUs / count) * 10) / 10,
  };
}

/** One user that publishes (tsung's MQTT plug-in subscribes in other sessions; this one only sends). */
async function tsung(
  count: number,
  port: number,
  mapperPort: number,
  folder: string,
): Promise<MessageCost> {
  // Erlang would leave a port mapper running for ever: this one ends with us.
  const args = ['-d', '-port', String(mapperPort), '-address', '127.0.0.1'];
  const mapper = await startServer('epmd', args, /epmd running/);
  try {
    const env = { ERL_EPMD_PORT: String(mapperPort), ERL_EPMD_ADDRESS: '127.0.0.1' };
    return await tsungCost(count, port, folder, { ...process.env, ...env });
  } finally {
    await mapper.end();
  }
}

async function tsungCost(
  count: number,
  port: number,
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<MessageCost> {
  const file = join(folder, 'messages.xml');
  const loops = Math.max(count, 1000);
  writeFileSync(file, tsungPlan(port, loops));
  const idle = join(folder, 'idle.xml');
  writeFileSync(idle, tsungPlan(port, 1));
  // What the tool costs without messages: starting Erlang.
  const baseUs = await erlangCpuUs(idle, folder, env);
  const busyUs = await erlangCpuUs(file, folder, env);
  return {
    tool: 'tsung (sends only)',
    messages: loops,
    cpu_us_per_message: Math.round((Math.max(0, busyUs - baseUs) / loops) * 10) / 10,
  };
}

/** CPU of the Erlang process that carries a plan out: it is no child of the command, so it is watched. */
async function erlangCpuUs(plan: string, folder: string, env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn('tsung', ['-f', plan, '-l', folder, 'start'], { stdio: 'ignore', env });
  let isOver = false;
  const over = once(child, 'exit').then(() => {
    isOver = true;
  });
  let lastUs = 0;
  while (!isOver) {
    await Promise.race([over, sleep(20)]);
    for (const pid of pidsNaming(plan)) lastUs = Math.max(lastUs, cpuOf(pid));
  }
  return lastUs;
}

/** Erlang processes with `word` on their command line. */
function pidsNaming(word: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return line.includes('beam') && line.includes(word);
      } catch {
        return false; // It has ended.
      }
    })
    .map(Number);
}

function cpuOf(pid: number): number {
  try {
    return cpuUs(pid);
  } catch {
    return 0; // It has ended.
  }
}

function tsungPlan(port: number, loops: number): string {
  return `<?xml version="1.0"?>
<!DOCTYPE tsung SYSTEM "/usr/share/tsung/tsung-1.0.dtd">
<tsung loglevel="error" version="1.0">
  <clients><client host="localhost" use_controller_vm="true" maxusers="100"/></clients>
  <servers><server host="127.0.0.1" port="${port}" type="tcp"/></servers>
  <load><arrivalphase phase="1" duration="1" unit="second">
    <users maxnumber="1" arrivalrate="1" unit="second"/></arrivalphase></load>
  <sessions><session name="mqtt" probability="100" type="ts_mqtt">
    <request><mqtt type="connect" clean_start="true" keepalive="60" will_topic="w" will_qos="0"
      will_msg="w" will_retain="false"/></request>
    <for from="1" to="${loops}" var="i">
      <request><mqtt type="publish" topic="bench" qos="1" retained="false">${'x'.repeat(64)}</mqtt></request>
    </for>
    <request><mqtt type="disconnect"/></request>
  </session></sessions>
</tsung>
`;
}
