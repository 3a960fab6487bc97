// The target of a load, as typed and as an address. Load goes only where its owner wants it: an
// address that is not loopback needs --i-own-this-target.

import { lookup } from 'node:dns/promises';
import { WsarError } from '#core/errors.ts';
import { isLoopback, parseIpv4 } from '#core/host/ipv4.ts';

/** What the scheme of a target says. */
export const SCHEMES = ['mqtt', 'mqtts', 'ws', 'wss', 'tcp', 'http', 'https'] as const;
export type Scheme = (typeof SCHEMES)[number];

export interface Target {
  /** As people know it: 'mqtt://127.0.0.1:1883'. */
  text: string;
  scheme: Scheme;
  host: string;
  port: number;
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

/** 'mqtt://HOST[:PORT]' to its parts. Throws WSAR_ERR_USAGE. */
export function parseTarget(text: string): Target {
  const match = /^([a-z]+):\/\/(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(\/[!-~]*)?$/.exec(
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
  const port = Number(match[3] ?? PORTS[scheme]);
  if (port < 1 || port > 65_535) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is no target: it has no port`,
      `write it like ${scheme}://127.0.0.1:7000`,
    );
  }
  const host = match[2]!;
  if (host.startsWith('[')) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is an IPv6 address, and source addresses are planned in IPv4`,
      `name the target by an IPv4 address, for example ${scheme}://127.0.0.1:${port}`,
    );
  }
  return { text: `${scheme}://${host}:${port}${path}`, scheme, host, port, path };
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
