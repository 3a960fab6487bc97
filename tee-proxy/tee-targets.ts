// Where the bytes go: resolves the upstream and the shadows once, before anything starts, and refuses
// what would do harm: a target nobody vouched for, a loop through ourselves, a shadow that is production.

import { lookup } from 'node:dns/promises';
import { isIP, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { WsarError } from '#core/errors.ts';
import { isLoopback, parseIpv4 } from '#core/host/ipv4.ts';

export interface HostPort {
  host: string;
  port: number;
}

export interface TeeTarget {
  /** As written. */
  name: string;
  /** IPv4 address in network order as a number. */
  address: number;
  port: number;
}

/**
 * The address to listen on, for an address or a name.
 * @throws WsarError WSAR_ERR_USAGE when the name has none.
 */
export async function resolveListen({ host, port }: HostPort): Promise<HostPort> {
  if (isIP(host) !== 0) return { host, port };
  try {
    return { host: (await lookup(host, { family: 4 })).address, port };
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--listen ${host} is no address of this host`,
      'give one of its IP addresses, 127.0.0.1 for this host alone',
      error,
    );
  }
}

/**
 * Resolves a target.
 * @throws WsarError WSAR_ERR_UNREACHABLE when the name does not resolve, WSAR_ERR_TARGET_NOT_OWNED when
 * it is not loopback and nobody vouched for it, WSAR_ERR_USAGE for what cannot be a target.
 */
export async function resolveTarget(
  role: 'upstream' | 'shadow',
  target: HostPort,
  isOwned: boolean,
): Promise<TeeTarget> {
  const name = `${target.host}:${target.port}`;
  if (target.port === 0) {
    throw new WsarError('WSAR_ERR_USAGE', `--${role} ${name} has port 0`, 'name the port');
  }
  const address = parseIpv4(await resolve(role, target.host));
  if (!isLoopback(address) && !isOwned) {
    throw new WsarError(
      'WSAR_ERR_TARGET_NOT_OWNED',
      `--${role} ${name} is not on this machine's loopback`,
      'add --i-own-this-target when it is yours to load',
    );
  }
  return { name, address, port: target.port };
}

/**
 * Refuses targets that lead back to us or send copies to production itself.
 * @throws WsarError WSAR_ERR_USAGE
 */
export function checkRoutes(listen: HostPort, upstream: TeeTarget, shadows: TeeTarget[]): void {
  for (const target of [upstream, ...shadows]) {
    if (listen.port !== 0 && target.port === listen.port && isReachedBy(listen.host, target)) {
      throw new WsarError(
        'WSAR_ERR_USAGE',
        `${target.name} is the tee's own listening address: it would connect to itself`,
        'listen on another port',
      );
    }
  }
  const same = shadows.find(
    (shadow) => shadow.address === upstream.address && shadow.port === upstream.port,
  );
  if (same === undefined) return;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `the shadow ${same.name} is the upstream itself: production would get everything twice`,
    'name another server as the shadow',
  );
}

async function resolve(role: string, host: string): Promise<string> {
  if (isIPv4(host)) return host;
  if (host.includes(':')) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--${role} ${host} is an IPv6 address; the tee connects over IPv4`,
      'give an IPv4 address or a name that has one',
    );
  }
  try {
    return (await lookup(host, { family: 4 })).address;
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_UNREACHABLE',
      `--${role} ${host} does not resolve to an IPv4 address`,
      'check the name, or give the address',
      error,
    );
  }
}

function isReachedBy(listenHost: string, target: TeeTarget): boolean {
  if (listenHost !== '0.0.0.0' && listenHost !== '::') {
    return isIPv4(listenHost) && parseIpv4(listenHost) === target.address;
  }
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return (
    isLoopback(target.address) ||
    own.some(({ address }) => isIPv4(address) && parseIpv4(address) === target.address)
  );
}
