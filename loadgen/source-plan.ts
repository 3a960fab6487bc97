// Where each connection comes from, decided for every user and every attempt before anything starts. Three plans
// (port-plan.ts chooses):
//
//   explicit  source address and port of every attempt
//   window    the address; the kernel chooses the port from a window of its range, step by step
//   kernel    the address; the kernel chooses the port from its range, first every second one
//
// An explicit bind costs the same from the first port to the last. Attempt a of user u uses place (a * users + u) of a
// wheel of addresses x ports, so no two users ever share one. Where the wheel begins is drawn for each run: a run that
// follows at once does not meet the TIME_WAIT of the one before. With the other plans users are spread evenly over
// all addresses, so that each has few ports to look through.
//
// With several target ports user u goes to port u mod n, and each of them has all sources: a connection is four
// numbers.
//
// Ports that are left out of an explicit plan:
//   - those somebody listens on (a listener on 0.0.0.0:p blocks an explicit bind to any address),
//   - below the first unprivileged port,
//   - net.ipv4.ip_local_port_range: a port that is bound explicitly is skipped by every connect() of this
//     namespace that lets the kernel choose, so filling that range would cut other programs off. Only
//     where little else is left, its lower half is used.

import { WsarError } from '#core/errors.ts';
import type { SourcePorts } from '#core/socket/reactor.ts';
import { type AddressBlock, formatBlocks, usableAddresses } from '#loadgen/address-block.ts';

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

export type PortPlanKind = 'explicit' | 'window' | 'kernel';

export interface SourcePlan {
  kind: PortPlanKind;
  /** Addresses, in order; none = the kernel chooses that too. */
  ranges: readonly { first: number; count: number }[];
  addressCount: number;
  /** Plan explicit: ports that every address offers. */
  ports: Uint16Array;
  /** Plan window: what the kernel chooses from. */
  window: SourcePorts | undefined;
  users: number;
  /** Ports of the target; user u goes to number u mod this. */
  targets: number;
  /** Where this run begins: on the wheel, or among the addresses. */
  offset: number;
}

/** Fewer ports than this outside the kernel's own range, and its lower half is used too. */
const OUTSIDE_PORTS_MIN = 8192;
const PORT_MAX = 65_535;
const NO_PORTS = new Uint16Array(0);

/**
 * Plans explicit sources of `users` connections; `runDraw` in [0, 1) places this run on the wheel. `range`: ports to
 * take instead of those that are usual.
 * @throws WsarError WSAR_ERR_LIMIT when the blocks have too few ports.
 */
export function planSources(
  blocks: readonly AddressBlock[],
  users: number,
  targetPorts: readonly number[],
  host: HostPorts,
  runDraw: number,
  range?: SourcePorts,
): SourcePlan {
  const ports = usablePorts(host, targetPorts, range);
  const ranges = blocks.map(usableAddresses);
  const addressCount = sumCounts(ranges);
  const places = addressCount * ports.length;
  const targets = targetPorts.length;
  if (places * targets < users) {
    throw new WsarError(
      'WSAR_ERR_LIMIT',
      `${users} connections need as many source ports, and ${formatBlocks(blocks)} has ${places * targets} ` +
        `(${addressCount} addresses of ${ports.length} ports${targets > 1 ? ` for ${targets} target ports` : ''})`,
      `take a larger block, for example --sources 127.1.0.0/16, or at most ${places * targets} connections`,
    );
  }
  const offset = Math.floor(runDraw * places);
  return {
    ...{ kind: 'explicit', ranges, addressCount, ports, window: undefined, users, targets, offset },
  };
}

/** Plans sources whose ports the kernel chooses; without blocks it chooses the address too. Refuses nothing. */
export function planChosen(
  blocks: readonly AddressBlock[],
  users: number,
  targets: number,
  window: SourcePorts | undefined,
  runDraw: number,
): SourcePlan {
  const ranges = blocks.map(usableAddresses);
  const addressCount = sumCounts(ranges);
  const kind = window === undefined ? 'kernel' : 'window';
  const offset = Math.floor(runDraw * addressCount);
  return { kind, ranges, addressCount, ports: NO_PORTS, window, users, targets, offset };
}

/** Source address of an attempt, as a number in network order; 0 = the kernel chooses. */
export function sourceAddress(plan: SourcePlan, user: number, attempt: number): number {
  const { kind, ranges, addressCount, ports } = plan;
  let index =
    kind === 'explicit'
      ? Math.floor(place(plan, user, attempt) / ports.length)
      : (plan.offset + Math.floor(user / plan.targets)) % addressCount;
  for (let i = 0; i < ranges.length; i++) {
    const { first, count } = ranges[i]!;
    if (index < count) return first + index;
    index -= count;
  }
  return 0;
}

/** Source port of an attempt; 0 = the kernel chooses. */
export function sourcePort(plan: SourcePlan, user: number, attempt: number): number {
  if (plan.kind !== 'explicit') return 0;
  return plan.ports[place(plan, user, attempt) % plan.ports.length]!;
}

/** How many addresses the first attempts of all users come from. */
export function addressesUsed(plan: SourcePlan): number {
  const { kind, ports, addressCount } = plan;
  const each = Math.ceil(plan.users / plan.targets);
  if (kind !== 'explicit') return Math.min(addressCount, each);
  const first = plan.offset % ports.length;
  return Math.min(addressCount, Math.ceil((first + each) / ports.length));
}

function place(plan: SourcePlan, user: number, attempt: number): number {
  const places = plan.addressCount * plan.ports.length;
  const each = Math.ceil(plan.users / plan.targets);
  return (plan.offset + attempt * each + Math.floor(user / plan.targets)) % places;
}

function sumCounts(ranges: readonly { count: number }[]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

function usablePorts(
  host: HostPorts,
  targetPorts: readonly number[],
  range: SourcePorts | undefined,
): Uint16Array {
  const free = (port: number): boolean => !targetPorts.includes(port) && !host.listening.has(port);
  const all = Array.from({ length: PORT_MAX + 1 }, (_, port) => port).slice(
    Math.max(1024, host.unprivilegedMin),
  );
  if (range !== undefined) {
    return Uint16Array.from(
      all.filter((port) => free(port) && port >= range.min && port <= range.max),
    );
  }
  const outside = all.filter(
    (port) => free(port) && (port < host.localMin || port > host.localMax),
  );
  if (outside.length >= OUTSIDE_PORTS_MIN) return Uint16Array.from(outside);
  const middle = Math.floor((host.localMin + host.localMax) / 2);
  return Uint16Array.from(
    all.filter((port) => free(port) && (port <= middle || port > host.localMax)),
  );
}
