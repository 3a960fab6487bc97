// The target of a load, as typed and as an address. Load goes only where its owner wants it: an
// address that is not loopback needs --i-own-this-target.

import { lookup } from 'node:dns/promises';
import { WsarError } from '#core/errors.ts';
import { isLoopback, parseIpv4 } from '#core/host/ipv4.ts';

export interface Target {
  /** As people know it: 'mqtt://127.0.0.1:1883'. */
  text: string;
  host: string;
  port: number;
}

export interface ResolvedTarget extends Target {
  /** IPv4 address as a number in network order. */
  address: number;
  isLoopback: boolean;
}

const MQTT_PORT = 1883;

/** 'mqtt://HOST[:PORT]' to its parts. Throws WSAR_ERR_USAGE. */
export function parseTarget(text: string): Target {
  const match = /^mqtt:\/\/(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?\/?$/.exec(text);
  const port = Number(match?.[2] ?? MQTT_PORT);
  if (match === null || port < 1 || port > 65_535) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is no target`,
      'write it like mqtt://127.0.0.1:1883 (plain MQTT; no user, no TLS)',
    );
  }
  const host = match[1]!;
  if (host.startsWith('[')) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is an IPv6 address, and source addresses are planned in IPv4`,
      'name the target by an IPv4 address, for example mqtt://127.0.0.1:1883',
    );
  }
  return { text: `mqtt://${host}:${port}`, host, port };
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
