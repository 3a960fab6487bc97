// The target of a load, as typed and as an address. Load goes only where its owner wants it: an
// address that is not loopback needs --i-own-this-target.

import { lookup } from 'node:dns/promises';
import { WsarError } from '#core/errors.ts';
import { isLoopback, parseIpv4 } from '#core/host/ipv4.ts';

/** What the scheme of a target says. */
export const SCHEMES = ['mqtt', 'mqtts', 'ws', 'wss', 'tcp', 'http', 'https'] as const;
export type Scheme = (typeof SCHEMES)[number];

/** Ports of one target. */
export const TARGET_PORTS_MAX = 256;

export interface Target {
  /** As people know it: 'mqtt://127.0.0.1:1883'. */
  text: string;
  scheme: Scheme;
  host: string;
  /** The first of `ports`: where one connection goes. */
  port: number;
  /** Ports that users are spread over, in rising order. */
  ports: readonly number[];
  /** '' when none was given; with a leading '/' else. */
  path: string;
}

export interface ResolvedTarget extends Target {
  /** IPv4 address as a number in network order. */
  address: number;
  isLoopback: boolean;
}

/** Ports that the schemes stand for; raw TCP has none. */
const PORTS: Record<Scheme, number> = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 80,
  wss: 443,
  tcp: 0,
  http: 80,
  https: 443,
};

/** 'mqtt://HOST[:PORT]', 'mqtt://HOST:1883-1890', 'mqtt://HOST:1883,1885' to its parts. Throws WSAR_ERR_USAGE. */
export function parseTarget(text: string): Target {
  const match = /^([a-z]+):\/\/(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::([\d,-]+))?(\/[!-~]*)?$/.exec(
    text,
  );
  const scheme = SCHEMES.find((known) => known === match?.[1]);
  const path = match?.[4] === '/' ? '' : (match?.[4] ?? '');
  const hasPath = scheme === 'ws' || scheme === 'wss' || scheme?.startsWith('http');
  if (match === null || scheme === undefined || (path !== '' && !hasPath)) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is no target`,
      'write it like mqtt://127.0.0.1:1883, mqtts://, ws://HOST:PORT/PATH, tcp://HOST:PORT or http://; no user',
    );
  }
  const ports = parsePortList(match[3] ?? String(PORTS[scheme]));
  if (ports === undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is no target: it has no port from 1 to 65535`,
      `write it like ${scheme}://127.0.0.1:7000, or with up to ${TARGET_PORTS_MAX} ports :7000-7007`,
    );
  }
  const host = match[2]!;
  if (host.startsWith('[')) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is an IPv6 address, and source addresses are planned in IPv4`,
      `name the target by an IPv4 address, for example ${scheme}://127.0.0.1:${ports[0]}`,
    );
  }
  return targetOf({ scheme, host, path }, ports);
}

/** Whether its scheme says so. */
export function isTls({ scheme }: Pick<Target, 'scheme'>): boolean {
  return scheme === 'mqtts' || scheme === 'wss' || scheme === 'https';
}

/** Several --target of one server, whose ports are added up. Throws WSAR_ERR_USAGE for different servers. */
export function mergeTargets(targets: readonly Target[]): Target {
  const [first] = targets;
  const isSame = ({ scheme, host, path }: Target): boolean =>
    scheme === first!.scheme && host === first!.host && path === first!.path;
  const other = targets.find((target) => !isSame(target));
  if (other !== undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `${other.text} and ${first!.text} differ in more than the port`,
      'run a load for each of them (--first-user keeps their users apart)',
    );
  }
  const ports = [...new Set(targets.flatMap((target) => target.ports))].sort((a, b) => a - b);
  if (ports.length > TARGET_PORTS_MAX) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `${ports.length} target ports are too many`,
      `at most ${TARGET_PORTS_MAX}`,
    );
  }
  return targetOf(first!, ports);
}

function targetOf(
  { scheme, host, path }: Pick<Target, 'scheme' | 'host' | 'path'>,
  ports: number[],
): Target {
  const text = `${scheme}://${host}:${formatPortList(ports)}${path}`;
  return { text, scheme, host, port: ports[0]!, ports, path };
}

/** '1883', '1883-1890', '1883,1885-1887', rising; undefined for what is none. */
function parsePortList(text: string): number[] | undefined {
  const ports = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    const [min, max] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (match === null || min < 1 || max > 65_535 || max < min) return undefined;
    if (ports.size + max - min >= TARGET_PORTS_MAX) return undefined;
    for (let port = min; port <= max; port++) ports.add(port);
  }
  return [...ports].sort((a, b) => a - b);
}

/** [1883, 1884, 1885, 1890] to '1883-1885,1890'. */
function formatPortList(ports: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const port of ports) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === port - 1) last[1] = port;
    else runs.push([port, port]);
  }
  return runs.map(([min, max]) => (min === max ? String(min) : `${min}-${max}`)).join(',');
}

/**
 * Finds the address of a target and refuses one that is not loopback unless its owner is asking.
 * @throws WsarError WSAR_ERR_TARGET_NOT_OWNED, WSAR_ERR_UNREACHABLE for a name nobody knows.
 */
export async function resolveTarget(target: Target, isOwned: boolean): Promise<ResolvedTarget> {
  let dotted: string;
  try {
    dotted = (await lookup(target.host, { family: 4 })).address;
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_UNREACHABLE',
      `the host of ${target.text} has no IPv4 address`,
      'check its name',
      error,
    );
  }
  const address = parseIpv4(dotted);
  if (!isLoopback(address) && !isOwned) {
    throw new WsarError(
      'WSAR_ERR_TARGET_NOT_OWNED',
      `${target.text} (${dotted}) is not on this host`,
      'load may only go to machines of your own; if it is yours, add --i-own-this-target',
    );
  }
  return { ...target, address, isLoopback: isLoopback(address) };
}
