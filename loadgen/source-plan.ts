// Where each connection comes from: an explicit source address and port for every user and every
// attempt, made and checked before anything starts.
//
// Why explicit: when the kernel has to look for a free port, the search costs ever more as a source
// address fills (ten times as much past the half of the range), and a quarter of a million users
// need more ports than one address has. An explicit bind costs the same from the first to the last.
//
// Attempt a of user u uses place (a * users + u) of a wheel of addresses x ports, so no two users
// ever share one. Where the wheel begins is drawn for each run: a run that follows at once does not
// meet the TIME_WAIT of the one before.
//
// Ports that are left out:
//   - those somebody listens on (a listener on 0.0.0.0:p blocks an explicit bind to any address),
//   - below the first unprivileged port,
//   - net.ipv4.ip_local_port_range: a port that is bound explicitly is skipped by every connect() of this
//     namespace that lets the kernel choose, so filling that range would cut other programs off. Only
//     where little else is left, its lower half is used.

import { WsarError } from '#core/errors.ts';
import { formatIpv4, parseIpv4 } from '#core/host/ipv4.ts';

export interface AddressBlock {
  /** First address, as a number in network order: 0x7f010000 = 127.1.0.0. */
  address: number;
  prefixLength: number;
}

/** What the host says about its ports. */
export interface HostPorts {
  /** Ports somebody listens on, any address. */
  listening: ReadonlySet<number>;
  /** net.ipv4.ip_local_port_range, both included. */
  localMin: number;
  localMax: number;
  /** net.ipv4.ip_unprivileged_port_start. */
  unprivilegedMin: number;
}

export interface SourcePlan {
  /** First address of the block that is used, and how many there are. */
  addressMin: number;
  addressCount: number;
  /** Ports that every address offers. */
  ports: Uint16Array;
  users: number;
  /** Where this run begins on the wheel. */
  offset: number;
}

/** Fewer ports than this outside the kernel's own range, and its lower half is used too. */
const OUTSIDE_PORTS_MIN = 8192;
const PORT_MAX = 65_535;

/**
 * Plans the sources of `users` connections; `runDraw` in [0, 1) places this run on the wheel.
 * @throws WsarError WSAR_ERR_LIMIT when the block has too few ports.
 */
export function planSources(
  block: AddressBlock,
  users: number,
  targetPort: number,
  host: HostPorts,
  runDraw: number,
): SourcePlan {
  const ports = usablePorts(host, targetPort);
  const blockAddresses = 2 ** (32 - block.prefixLength);
  // The first and last address of a block are a network's own name and its broadcast.
  const edge = blockAddresses > 2 ? 1 : 0;
  const addressCount = blockAddresses - 2 * edge;
  const places = addressCount * ports.length;
  if (places < users) {
    throw new WsarError(
      'WSAR_ERR_LIMIT',
      `${users} connections need as many source ports, and ${formatBlock(block)} has ${places} ` +
        `(${addressCount} addresses of ${ports.length} ports)`,
      `take a larger block, for example --sources 127.1.0.0/16, or at most ${places} connections`,
    );
  }
  const offset = Math.floor(runDraw * places);
  return { addressMin: block.address + edge, addressCount, ports, users, offset };
}

/** Source address of an attempt, as a number in network order. */
export function sourceAddress(plan: SourcePlan, user: number, attempt: number): number {
  return plan.addressMin + Math.floor(place(plan, user, attempt) / plan.ports.length);
}

/** Source port of an attempt. */
export function sourcePort(plan: SourcePlan, user: number, attempt: number): number {
  return plan.ports[place(plan, user, attempt) % plan.ports.length]!;
}

/** How many addresses the first attempts of all users come from. */
export function addressesUsed(plan: SourcePlan): number {
  const { ports, users, addressCount } = plan;
  const first = plan.offset % ports.length;
  return Math.min(addressCount, Math.ceil((first + users) / ports.length));
}

/** '127.1.0.0/16', or one address. */
export function parseBlock(text: string): AddressBlock {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text.trim());
  const bytes = match?.slice(1, 5).map(Number) ?? [];
  const prefixLength = Number(match?.[5] ?? 32);
  if (match === null || bytes.some((byte) => byte > 255) || prefixLength > 32) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is no block of IPv4 addresses`,
      'write it like 127.1.0.0/16',
    );
  }
  const address = parseIpv4(bytes.join('.'));
  return { address: address - (address % 2 ** (32 - prefixLength)), prefixLength };
}

function formatBlock(block: AddressBlock): string {
  return `${formatIpv4(block.address)}/${block.prefixLength}`;
}

function place(plan: SourcePlan, user: number, attempt: number): number {
  const places = plan.addressCount * plan.ports.length;
  return (plan.offset + attempt * plan.users + user) % places;
}

function usablePorts(host: HostPorts, targetPort: number): Uint16Array {
  const free = (port: number): boolean => port !== targetPort && !host.listening.has(port);
  const all = Array.from({ length: PORT_MAX + 1 }, (_, port) => port).slice(
    Math.max(1024, host.unprivilegedMin),
  );
  const outside = all.filter(
    (port) => free(port) && (port < host.localMin || port > host.localMax),
  );
  if (outside.length >= OUTSIDE_PORTS_MIN) return Uint16Array.from(outside);
  const middle = Math.floor((host.localMin + host.localMax) / 2);
  return Uint16Array.from(
    all.filter((port) => free(port) && (port <= middle || port > host.localMax)),
  );
}
