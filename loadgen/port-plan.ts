// Which of the three port plans a load takes: the first that has room for its users and that this host and its engine
// can do, in order of cost. What a plan holds before its search for ports becomes dear (the cliff):
//
//   explicit  every port it has: there is no search
//   window    95 %. The kernel walks the window one by one from where it found the last; with a share f of it taken, a
//             port is found after 1 / (1 - f) looks on average: 20 at 95 %
//   kernel    50 %. It looks at ports of one parity first (Linux: __inet_hash_connect, step 2). When those are taken,
//             every connect walks through all of them, half of the range, before it finds one of the other
//
// Measured (npm run bench:loadgen, table ports): docs/tools/load.md. Pure.

import { WsarError } from '#core/errors.ts';
import type { SourcePorts } from '#core/socket/reactor.ts';
import { type AddressBlock, formatBlocks, usableAddresses } from '#loadgen/address-block.ts';
import {
  type HostPorts,
  type PortPlanKind,
  planChosen,
  planSources,
  type SourcePlan,
} from '#loadgen/source-plan.ts';

/** What --ports says. */
export interface PortAsk {
  kind: PortPlanKind | 'auto';
  /** Ports to take instead of those of the host. */
  range: SourcePorts | undefined;
}

/** Everything that decides. */
export interface PortNeed {
  ask: PortAsk;
  /** None = the kernel chooses the address. */
  blocks: readonly AddressBlock[];
  users: number;
  targetPorts: readonly number[];
  host: HostPorts;
  /** Why there are no windows here; undefined when there are. */
  whyNoWindow: string | undefined;
  /** Places this run, in [0, 1). */
  runDraw: number;
}

export const USUAL_PORTS: PortAsk = { kind: 'auto', range: undefined };
const WINDOW_FILL_MAX = 0.95;
const KERNEL_FILL_MAX = 0.5;

/** 'auto', 'explicit', 'window', 'kernel'; the first two also like 'explicit:20000-29999'. Throws WSAR_ERR_USAGE. */
export function parsePorts(text: string): PortAsk {
  const match = /^(auto|explicit|window|kernel)(?::(\d{1,5})-(\d{1,5}))?$/.exec(text.trim());
  const kind = match?.[1] as PortAsk['kind'] | undefined;
  const [min, max] = [Number(match?.[2]), Number(match?.[3])];
  const hasRange = match?.[2] !== undefined;
  const isRange = min >= 1024 && min <= max && max <= 65_535;
  if (kind === undefined || (hasRange && (!isRange || kind === 'auto' || kind === 'kernel'))) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is no plan of source ports`,
      'take auto, explicit, window or kernel; explicit:20000-29999 and window:40000-49999 name the ports (from 1024)',
    );
  }
  return { kind, range: hasRange ? { min, max } : undefined };
}

/** The plan that is asked for, or the first that fits. Throws WSAR_ERR_LIMIT, WSAR_ERR_USAGE. */
export function choosePorts(need: PortNeed): SourcePlan {
  const { kind } = need.ask;
  if (kind !== 'auto') return planOf(kind, need);
  const kinds: PortPlanKind[] = need.blocks.length === 0 ? [] : ['explicit'];
  if (need.whyNoWindow === undefined) kinds.push('window');
  kinds.push('kernel');
  const fitting = kinds.find((one) => need.users <= roomOf(one, need)) ?? kinds[0]!;
  return planOf(fitting, need);
}

function planOf(kind: PortPlanKind, need: PortNeed): SourcePlan {
  const { blocks, users, targetPorts, host, ask, runDraw } = need;
  if (kind === 'explicit') {
    if (blocks.length > 0) {
      return planSources(blocks, users, targetPorts, host, runDraw, ask.range);
    }
    throw new WsarError(
      'WSAR_ERR_USAGE',
      'explicit ports need the addresses they belong to',
      'name addresses of this host with --sources',
    );
  }
  if (kind === 'window' && need.whyNoWindow !== undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--ports window cannot be had: ${need.whyNoWindow}`,
      'take --ports explicit or kernel',
    );
  }
  const { min, max } = windowOf(need);
  if (kind === 'window' && min > max) {
    const { range } = ask;
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `window ${range!.min}-${range!.max} is outside of the ports that the kernel gives out, ` +
        `${host.localMin}-${host.localMax}`,
      'take ports of that range (net.ipv4.ip_local_port_range)',
    );
  }
  const room = roomOf(kind, need);
  if (users > room) throw overCliff(kind, need, room);
  const window = kind === 'window' ? windowOf(need) : undefined;
  return planChosen(blocks, users, targetPorts.length, window, runDraw);
}

/** Connections that a plan holds before its cliff. */
function roomOf(kind: PortPlanKind, need: PortNeed): number {
  const { blocks, targetPorts, host, ask, runDraw } = need;
  const addresses = addressesOf(blocks);
  if (kind === 'explicit') {
    const { ports } = planSources(blocks, 0, targetPorts, host, runDraw, ask.range);
    return addresses * ports.length * targetPorts.length;
  }
  const { min, max } = kind === 'window' ? windowOf(need) : rangeOf(host);
  const fill = kind === 'window' ? WINDOW_FILL_MAX : KERNEL_FILL_MAX;
  return addresses * Math.max(0, Math.floor((max - min + 1) * fill)) * targetPorts.length;
}

function addressesOf(blocks: readonly AddressBlock[]): number {
  if (blocks.length === 0) return 1;
  return blocks.reduce((sum, block) => sum + usableAddresses(block).count, 0);
}

function rangeOf({ localMin, localMax }: HostPorts): SourcePorts {
  return { min: localMin, max: localMax };
}

/** The kernel keeps windows within its own range. */
function windowOf({ ask, host }: PortNeed): SourcePorts {
  const { min, max } = ask.range ?? rangeOf(host);
  return { min: Math.max(min, host.localMin), max: Math.min(max, host.localMax) };
}

function overCliff(kind: 'window' | 'kernel', need: PortNeed, room: number): WsarError {
  const { blocks, users, targetPorts } = need;
  const from =
    blocks.length === 0
      ? 'one address'
      : `${addressesOf(blocks)} addresses (${formatBlocks(blocks)})`;
  const part = kind === 'window' ? `${WINDOW_FILL_MAX * 100} % of the window` : 'half of its range';
  const to = targetPorts.length > 1 ? ` to ${targetPorts.length} target ports` : '';
  return new WsarError(
    'WSAR_ERR_LIMIT',
    `from ${from}${to} the kernel finds source ports fast for ${room} connections (${part}), fewer than ${users}`,
    'name more addresses of this host with --sources, or more target ports',
  );
}
