// `wsar load`: logs in a population of users and lets them talk. This file reads the command line
// and checks that the load is possible, before anything is started; what happens then is in
// load-session.ts.

import { availableParallelism } from 'node:os';
import type { CommandContext, CommandSpec, OptionSpec } from '#core/cli/command.ts';
import type { ExitCode } from '#core/cli/exit-code.ts';
import {
  parseCount,
  parseDurationMs,
  parseOneOf,
  parseRatePerS,
  parseRatio,
  parseSizeBytes,
} from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import type { EngineName } from '#core/socket/reactor.ts';
import { type NetworkProfile, ROUND_TRIP_MS_MAX } from '#core/socket/stack/delay-line.ts';
import { type ArrivalTrace, readTrace } from '#loadgen/arrival-trace.ts';
import type { ArrivalProcess } from '#loadgen/arrivals.ts';
import type { LossPolicy } from '#loadgen/hosts/hosts-run.ts';
import { VIRTUAL_HOSTS_MAX } from '#loadgen/hosts/virtual-hosts.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { runSession } from '#loadgen/load-session.ts';
import {
  parseSpike,
  parseStages,
  planMs,
  type RatePlan,
  rateSteps,
  type Spike,
  type Stage,
} from '#loadgen/rate-plan.ts';
import { RATE_PER_S_MAX } from '#loadgen/rate-schedule.ts';
import { loadScenario, type Scenario, scenarioText } from '#loadgen/scenario/scenario.ts';
import { type AddressBlock, parseBlock } from '#loadgen/source-plan.ts';
import {
  parseReturn,
  parseStorm,
  type ReturnPolicy,
  STORMS_MAX,
  type Storm,
  USUAL_RETURN,
} from '#loadgen/storm.ts';
import { parseTarget, type Target } from '#loadgen/target.ts';
import { parseThreshold, type Threshold } from '#loadgen/threshold.ts';
import { FRAMINGS, type Framing } from '#loadgen/transport/echo-layer.ts';
import { PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN, USERS_MAX } from '#loadgen/user-packets.ts';
import { planWire, type WirePlan } from '#loadgen/wire-plan.ts';

const WORKERS_MAX = 64;
const HOSTS_MAX = 1000;
const UPLOAD_BYTES_MAX = 64 * 2 ** 20;
/** Where a search begins unless --rate says so. */
const SEARCH_START_PER_S = 500;
/** MQTT: the keep-alive has 16 bits of seconds. */
const KEEP_ALIVE_MS_MAX = 65_535_000;

const OPTIONS: OptionSpec[] = [
  {
    flags: '--target <url>',
    help: 'server to load: mqtt:// mqtts:// tcp:// ws:// wss:// http:// (required)',
    parse: parseTarget,
  },
  {
    flags: '--connections <n>',
    help: 'users to log in (required)',
    parse: parseCount(1, USERS_MAX),
  },
  {
    flags: '--duration <time>',
    help: 'length of the steady phase, after everybody is in (required without --stages)',
    parse: atLeast(parseDurationMs, 1, 'a duration'),
  },
  {
    flags: '--rate <rate>',
    help: 'messages of all users together, like 5000/s; none without it',
    parse: parseMessageRate,
  },
  {
    flags: '--arrivals <process>',
    help: "gaps between messages: 'poisson' (default), 'constant', 'bursts', or trace:FILE",
    parse: parseArrivals,
  },
  {
    flags: '--scenario <name>',
    help: "population that gives what is not said: 'whatsapp-2014', or a file like ./mine.ts",
  },
  {
    flags: '--stages <list>',
    help: "rate over time instead of --rate, like '30s@1000/s, 60s@1000..5000/s'; gives the duration",
    parse: parseStages,
  },
  {
    flags: '--day <time>',
    help: 'the rate follows a day compressed to this time (peak 1.55 times the mean)',
    parse: atLeast(parseDurationMs, 1000, 'a day'),
  },
  {
    flags: '--spike <spike>',
    help: "more for a while, like '35%@60s/30s/5m' (share, start, rise, decay); may be repeated",
    parse: parseSpike,
    repeat: true,
  },
  {
    flags: '--storm <storm>',
    help: "cut a share of the users off at a time of the steady phase, like '50%@10s'; may be repeated",
    parse: parseStorm,
    repeat: true,
  },
  {
    flags: '--return <policy>',
    help: "how users come back: 'fixed:500ms' (default), 'backoff:1s' or 'beta:60s'",
    parse: parseReturn,
  },
  {
    flags: '--protocol <tcp|ws>',
    help: 'what carries MQTT: TCP (default), or WebSocket',
    parse: parseOneOf('tcp', 'ws'),
  },
  {
    flags: '--mqtt <version>',
    help: "version of MQTT: '3.1.1' (default) or '5'",
    parse: parseOneOf('3.1.1', '5'),
  },
  {
    flags: '--framing <name>',
    help: "messages of a tcp:// target: 'length' (u32 before each, default) or 'line'",
    parse: parseOneOf(...FRAMINGS),
  },
  {
    flags: '--upload <size>',
    help: 'body of each request to an http:// target (POST); GET without it',
    parse: parseUpload,
  },
  { flags: '--cafile <file>', help: 'PEM of the authority that signed the certificate (TLS)' },
  { flags: '--insecure', help: 'take any certificate (TLS)' },
  {
    flags: '--ramp <rate>',
    help: 'logins, like 2000/s; as fast as the target answers without it',
    parse: parseRampRate,
  },
  {
    flags: '--payload <size>',
    help: `size of a message, at least ${PAYLOAD_BYTES_MIN} B (default 64 B)`,
    parse: parsePayload,
  },
  {
    flags: '--seed <n>',
    help: 'fixes who writes to whom and when (default 1)',
    parse: parseCount(0, 0xffffffff),
  },
  {
    flags: '--first-user <n>',
    help: 'number of the first user, for a second load on the same target (default 0)',
    parse: parseCount(0, USERS_MAX),
  },
  {
    flags: '--engine <name>',
    help: "'ring', 'epoll', 'net', 'auto' (default), or 'stack': clients without sockets (root)",
    parse: parseOneOf('ring', 'epoll', 'net', 'stack', 'auto'),
  },
  {
    flags: '--workers <n>',
    help: 'threads (default: half of the cores)',
    parse: parseCount(1, WORKERS_MAX),
  },
  {
    flags: '--sources <block>',
    help: 'addresses that connections come from (default: 127.1.0.0/16 for a target on loopback)',
    parse: parseBlock,
  },
  {
    flags: '--rtt <time>',
    help: 'round trip of every client, like 80ms (engine stack)',
    parse: parseDurationMs,
  },
  {
    flags: '--jitter <time>',
    help: 'spread of the round trip, like 20ms (engine stack)',
    parse: parseDurationMs,
  },
  {
    flags: '--loss <share>',
    help: 'packets that are lost, each way, like 1% (engine stack)',
    parse: parseRatio,
  },
  {
    flags: '--keepalive <time>',
    help: 'MQTT keep-alive; 0s = none (default 60s)',
    parse: parseKeepAlive,
  },
  {
    flags: '--receipts <on|off>',
    help: 'subscribe to r/<uid> for second check marks too (default on)',
    parse: parseOneOf('on', 'off'),
  },
  {
    flags: '--drain <time>',
    help: 'longest wait at the end for messages on their way (default 10s)',
    parse: parseDurationMs,
  },
  {
    flags: '--lateness-max <time>',
    help: 'invalid when 1 message in 100 leaves later than this (default 10ms)',
    parse: atLeast(parseDurationMs, 0.001, 'a time'),
  },
  {
    flags: '--fail-if <rule>',
    help: "exit 10 when the rule is true at the end, like 'latency.p99 > 50ms'; may be repeated",
    parse: parseThreshold,
    repeat: true,
  },
  {
    flags: '--find-max <rule>',
    help: "search the highest rate that holds the rule, like 'p99 < 50ms', from --rate on",
    parse: parseThreshold,
  },
  {
    flags: '--hosts <n>',
    help: 'let this many agents (wsar agent) of the lab carry the load out',
    parse: parseCount(1, HOSTS_MAX),
  },
  {
    flags: '--virtual-hosts <n>',
    help: 'the same with agents in network namespaces of this machine, made for the run (root)',
    parse: parseCount(1, VIRTUAL_HOSTS_MAX),
  },
  {
    flags: '--on-loss <policy>',
    help: "when an agent dies: 'abort' (default, exit 13), 'degrade' or 'replace' (by a spare one)",
    parse: parseOneOf('abort', 'degrade', 'replace'),
  },
  { flags: '--hlog <file>', help: 'histograms of each second, in the log format of HdrHistogram' },
  {
    flags: '--calibrate',
    help: 'first measure what the generator can do against a server that does nothing',
  },
  { flags: '--i-own-this-target', help: 'allow a target that is not on this host' },
  { flags: '--json', help: 'one row a second as JSON, the summary as the last line' },
];

export const command: CommandSpec = {
  name: 'load',
  summary: 'log in a population of users and let them talk',
  options: OPTIONS,
  examples: [
    'wsar load --target mqtt://127.0.0.1:1883 --connections 20000 --rate 5000/s --duration 30s',
    'wsar load --target mqtt://127.0.0.1:1883 --connections 100000 --duration 5m --ramp 5000/s --json',
  ],
  run,
};

async function run(context: CommandContext): Promise<ExitCode> {
  const { options } = context;
  const name = options['scenario'] as string | undefined;
  if (name === undefined) return await runSession(context, readOptions(options));
  const scenario = await loadScenario(name);
  const filled = fillIn(options, scenario);
  context.talk(scenarioText(scenario));
  return await runSession({ ...context, options: filled }, readOptions(filled));
}

/** What the command line says, and where it says nothing, the scenario. */
function fillIn(given: Record<string, unknown>, scenario: Scenario): Record<string, unknown> {
  const users = required<number>(given, 'connections', '--connections 1000');
  const hasRate = given['stages'] !== undefined || given['findMax'] !== undefined;
  return {
    arrivals: { process: scenario.arrivals },
    payload: Math.max(PAYLOAD_BYTES_MIN, Math.min(PAYLOAD_BYTES_MAX, scenario.payloadBytes)),
    keepalive: scenario.keepAliveMs,
    ...(hasRate ? {} : { rate: scenario.messagesPerUserPerS * users }),
    ...given,
  };
}

/**
 * The checked command line as plain data. Throws WSAR_ERR_USAGE when something required is absent.
 */
export function readOptions(given: Record<string, unknown>): LoadOptions {
  const connections = required<number>(given, 'connections', '--connections 1000');
  const findMax = given['findMax'] as Threshold | undefined;
  const arrivals = given['arrivals'] as Arrivals | undefined;
  const ratePlan = readRatePlan(given, arrivals, findMax !== undefined);
  const ratePerS = rateSteps(ratePlan)[0]!.ratePerS;
  const firstUser = (given['firstUser'] as number | undefined) ?? 0;
  const isHttp = (given['target'] as Target | undefined)?.scheme.startsWith('http') === true;
  if (ratePerS > 0 && connections < 2 && !isHttp) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      'one user has nobody to write to',
      'take --connections 2 or more, or no --rate',
    );
  }
  if (findMax !== undefined && ratePerS === 0) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      'a search cannot begin at a rate of 0',
      'take another --rate',
    );
  }
  if (firstUser + connections > USERS_MAX) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `users ${firstUser} to ${firstUser + connections - 1} are more than eight digits can name`,
      `the last number is ${USERS_MAX - 1}`,
    );
  }
  const cores = Math.max(1, Math.floor(availableParallelism() / 2));
  const target = required<Target>(given, 'target', '--target mqtt://127.0.0.1:1883');
  const seed = (given['seed'] as number | undefined) ?? 1;
  const wire = readWire(given, target, seed);
  refuseForHttp(given, wire.isHttp);
  return {
    target,
    wire,
    segment: undefined,
    isOwned: given['iOwnThisTarget'] === true,
    connections,
    ratePerS,
    process: arrivals?.process ?? 'poisson',
    trace: arrivals?.trace,
    ratePlan,
    durationMs: planMs(ratePlan),
    rampPerS: (given['ramp'] as number | undefined) ?? Number.POSITIVE_INFINITY,
    payloadBytes: (given['payload'] as number | undefined) ?? 64,
    uploadBytes: (given['upload'] as number | undefined) ?? 0,
    seed,
    firstUser,
    engine: readEngine(given, wire),
    // A worker without users would have nothing to do.
    workers: Math.min(connections, (given['workers'] as number | undefined) ?? cores),
    sources: given['sources'] as AddressBlock | undefined,
    network: readNetwork(given),
    keepAliveMs: (given['keepalive'] as number | undefined) ?? 60_000,
    receipts: given['receipts'] !== 'off',
    drainMs: (given['drain'] as number | undefined) ?? 10_000,
    failIf: (given['failIf'] as Threshold[] | undefined) ?? [],
    findMax,
    hlogFile: given['hlog'] as string | undefined,
    storms: readStorms(given),
    returnPolicy: (given['return'] as ReturnPolicy | undefined) ?? USUAL_RETURN,
    scenario: given['scenario'] as string | undefined,
    calibrate: given['calibrate'] === true,
    hosts: readHosts(given, connections),
    latenessUsMax: ((given['latenessMax'] as number | undefined) ?? 10) * 1000,
  };
}

/** Throws WSAR_ERR_USAGE for a plan that contradicts itself. */
function readRatePlan(
  given: Record<string, unknown>,
  arrivals: Arrivals | undefined,
  isSearch: boolean,
): RatePlan {
  const refuse = (message: string, hint: string): never => {
    throw new WsarError('WSAR_ERR_USAGE', message, hint);
  };
  const stages = given['stages'] as Stage[] | undefined;
  const dayMs = given['day'] as number | undefined;
  const spikes = (given['spike'] as Spike[] | undefined) ?? [];
  const hasShape = stages !== undefined || dayMs !== undefined || spikes.length > 0;
  if (hasShape && isSearch)
    refuse('--find-max plans the rate itself', 'leave --stages, --day and --spike out');
  if (stages !== undefined) {
    const wrong = ['rate', 'duration'].find((name) => given[name] !== undefined);
    if (wrong !== undefined) refuse(`--stages has a ${wrong} of its own`, `leave --${wrong} out`);
    return { stages, dayMs, spikes };
  }
  const usual = isSearch ? SEARCH_START_PER_S : (arrivals?.trace?.ratePerS ?? 0);
  const rate = (given['rate'] as number | undefined) ?? usual;
  const ms = required<number>(given, 'duration', '--duration 30s');
  return { stages: [{ ms, fromPerS: rate, toPerS: rate }], dayMs, spikes };
}

interface Arrivals {
  process: ArrivalProcess;
  trace?: ArrivalTrace;
}

/** 'poisson', 'constant', 'bursts', 'trace:FILE'. */
function parseArrivals(text: string): Arrivals {
  if (text.startsWith('trace:')) {
    return { process: 'trace', trace: readTrace(text.slice('trace:'.length)) };
  }
  return { process: parseOneOf('poisson', 'constant', 'bursts')(text) };
}

/** In order of time. Throws WSAR_ERR_USAGE for too many. */
function readStorms(given: Record<string, unknown>): Storm[] {
  const storms = (given['storm'] as Storm[] | undefined) ?? [];
  if (storms.length > STORMS_MAX) {
    throw new WsarError('WSAR_ERR_USAGE', 'so many storms are too many', `at most ${STORMS_MAX}`);
  }
  return [...storms].sort((a, b) => a.atMs - b.atMs);
}

/** Throws WSAR_ERR_USAGE for what several hosts cannot do. */
function readHosts(given: Record<string, unknown>, connections: number): LoadOptions['hosts'] {
  const refuse = (message: string, hint: string): never => {
    throw new WsarError('WSAR_ERR_USAGE', message, hint);
  };
  const virtual = given['virtualHosts'] as number | undefined;
  const count = virtual ?? (given['hosts'] as number | undefined);
  const policy = (given['onLoss'] as LossPolicy | undefined) ?? 'abort';
  if (count === undefined) {
    if (given['onLoss'] !== undefined) refuse('--on-loss is for several hosts', 'add --hosts N');
    return undefined;
  }
  if (virtual !== undefined && given['hosts'] !== undefined) {
    refuse('--hosts and --virtual-hosts are two ways to say one thing', 'take one of them');
  }
  if (connections < count)
    refuse(`${connections} users are fewer than ${count} hosts`, 'take more');
  const single = ['findMax', 'calibrate'].find((name) => given[name] !== undefined);
  if (single !== undefined) refuse('--find-max and --calibrate are for one host', 'leave them out');
  if ((given['arrivals'] as Arrivals | undefined)?.trace !== undefined) {
    refuse('a trace cannot be sent to agents', 'take another process, or one host');
  }
  if (given['engine'] === 'stack') refuse('engine stack is for one host', 'take another engine');
  return { count, isVirtual: virtual !== undefined, policy };
}

/** What a population has and HTTP clients have not. Throws WSAR_ERR_USAGE. */
function refuseForHttp(given: Record<string, unknown>, isHttp: boolean): void {
  const population = [
    ...['scenario', 'storm', 'return'],
    ...['findMax', 'calibrate', 'arrivals', 'ramp', 'engine', 'sources', 'payload'],
    ...['stages', 'day', 'spike', 'hosts', 'virtualHosts'],
  ];
  const wrong = population.find((name) => given[name] !== undefined);
  if (isHttp && wrong !== undefined) {
    const option = wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--${option} is not for http:// targets`,
      'autocannon sends there; leave the option out',
    );
  }
  if (!isHttp && given['upload'] !== undefined) {
    throw new WsarError('WSAR_ERR_USAGE', '--upload is for http:// targets', 'take --payload');
  }
}

function readWire(given: Record<string, unknown>, target: Target, seed: number): WirePlan {
  return planWire({
    target,
    protocol: given['protocol'] as 'tcp' | 'ws' | undefined,
    version: given['mqtt'] as '3.1.1' | '5' | undefined,
    framing: given['framing'] as Framing | undefined,
    cafile: given['cafile'] as string | undefined,
    isInsecure: given['insecure'] === true,
    seed,
  });
}

/** TLS is spoken by engine net. Throws WSAR_ERR_USAGE for another one. */
function readEngine(given: Record<string, unknown>, wire: WirePlan): EngineName | 'auto' {
  const engine = (given['engine'] as EngineName | 'auto' | undefined) ?? 'auto';
  if (wire.tls === undefined) return engine;
  if (engine === 'auto' || engine === 'net') return 'net';
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `engine ${engine} speaks no TLS`,
    'take --engine net, or leave it out',
  );
}

/** What --rtt, --jitter and --loss say; undefined without them. Throws WSAR_ERR_USAGE. */
function readNetwork(given: Record<string, unknown>): NetworkProfile | undefined {
  const names = ['rtt', 'jitter', 'loss'] as const;
  const first = names.find((name) => given[name] !== undefined);
  if (first === undefined) return undefined;
  const [rtt, jitter, loss] = names.map((name) => (given[name] as number | undefined) ?? 0);
  const refuse = (message: string, hint: string): never => {
    throw new WsarError('WSAR_ERR_USAGE', message, hint);
  };
  if (given['engine'] !== 'stack') {
    refuse(`--${first} needs clients whose network is ours`, 'add --engine stack');
  }
  if (rtt! + jitter! > ROUND_TRIP_MS_MAX) {
    refuse(
      'the round trip is too long',
      `rtt and jitter together are at most ${ROUND_TRIP_MS_MAX} ms`,
    );
  }
  if (jitter! > rtt!) refuse('the jitter is larger than the round trip', 'take a larger --rtt');
  if (loss! >= 1) refuse('a network that loses everything is none', 'take for example --loss 1%');
  const seed = (given['seed'] as number | undefined) ?? 1;
  return { roundTripMs: rtt!, jitterMs: jitter!, lossRatio: loss!, seed };
}

function required<T>(given: Record<string, unknown>, name: string, like: string): T {
  if (given[name] === undefined) {
    throw new WsarError('WSAR_ERR_USAGE', `--${name} is missing`, `add for example ${like}`);
  }
  return given[name] as T;
}

function atLeast(
  parse: (text: string) => number,
  min: number,
  what: string,
): (text: string) => number {
  return (text) => {
    const value = parse(text);
    if (value >= min) return value;
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is too short for ${what} here`,
      'take a longer one',
    );
  };
}

function parseMessageRate(text: string): number {
  const ratePerS = parseRatePerS(text);
  if (ratePerS <= RATE_PER_S_MAX) return ratePerS;
  throw new WsarError('WSAR_ERR_USAGE', `'${text}' is too fast`, `at most ${RATE_PER_S_MAX}/s`);
}

function parseRampRate(text: string): number {
  const ratePerS = parseRatePerS(text);
  if (ratePerS > 0) return ratePerS;
  throw new WsarError('WSAR_ERR_USAGE', 'a ramp of 0 logins never ends', 'take for example 1000/s');
}

function parsePayload(text: string): number {
  const bytes = Math.round(parseSizeBytes(text));
  if (bytes >= PAYLOAD_BYTES_MIN && bytes <= PAYLOAD_BYTES_MAX) return bytes;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `a payload of ${text} is not possible`,
    `take ${PAYLOAD_BYTES_MIN} B (it carries send times) to ${PAYLOAD_BYTES_MAX} B`,
  );
}

function parseUpload(text: string): number {
  const bytes = Math.round(parseSizeBytes(text));
  if (bytes >= 1 && bytes <= UPLOAD_BYTES_MAX) return bytes;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `an upload of ${text} is not possible`,
    'take 1 B to 64 MiB',
  );
}

function parseKeepAlive(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === 0 || (ms >= 1000 && ms <= KEEP_ALIVE_MS_MAX)) return ms;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `a keep-alive of ${text} cannot be said in MQTT`,
    'take 0s (none) or 1s to 65535s',
  );
}
