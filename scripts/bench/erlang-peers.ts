// RabbitMQ with its MQTT plugin and ejabberd with mod_mqtt, as Debian has them, without the services that Debian
// would start: the programs run in the foreground from a folder of the bench, with one scheduler for their one core
// and without busy waiting, which both manuals name for hosts that share their CPUs.

import { globSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  type BenchProcess,
  CLIENT_CORE,
  SERVER_CORE,
  startPinned,
} from '#scripts/bench/bench-process.ts';

export const EJABBERD_MODULES = '/usr/lib/*/ejabberd-*/ebin/mod_mqtt.beam';
const SCHEDULERS = '+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none';
const LOOPBACK = '{127,0,0,1}';
/** Messages that may wait for one session: as many as for the others. */
const QUEUE_MESSAGES_MAX = 100_000;

/** A port that was free a moment ago, for programs that cannot be told any. */
export type FreePort = () => Promise<number>;

export interface ErlangPeer {
  child: BenchProcess;
  login: string[];
  end(): Promise<void>;
}

/**
 * Clients come without a name: they are RabbitMQ's own guest, whom it lets in from loopback. RabbitMQ does not start
 * without a port mapper (epmd) and a port for other nodes: both are on 127.0.0.1 and ended with it.
 */
export async function startRabbitmq(
  port: number,
  folder: string,
  freePort: FreePort,
): Promise<ErlangPeer> {
  const config = join(folder, 'rabbitmq.conf');
  const plugins = join(folder, 'enabled_plugins');
  writeFileSync(
    config,
    `listeners.tcp = none\nmqtt.listeners.tcp.1 = 127.0.0.1:${port}\nmqtt.allow_anonymous = true\n` +
      'mqtt.prefetch = 20\nlog.file = false\nlog.console = false\n',
  );
  // What `rabbitmq-plugins enable --offline rabbitmq_mqtt` writes.
  writeFileSync(plugins, '[rabbitmq_mqtt].\n');
  const epmdPort = String(await freePort());
  const epmdArgs = ['-port', epmdPort, '-address', '127.0.0.1'];
  const epmd = startPinned(CLIENT_CORE, 'epmd', epmdArgs, 'SIGTERM');
  const server = '/usr/lib/rabbitmq/bin/rabbitmq-server';
  const child = startPinned(SERVER_CORE, server, [], 'SIGTERM', {
    HOME: folder,
    ERL_EPMD_PORT: epmdPort,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // Its script then becomes the server instead of watching it: the process that is measured is ours.
    RUNNING_UNDER_SYSTEMD: 'true',
    RABBITMQ_NODENAME: `wsar-bench-${port}@localhost`,
    RABBITMQ_DIST_PORT: String(await freePort()),
    RABBITMQ_BASE: folder,
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `${SCHEDULERS} -kernel inet_dist_use_interface ${LOOPBACK}`,
  });
  const end = async (): Promise<void> => {
    await child.end();
    await epmd.end();
  };
  return { child, login: [], end };
}

/** Nobody comes without an account: all clients are one, told apart by their client ids, each a session of its own. */
export async function startEjabberd(port: number, folder: string): Promise<ErlangPeer> {
  const config = join(folder, 'ejabberd.yml');
  writeFileSync(
    config,
    `hosts: [localhost]\nloglevel: 1\nauth_method: internal\nlisten:\n` +
      `  - port: ${port}\n    ip: 127.0.0.1\n    module: mod_mqtt\n    backlog: 4096\n` +
      `modules:\n  mod_mqtt:\n    max_queue: ${QUEUE_MESSAGES_MAX}\n`,
  );
  const account = '<<"bench">>,<<"localhost">>,<<"bench">>';
  const register = `{ok, _} = {ejabberd_auth:try_register(${account}), 0}, io:format("account~n")`;
  const args = [
    // As ejabberdctl starts it: kernel polling, processes, modules; not distributed, so without a port mapper.
    ...['+K', 'true', '+P', '250000', ...SCHEDULERS.split(' '), '-noinput'],
    ...['-mnesia', 'dir', `"${join(folder, 'mnesia')}"`, '-s', 'ejabberd', '-eval', register],
  ];
  const child = startPinned(SERVER_CORE, 'erl', args, 'SIGTERM', {
    HOME: folder,
    ERL_LIBS: resolve(globSync(EJABBERD_MODULES)[0]!, '../../..'),
    ERL_MAX_PORTS: '32000',
    ERL_MAX_ETS_TABLES: '1400',
    EJABBERD_CONFIG_PATH: config,
    EJABBERD_LOG_PATH: join(folder, 'ejabberd.log'),
  });
  // It talks before.
  while ((await child.line()) !== 'account');
  return { child, login: ['bench@localhost', 'bench'], end: child.end };
}
