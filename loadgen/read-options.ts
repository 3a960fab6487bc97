// The command line of `wsar load` as one checked plan: what is missing, and what does not go together, is told here
// in one sentence, before anything starts.

import { availableParallelism } from 'node:os';
import { WsarError } from '#core/errors.ts';
import type { EngineName } from '#core/socket/reactor.ts';
import type { TcpKnobs } from '#core/socket/stack/tcp-knobs.ts';
import { whyNoOpenssl } from '#core/socket/tls/openssl.ts';
import type { AddressBlock } from '#loadgen/address-block.ts';
import { requireCeiling } from '#loadgen/ceiling/ceiling-reach.ts';
import { worldPeakHour } from '#loadgen/country-map.ts';
import { readHosts } from '#loadgen/hosts/hosts-options.ts';
import type { MediaKind } from '#loadgen/http/media-sizes.ts';
import type { Arrivals } from '#loadgen/load-option-list.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { plainNetwork, type UserNetwork } from '#loadgen/network-mix.ts';
import { type People, regionOfCountry, settledCountries } from '#loadgen/people.ts';
import { type PortAsk, USUAL_PORTS } from '#loadgen/port-plan.ts';
import { planMs, type RatePlan, rateSteps, type Spike, type Stage } from '#loadgen/rate-plan.ts';
import { type SessionPlan, USUAL_AWAY_MS } from '#loadgen/session-clock.ts';
import { NO_SLOW_READERS } from '#loadgen/slow-readers.ts';
import { type ReturnPolicy, STORMS_MAX, type Storm, USUAL_RETURN } from '#loadgen/storm.ts';
import { isTls, mergeTargets, type Target } from '#loadgen/target.ts';
import type { Threshold } from '#loadgen/threshold.ts';
import type { Framing } from '#loadgen/transport/echo-layer.ts';
import { readModel } from '#loadgen/user-model.ts';
import { USERS_MAX } from '#loadgen/user-packets.ts';
import { planWire, type WirePlan } from '#loadgen/wire-plan.ts';

/** What an HTTP target can have: autocannon knows no plan, no seed and no population. */
const HTTP_OPTIONS: ReadonlySet<string> = new Set([
  ...['target', 'iOwnThisTarget', 'connections', 'duration', 'rate', 'upload', 'calibrate'],
  ...['failIf', 'hlog', 'json'],
]);
/** Where a search begins unless --rate says so. */
const SEARCH_START_PER_S = 500;

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
  const targets = [given['target'] ?? []].flat() as Target[];
  const isHttp = targets[0]?.scheme.startsWith('http') === true;
  requirePossible({ ratePerS, connections, isHttp, firstUser, isSearch: findMax !== undefined });
  // A worker without users would have nothing to do.
  const workers = Math.min(connections, (given['workers'] as number | undefined) ?? usualWorkers());
  required(given, 'target', '--target mqtt://127.0.0.1:1883');
  const target = mergeTargets(targets);
  const seed = (given['seed'] as number | undefined) ?? 1;
  const wire = readWire(given, target, seed);
  refuseForEcho(given, target, wire.echo === undefined);
  // Before the engine: what several hosts cannot do is no reason to ask for another one.
  const hosts = readHosts(given, connections);
  refuseForStack(given);
  const engine = readEngine(given, wire);
  if (given['calibrate'] === true) requireCeiling(isTls(target));
  return {
    target,
    wire,
    segment: undefined,
    isOwned: given['iOwnThisTarget'] === true,
    connections,
    ratePerS,
    model: readModel(given),
    sessions: readComings(given),
    process: arrivals?.process ?? 'poisson',
    trace: arrivals?.trace,
    ratePlan,
    durationMs: planMs(ratePlan),
    rampPerS: (given['ramp'] as number | undefined) ?? Number.POSITIVE_INFINITY,
    payloadBytes: (given['payload'] as number | undefined) ?? 64,
    payloadFactors: (given['payloadFactors'] as readonly number[] | undefined) ?? [1],
    people: given['people'] as People | undefined,
    mediaRatio: (given['media'] as number | undefined) ?? 0,
    ...readMedia(given),
    uploadBytes: (given['upload'] as number | undefined) ?? 0,
    seed,
    firstUser,
    isRoomChecked: given['memory'] !== 'watched',
    engine,
    workers,
    areWorkersAsked: given['workers'] !== undefined,
    sources: given['sources'] as AddressBlock[] | undefined,
    ports: (given['ports'] as PortAsk | undefined) ?? USUAL_PORTS,
    network: readNetwork(given),
    tcp: readTcp(given),
    slow: (given['slowReaders'] as LoadOptions['slow'] | undefined) ?? NO_SLOW_READERS,
    keepAliveMs: (given['keepalive'] as number | undefined) ?? 60_000,
    isCleanSession: readSessions(given) === 'clean',
    ...readReceipts(given['receipts'] as string | undefined),
    drainMs: (given['drain'] as number | undefined) ?? 10_000,
    failIf: (given['failIf'] as Threshold[] | undefined) ?? [],
    findMax,
    hlogFile: given['hlog'] as string | undefined,
    storms: readStorms(given, planMs(ratePlan)),
    returnPolicy: (given['return'] as ReturnPolicy | undefined) ?? USUAL_RETURN,
    scenario: given['scenario'] as string | undefined,
    calibrate: given['calibrate'] === true,
    hosts,
    latenessUsMax: ((given['latenessMax'] as number | undefined) ?? 10) * 1000,
  };
}

/** Threads of a load that was told nothing: half of the cores, the other half is the target's. */
export function usualWorkers(): number {
  return Math.max(1, Math.floor(availableParallelism() / 2));
}

/** Throws WSAR_ERR_USAGE for files that nothing is known of. */
function readMedia(
  given: Record<string, unknown>,
): Pick<LoadOptions, 'mediaTarget' | 'mediaKinds'> {
  const mediaTarget = given['mediaTarget'] as Target | undefined;
  const mediaKinds = (given['mediaKinds'] as readonly MediaKind[] | undefined) ?? [];
  const hasMedia = ((given['media'] as number | undefined) ?? 0) > 0 && mediaKinds.length > 0;
  if (mediaTarget === undefined || hasMedia) return { mediaTarget, mediaKinds };
  throw new WsarError(
    'WSAR_ERR_USAGE',
    'this load has no messages with media, so nothing goes to --media-target',
    'take --scenario whatsapp-2014, which says what the files are, and no --media 0',
  );
}

function readReceipts(
  by = 'server',
): Pick<LoadOptions, 'receipts' | 'receiptsAsTold' | 'clientReceipts'> {
  return {
    receipts: by !== 'off' && by !== 'none',
    receiptsAsTold: by === 'auto',
    clientReceipts: by === 'client',
  };
}

/** Throws WSAR_ERR_USAGE for numbers that make no load. */
function requirePossible(numbers: {
  ratePerS: number;
  connections: number;
  isHttp: boolean;
  firstUser: number;
  isSearch: boolean;
}): void {
  const { ratePerS, connections, isHttp, firstUser, isSearch } = numbers;
  if (ratePerS > 0 && connections < 2 && !isHttp) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      'one user has nobody to write to',
      'take --connections 2 or more, or no --rate',
    );
  }
  if (isSearch && ratePerS === 0) {
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
  const people = given['people'] as People | undefined;
  const users = given['connections'] as number;
  const countries = settledCountries(people?.countries ?? [], users);
  const asked = (given['spike'] as Spike[] | undefined) ?? [];
  const hasPeak = asked.some(({ startMs }) => Number.isNaN(startMs));
  if (hasPeak && dayMs === undefined) refuse('a spike at the peak needs a day', 'add --day 24m');
  const peakMs = dayMs === undefined ? 0 : (worldPeakHour(countries) / 24) * dayMs;
  const spikes = asked.map((spike) => ({
    ...spike,
    startMs: Number.isNaN(spike.startMs) ? peakMs : spike.startMs,
  }));
  const hasShape = stages !== undefined || dayMs !== undefined || spikes.length > 0;
  if (hasShape && isSearch)
    refuse('--find-max plans the rate itself', 'leave --stages, --day and --spike out');
  const refuseLate = (endMs: number): void => {
    const late = spikes.find(({ startMs }) => startMs >= endMs);
    if (late !== undefined) throw behindTheEnd('--spike', late.startMs, endMs);
  };
  if (stages !== undefined) {
    const wrong = ['rate', 'duration'].find((name) => given[name] !== undefined);
    if (wrong !== undefined) refuse(`--stages has a ${wrong} of its own`, `leave --${wrong} out`);
    refuseLate(stages.reduce((sum, { ms }) => sum + ms, 0));
    return { stages, dayMs, countries, spikes };
  }
  const usual = isSearch ? SEARCH_START_PER_S : (arrivals?.trace?.ratePerS ?? 0);
  const rate = (given['rate'] as number | undefined) ?? usual;
  const ms = required<number>(given, 'duration', '--duration 30s');
  refuseLate(ms);
  return { stages: [{ ms, fromPerS: rate, toPerS: rate }], dayMs, countries, spikes };
}

/** How users come and go. Throws WSAR_ERR_USAGE. */
function readComings(given: Record<string, unknown>): SessionPlan | undefined {
  const sessionMs = given['sessionLength'] as number | undefined;
  const awayMs = given['away'] as number | undefined;
  const refuse = (message: string, hint: string): never => {
    throw new WsarError('WSAR_ERR_USAGE', message, hint);
  };
  if (sessionMs === undefined) {
    if (awayMs !== undefined) refuse('--away is between two sessions', 'add --session-length 10m');
    return undefined;
  }
  if (given['model'] !== undefined && given['model'] !== 'open') {
    refuse(`--session-length does not fit --model ${given['model']}`, 'leave it out');
  }
  return { sessionMs, awayMs: awayMs ?? USUAL_AWAY_MS };
}

/** In order of time. Throws WSAR_ERR_USAGE for too many, and for one that would never come. */
function readStorms(given: Record<string, unknown>, durationMs: number): Storm[] {
  const storms = (given['storm'] as Storm[] | undefined) ?? [];
  if (storms.length > STORMS_MAX) {
    throw new WsarError('WSAR_ERR_USAGE', 'so many storms are too many', `at most ${STORMS_MAX}`);
  }
  const late = storms.find(({ atMs }) => atMs >= durationMs);
  if (late !== undefined) throw behindTheEnd('--storm', late.atMs, durationMs);
  const people = given['people'] as People | undefined;
  const users = given['connections'] as number;
  const settled = storms.map((storm) => {
    if (storm.country === undefined) return storm;
    const region = regionOfCountry(people, users, storm.country);
    if (region !== undefined) return { ...storm, share: region.count / users };
    const known = settledCountries(people?.countries ?? [], users).map(({ code }) => code);
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `nobody of this population lives in ${storm.country}`,
      known.length === 0
        ? 'take a scenario with countries, and more users'
        : `take ${known.join(', ')}`,
    );
  });
  return settled.sort((a, b) => a.atMs - b.atMs);
}

/** It would be left out without a word. */
function behindTheEnd(option: string, atMs: number, durationMs: number): WsarError {
  return new WsarError(
    'WSAR_ERR_USAGE',
    `${option} begins after ${atMs / 1000} s, when the steady phase of ${durationMs / 1000} s is over`,
    'let it begin earlier, or take a longer --duration (or --stages)',
  );
}

/** What a population has and users of a server that echoes, or HTTP clients, have not. Throws WSAR_ERR_USAGE. */
function refuseForEcho(given: Record<string, unknown>, target: Target, speaksMqtt: boolean): void {
  const refuse = (message: string, hint: string): never => {
    throw new WsarError('WSAR_ERR_USAGE', message, hint);
  };
  if (!target.scheme.startsWith('http')) {
    const own = speaksMqtt ? undefined : ['receipts', 'sessions'].find((name) => given[name]);
    if (own !== undefined) refuse(`--${own} is for MQTT targets`, 'leave it out');
    if (given['upload'] !== undefined) refuse('--upload is for http:// targets', 'take --payload');
    return;
  }
  const wrong = Object.keys(given).find(
    (name) => given[name] !== undefined && !HTTP_OPTIONS.has(name),
  );
  if (wrong !== undefined) {
    const option = wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    refuse(
      `--${option} is not for http:// targets`,
      'autocannon sends there; leave the option out',
    );
  }
  const late = ((given['failIf'] as Threshold[] | undefined) ?? []).find(
    ({ figure }) => figure.kind === 'timing' && figure.timing === 'lateness',
  );
  if (late !== undefined) {
    refuse(
      `'${late.text}' cannot be judged at http:// targets: autocannon plans no request`,
      'take latency or service',
    );
  }
  if (target.ports.length > 1) {
    refuse(`${target.text} has several ports, and autocannon sends to one`, 'name one port');
  }
}

/** What engine stack has not. Throws WSAR_ERR_USAGE. */
function refuseForStack(given: Record<string, unknown>): void {
  if (given['engine'] !== 'stack' || given['ports'] === undefined) return;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    '--ports is for kernel sockets: clients of engine stack have all ports of their addresses',
    'leave it out',
  );
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

/** Engine net speaks TLS by node:tls, the others by OpenSSL. Throws WSAR_ERR_USAGE where that cannot be called. */
function readEngine(given: Record<string, unknown>, wire: WirePlan): EngineName | 'auto' {
  const engine = (given['engine'] as EngineName | 'auto' | undefined) ?? 'auto';
  const lack = wire.tls === undefined || engine === 'net' ? undefined : whyNoOpenssl();
  if (lack === undefined) return engine;
  if (engine === 'auto') return 'net';
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `engine ${engine} cannot speak TLS here: ${lack}`,
    'take --engine net, or leave it out',
  );
}

/** What --network, or --rtt, --jitter and --loss say; undefined without them. Throws WSAR_ERR_USAGE. */
function readNetwork(given: Record<string, unknown>): readonly UserNetwork[] | undefined {
  const mix = given['network'] as UserNetwork[] | undefined;
  const names = ['rtt', 'jitter', 'loss'] as const;
  const first = names.find((name) => given[name] !== undefined);
  if (first === undefined && mix === undefined) return undefined;
  const refuse = (message: string, hint: string): never => {
    throw new WsarError('WSAR_ERR_USAGE', message, hint);
  };
  if (given['engine'] !== 'stack') {
    refuse(`--${first ?? 'network'} needs clients whose network is ours`, 'add --engine stack');
  }
  if (first !== undefined && mix !== undefined) {
    refuse(
      `--network says what --${first} says`,
      `write it there, like 'rtt 80ms', or leave it out`,
    );
  }
  if (mix !== undefined) return mix;
  const [rtt, jitter, loss] = names.map((name) => (given[name] as number | undefined) ?? 0);
  return [plainNetwork(rtt!, jitter!, loss!)];
}

/** Throws WSAR_ERR_USAGE for an engine whose TCP is the kernel's. */
function readTcp(given: Record<string, unknown>): Partial<TcpKnobs> | undefined {
  const tcp = given['tcp'] as Partial<TcpKnobs> | undefined;
  if (tcp === undefined || given['engine'] === 'stack') return tcp;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    '--tcp needs clients whose TCP is ours',
    'add --engine stack',
  );
}

/** What an option says. Throws WSAR_ERR_USAGE where it is absent. */
export function required<T>(given: Record<string, unknown>, name: string, like: string): T {
  if (given[name] === undefined) {
    throw new WsarError('WSAR_ERR_USAGE', `--${name} is missing`, `add for example ${like}`);
  }
  return given[name] as T;
}

/** Throws WSAR_ERR_USAGE: with MQTT 5 a session is kept by its expiry, which our logins do not ask for. */
function readSessions(given: Record<string, unknown>): 'clean' | 'kept' {
  const sessions = (given['sessions'] as 'clean' | 'kept' | undefined) ?? 'clean';
  if (sessions === 'clean' || given['mqtt'] !== '5') return sessions;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    'sessions of MQTT 5 clients are not kept',
    'take --mqtt 3.1.1, or no --sessions',
  );
}
