// How many hosts hold a population, from costs of one connection, login and message, and from assumptions. Pure
// arithmetic: every load of a host is so much for each of its connections, so each limit is a number of connections,
// and the smallest one counts. Limits are those of a host that has taken over the users of lost ones.
//
// Two things depend on the number of hosts, so that it is found by repetition: the share of deliveries that go to
// another host, and the share of all users that one lost host is.

import type { Assumptions } from '#lab/fleet/assumption.ts';
import type { FleetCosts } from '#lab/fleet/fleet-costs.ts';

/** Connections that one host may have before each of these is used up. */
export interface HostLimits {
  proven: number;
  memory: number;
  cpu: number;
  loginStorm: number;
  packets: number;
  bandwidth: number;
}

export type LimitName = keyof HostLimits;

/** One host, at the highest peak. */
export interface HostLoad {
  connections: number;
  memoryBytes: number;
  /** Of all its threads, 0..1. */
  cpuRatio: number;
  packetsPerS: number;
  /** Both ways. */
  bitsPerS: number;
  loginsPerS: number;
}

export interface Fleet {
  connections: number;
  registeredUsers: number;
  hosts: number;
  /** Of them that may be lost. */
  spareHosts: number;
  nics: number;
  memoryBytes: number;
  limits: HostLimits;
  limitedBy: LimitName;
  /** With all hosts, and with the spare ones lost. */
  usual: HostLoad;
  afterLoss: HostLoad;
  /** CPU of a host while the users of lost hosts log in, 0..1. */
  stormCpuRatio: number;
  stormLoginsPerS: number;
  messagesPerS: number;
  deliveriesPerS: number;
  crossHostPerS: number;
  /** Between two hosts, both ways. */
  crossHostPerPairPerS: number;
  loginsPerS: number;
}

/** What one connection needs, each second at the highest peak. */
interface Share {
  bytes: number;
  cpuUs: number;
  packets: number;
  bits: number;
  logins: number;
  deliveries: number;
}

/** Of MQTT beside topic and payload, and the topic of a mailbox. */
const MESSAGE_HEAD_BYTES = 20;
const ACK_BYTES = 4;
const LOGIN_BYTES = 120;
/** A ping and its answer are two of the four MQTT packets of a message. */
const PING_OF_MESSAGE = 0.5;
const PING_BYTES = 4;
/** The number of hosts settles in two or three; this is only a bound. */
const ROUNDS_MAX = 50;

/** Hosts are infinitely many where not even one connection fits a host. */
export function planFleet(connections: number, costs: FleetCosts, given: Assumptions): Fleet {
  let hosts = Math.ceil(connections / costs.provenConnections) + (given.failure > 0 ? 1 : 0);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const needed = hostsFor(connections, costs, given, hosts);
    if (needed <= hosts) break;
    hosts = needed;
  }
  const share = shareOf(costs, given, hosts);
  const limits = limitsOf(share, costs, given, hosts);
  const spareHosts = spareOf(hosts, given);
  const load = (each: number): HostLoad => loadOf(each, share, given);
  const usual = load(connections / hosts);
  const afterLoss = load(connections / Math.max(1, hosts - spareHosts));
  const stormLoginsPerS = (afterLoss.connections - usual.connections) / (given.returnMs / 1000);
  const messagesPerS = connections * given.messageRatePerS * given.surge;
  const deliveriesPerS = connections * share.deliveries;
  const crossHostPerS = deliveriesPerS * crossShare(given, hosts);
  const pairs = (hosts * (hosts - 1)) / 2;
  return {
    connections,
    registeredUsers: connections * given.registered,
    hosts,
    spareHosts,
    nics: hosts * given.nics,
    memoryBytes: hosts * given.memoryBytes,
    limits,
    limitedBy: smallest(limits),
    usual,
    afterLoss,
    stormCpuRatio: afterLoss.cpuRatio + (stormLoginsPerS * loginUs(costs, given)) / cpuUsOf(given),
    stormLoginsPerS,
    messagesPerS,
    deliveriesPerS,
    crossHostPerS,
    crossHostPerPairPerS: pairs === 0 ? 0 : crossHostPerS / pairs,
    loginsPerS: connections * share.logins,
  };
}

function hostsFor(
  connections: number,
  costs: FleetCosts,
  given: Assumptions,
  hosts: number,
): number {
  const limits = limitsOf(shareOf(costs, given, hosts), costs, given, hosts);
  const needed = Math.ceil(connections / Math.max(0, Math.floor(limits[smallest(limits)])));
  if (!Number.isFinite(needed)) return Number.POSITIVE_INFINITY;
  // The hosts that are left when the spare ones are lost are as many as are needed.
  const all = Math.ceil(needed / (1 - given.failure));
  return given.failure === 0 ? needed : Math.max(all, needed + 1);
}

function spareOf(hosts: number, { failure }: Assumptions): number {
  return failure === 0 ? 0 : Math.max(1, Math.floor(hosts * failure));
}

function shareOf(costs: FleetCosts, given: Assumptions, hosts: number): Share {
  const deliveries = given.messageRatePerS * given.fanOut * given.surge;
  const hops = deliveries * crossShare(given, hosts);
  const logins = 1000 / given.sessionMs;
  const pings = costs.keepAliveMs === 0 ? 0 : 1000 / costs.keepAliveMs;
  // Every way has two ends, on two hosts of the fleet: a host sees as many come as go.
  const packets =
    deliveries * costs.messagePackets +
    hops * given.hopPackets * 2 +
    logins * given.loginPackets +
    pings * costs.messagePackets * PING_OF_MESSAGE;
  const content =
    deliveries * 2 * (costs.payloadBytes + MESSAGE_HEAD_BYTES + ACK_BYTES) +
    hops * 2 * (costs.payloadBytes + MESSAGE_HEAD_BYTES) +
    logins * LOGIN_BYTES +
    pings * PING_BYTES;
  const away = Math.max(0, given.registered - 1);
  return {
    bytes:
      costs.serverBytes +
      costs.kernelBytes +
      away * (given.awayBytes + given.queued * given.queuedBytes),
    cpuUs:
      (deliveries + hops * given.hopCost + pings * PING_OF_MESSAGE) * costs.messageUs +
      logins * costs.loginUs +
      packets * given.packetUs,
    packets,
    bits: 8 * (content + packets * given.packetBytes),
    logins,
    deliveries,
  };
}

/** Of all deliveries, those whose receiver is on another host than the sender. */
function crossShare({ local }: Assumptions, hosts: number): number {
  return Number.isFinite(hosts) ? (1 - local) * (1 - 1 / hosts) : 1 - local;
}

function limitsOf(share: Share, costs: FleetCosts, given: Assumptions, hosts: number): HostLimits {
  const cpu = cpuUsOf(given);
  const lost = Number.isFinite(hosts) ? spareOf(hosts, given) / hosts : given.failure;
  const stormUs = (lost / (given.returnMs / 1000)) * loginUs(costs, given);
  return {
    proven: costs.provenConnections,
    memory: (given.memoryBytes * given.memoryMax - given.baseBytes) / share.bytes,
    cpu: (cpu * given.cpuMax) / share.cpuUs,
    loginStorm: (cpu * given.cpuStormMax) / (share.cpuUs + stormUs),
    packets: given.packetsMaxPerS / share.packets,
    // An interface carries its rate each way, and the ways are alike.
    bandwidth: (2 * given.nics * given.nicGbit * 1e9 * given.nicMax) / share.bits,
  };
}

function loadOf(connections: number, share: Share, given: Assumptions): HostLoad {
  return {
    connections,
    memoryBytes: given.baseBytes + connections * share.bytes,
    cpuRatio: (connections * share.cpuUs) / cpuUsOf(given),
    packetsPerS: connections * share.packets,
    bitsPerS: connections * share.bits,
    loginsPerS: connections * share.logins,
  };
}

/** CPU of a login with its packets. */
function loginUs(costs: FleetCosts, given: Assumptions): number {
  return costs.loginUs + given.loginPackets * given.packetUs;
}

/** What the threads of a host do in a second, in the time of those that were measured. */
function cpuUsOf({ cores, coreEfficiency }: Assumptions): number {
  return cores * coreEfficiency * 1e6;
}

function smallest(limits: HostLimits): LimitName {
  const names = Object.keys(limits) as LimitName[];
  return names.reduce((least, name) => (limits[name] < limits[least] ? name : least));
}
