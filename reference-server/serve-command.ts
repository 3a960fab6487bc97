// `wsar serve`: the messaging server under test. This file reads the command line; what runs is in
// serve-session.ts.

import { availableParallelism } from 'node:os';
import type { CommandContext, CommandSpec, OptionSpec } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { parseCount, parseOneOf, parseSizeBytes } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { refusalOf } from '#core/knob/knob-value.ts';
import type { EngineName } from '#core/socket/reactor.ts';
import { GATHER_US_MAX } from '#core/socket/reactor-options.ts';
import { threadCpus } from '#core/socket/ring/affinity.ts';
import {
  ACCESS_OPTIONS,
  type Access,
  readAccess,
} from '#reference-server/access/access-options.ts';
import {
  confAccess,
  confLimits,
  confListening,
  confSnapshot,
  confSysIntervalS,
} from '#reference-server/conf-file/conf-options.ts';
import {
  type MosquittoConf,
  readMosquittoConf,
} from '#reference-server/conf-file/mosquitto-conf.ts';
import {
  DEFAULT_LIMITS,
  memoryLimits,
  type ReceiptMode,
  type ServerLimits,
} from '#reference-server/limits.ts';
import { serve } from '#reference-server/serve-session.ts';
import type { ServerOptions } from '#reference-server/server.ts';
import { SERVER_KNOBS, SYS_INTERVAL_S_MAX, WORKERS_MAX } from '#reference-server/server-knobs.ts';
import {
  readSnapshotOptions,
  SNAPSHOT_OPTIONS,
} from '#reference-server/snapshot/snapshot-options.ts';
import { readTopology } from '#reference-server/topology/host-topology.ts';
import { planPlaces, planText } from '#reference-server/topology/worker-places.ts';
import {
  LISTENER_OPTIONS,
  type Listening,
  readListening,
} from '#reference-server/transport/listener-options.ts';
import { DEFAULT_SETTINGS, type WorkerSettings } from '#reference-server/worker/worker-control.ts';

const CONNECTIONS_MAX = 16_000_000;
const USERS_MAX = 64_000_000;
const MESSAGES_MAX = 256_000_000;
/** More is not given to a semi-space on 64 bits. */
const YOUNG_MIB_MAX = 64;
const MAILBOX_MESSAGES_MAX = 1_000_000;

const OPTIONS: OptionSpec[] = [
  { flags: '-c, --conf <file>', help: 'listeners, logins and limits from a mosquitto.conf' },
  ...LISTENER_OPTIONS,
  ...ACCESS_OPTIONS,
  {
    flags: '--workers <n>',
    help: 'reactor threads (default: one a core)',
    parse: parseCount(1, WORKERS_MAX),
  },
  {
    flags: '--engine <name>',
    help: "'ring', 'epoll', 'net' or 'auto' (default)",
    parse: parseOneOf('ring', 'epoll', 'net', 'auto'),
  },
  {
    flags: '--connections <n>',
    help: `connections at a time (default ${DEFAULT_LIMITS.connectionsMax})`,
    parse: parseCount(1, CONNECTIONS_MAX),
  },
  {
    flags: '--users <n>',
    help: `users known at a time (default ${DEFAULT_LIMITS.usersMax}, at least twice the connections)`,
    parse: parseCount(1, USERS_MAX),
  },
  {
    flags: '--messages <n>',
    help: `messages stored in all (default ${DEFAULT_LIMITS.messagesMax})`,
    parse: parseCount(1, MESSAGES_MAX),
  },
  {
    flags: '--mailbox <n>',
    help: `messages stored for one user (default ${DEFAULT_LIMITS.mailboxMessagesMax})`,
    parse: parseCount(1, MAILBOX_MESSAGES_MAX),
  },
  {
    flags: '--memory <bytes>',
    help: 'what messages, output and parts of packets may take, like 2GiB; new messages are refused from 60 % on',
    parse: parseMemory,
  },
  {
    flags: '--receipts <by>',
    help: "first value of knob receipts: 'server' (default), 'client' or 'none'",
    parse: parseOneOf('server', 'client', 'none'),
  },
  {
    flags: '--flush <when>',
    help: "first value of knob write.flush: 'turn' (default) or 'immediate'",
    parse: parseOneOf('turn', 'immediate'),
  },
  {
    flags: '--arming <how>',
    help: "first value of knob receive.arming: 'poll' (default) or 'recv'",
    parse: parseOneOf('poll', 'recv'),
  },
  {
    flags: '--metrics-port <port>',
    help: 'OpenMetrics at http://127.0.0.1:PORT/metrics; 0 takes a free port',
    parse: parseCount(0, 65_535),
  },
  {
    flags: '--pin <how>',
    help: "workers bound to CPUs: 'auto' (default: where there are several NUMA nodes), 'on' or 'off'",
    parse: parseOneOf('auto', 'on', 'off'),
  },
  {
    flags: '--sys-interval <seconds>',
    help: 'first value of knob sys.interval: how often $SYS is told (default 10; 0 = never)',
    parse: parseCount(0, SYS_INTERVAL_S_MAX),
  },
  ...SNAPSHOT_OPTIONS,
  { flags: '--plan', help: 'print where workers and interrupts belong on this host, and end' },
  {
    flags: '--gather <us>',
    help: 'first value of knob turn.gather, us (default 500)',
    parse: parseCount(0, GATHER_US_MAX),
  },
  {
    flags: '--server-reference <where>',
    help: 'first value of knob drain.reference: where clients go while knob drain is on',
    parse: parseReference,
  },
  {
    flags: '--young <MiB>',
    help: "room for young garbage of each worker's heap, 1 to 64 MiB: rarer collections under load",
    parse: parseCount(1, YOUNG_MIB_MAX),
  },
  { flags: '--json', help: 'the schema, then one row a second, as NDJSON after the ready line' },
];

/** Options that a mosquitto.conf takes the place of. */
const PLACE_OPTIONS = [
  ...['port', 'wsPort', 'tlsPort', 'wssPort', 'unix', 'proxyPort', 'proxyFrom', 'cert', 'key'],
  ...['clientCa', 'wsOrigin', 'passwordFile', 'tokenKey', 'lab', 'profile'],
  ...['aclFile', 'admin', 'sysInterval', 'snapshot', 'snapshotInterval'],
];

export const command: CommandSpec = {
  name: 'serve',
  summary: 'run the messaging server under test',
  options: OPTIONS,
  examples: [
    'wsar serve --port 1883',
    'wsar serve --port 0 --workers 2 --engine net --json',
    'mosquitto_sub -p 1883 -c -i bob -t m/bob -q 1     (another terminal)',
    'mosquitto_pub -p 1883 -t m/bob -q 1 -m hello      (a third one)',
  ],
  run,
};

async function run(context: CommandContext): Promise<ExitCode> {
  if (context.options['plan'] === true) {
    const workers = workerCount(context.options);
    context.out(planText(planPlaces(readTopology(), workers, threadCpus())));
    return EXIT.ok;
  }
  const file = context.options['conf'] as string | undefined;
  const conf = file === undefined ? undefined : readMosquittoConf(file);
  const options = readOptions(context.options, conf);
  for (const notice of conf?.notices ?? []) context.talk(`wsar serve: ${notice}\n`);
  await serve(context, options, context.options['json'] === true);
  return EXIT.ok;
}

/** The checked command line, and the mosquitto.conf it names. Throws WSAR_ERR_USAGE, WSAR_ERR_FILE. */
export function readOptions(given: Record<string, unknown>, conf?: MosquittoConf): ServerOptions {
  const { access, listening } =
    conf === undefined ? readPlaces(given) : readConfPlaces(given, conf);
  const engine = (given['engine'] as EngineName | 'auto' | undefined) ?? 'auto';
  const settings: WorkerSettings = {
    ...DEFAULT_SETTINGS,
    flush: (given['flush'] as WorkerSettings['flush'] | undefined) ?? 'turn',
    arming: (given['arming'] as WorkerSettings['arming'] | undefined) ?? 'poll',
    gatherUs: (given['gather'] as number | undefined) ?? DEFAULT_SETTINGS.gatherUs,
    sysIntervalS:
      (given['sysInterval'] as number | undefined) ??
      (conf === undefined ? DEFAULT_SETTINGS.sysIntervalS : confSysIntervalS(conf)),
  };
  const workers = workerCount(given);
  const metricsPort = given['metricsPort'] as number | undefined;
  const pin = (given['pin'] as ServerOptions['pin']) ?? 'auto';
  const limits = readLimits(given, access.purpose);
  const own = conf === undefined ? limits : confLimits(conf, limits);
  const youngMib = given['young'] as number | undefined;
  const snapshot = conf === undefined ? readSnapshotOptions(given) : confSnapshot(conf);
  const reference = given['serverReference'] as string | undefined;
  const more = { pin, metricsPort, youngMib, snapshot, reference };
  return { ...listening, workers, engine, limits: own, settings, access, ...more };
}

/** Where to listen and who may log in. */
interface Places {
  access: Access;
  listening: Listening;
}

function readPlaces(given: Record<string, unknown>): Places {
  const access = readAccess(given);
  const hasLogin = access.rules.login !== undefined;
  return { access, listening: readListening(given, access.purpose, hasLogin) };
}

function readConfPlaces(given: Record<string, unknown>, conf: MosquittoConf): Places {
  const own = PLACE_OPTIONS.filter((option) => given[option] !== undefined);
  if (own.length > 0) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      'with -c the file says where to listen and who may log in',
      'write it there, or leave -c away',
    );
  }
  const access = confAccess(conf);
  const listening = confListening(conf, access.rules.login !== undefined, {
    mayBeOpen: given['iKnowAnyoneCanLogIn'] === true,
    mayBePlain: given['iKnowItIsNotEncrypted'] === true,
  });
  return { access, listening };
}

/** Less would refuse the first messages of a window of large packets. */
const MEMORY_BYTES_MIN = 16 * 1024 * 1024;

function parseMemory(text: string): number {
  const bytes = parseSizeBytes(text);
  if (bytes >= MEMORY_BYTES_MIN) return bytes;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--memory ${text} is less than the server needs`,
    'give at least 16MiB',
  );
}

function parseReference(text: string): string {
  const def = SERVER_KNOBS.find(({ name }) => name === 'drain.reference')!;
  const refused = refusalOf(def, text);
  if (refused === undefined) return text;
  throw new WsarError('WSAR_ERR_USAGE', `--server-reference: ${refused}`, 'give a host and port');
}

function workerCount(given: Record<string, unknown>): number {
  return (given['workers'] as number | undefined) ?? Math.min(WORKERS_MAX, availableParallelism());
}

function readLimits(given: Record<string, unknown>, purpose: Access['purpose']): ServerLimits {
  const count = (name: string, otherwise: number): number =>
    (given[name] as number | undefined) ?? otherwise;
  const connectionsMax = count('connections', DEFAULT_LIMITS.connectionsMax);
  const limits: ServerLimits = {
    ...DEFAULT_LIMITS,
    // Paho's suite wants to see the server shorten a keep-alive of 120 s to this.
    ...(purpose === 'conformance' ? { keepAliveMaxS: 60 } : {}),
    connectionsMax,
    usersMax: count('users', Math.max(DEFAULT_LIMITS.usersMax, 2 * connectionsMax)),
    messagesMax: count('messages', DEFAULT_LIMITS.messagesMax),
    mailboxMessagesMax: count('mailbox', DEFAULT_LIMITS.mailboxMessagesMax),
    receipts: {
      ...DEFAULT_LIMITS.receipts,
      mode: (given['receipts'] as ReceiptMode | undefined) ?? DEFAULT_LIMITS.receipts.mode,
    },
  };
  const memory = given['memory'] as number | undefined;
  return memory === undefined ? limits : memoryLimits(limits, memory);
}
