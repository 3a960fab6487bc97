// The result of a load that several hosts carried out, from what each has told at its end. Pure.

import { chooseEngine } from '#core/socket/choose-engine.ts';
import type { AgentFigures } from '#loadgen/hosts/agent-message.ts';
import { GroupLedger } from '#loadgen/hosts/group-ledger.ts';
import type { HostMember } from '#loadgen/hosts/host-member.ts';
import type { LoadResult } from '#loadgen/load-summary.ts';

/** What the controller itself knows. */
type OwnFigures = Pick<
  LoadResult,
  | 'options'
  | 'end'
  | 'failure'
  | 'counts'
  | 'timings'
  | 'rampS'
  | 'steadyS'
  | 'ratePerS'
  | 'hosts'
  | 'storms'
> & {
  /** Hosts that were asked for; more members took over for lost ones. */
  hostCount: number;
};

export function hostsResult(
  members: readonly HostMember[],
  { hostCount, ...own }: OwnFigures,
): LoadResult {
  const told = members.flatMap(({ figures }) => figures ?? []);
  const sum = (of: (figures: AgentFigures) => number): number =>
    told.reduce((total, figures) => total + of(figures), 0);
  const bytes = told.flatMap(({ userBytesPerConnection }) => userBytesPerConnection ?? []);
  const usersOf = (some: readonly HostMember[]): number =>
    some.reduce((users, { segment }) => users + segment.count, 0);
  const lostUsers = usersOf(members.filter(({ isLost }) => isLost));
  return {
    ...own,
    // That of the first to tell; hosts may differ.
    engine: told[0]?.engine ?? chooseEngine(own.options.engine).engine,
    sentInSteady: sum((figures) => figures.sentInSteady),
    cutOnTheirWay: 0,
    rampCpuUs: sum((figures) => figures.rampCpuUs),
    cpuUs: sum((figures) => figures.cpuUs),
    userBytesPerConnection:
      bytes.length === 0 ? Number.NaN : bytes.reduce((a, b) => a + b, 0) / bytes.length,
    sourceAddresses: sum((figures) => figures.sourceAddresses),
    portPlan: told[0]?.portPlan,
    stack: undefined,
    little: undefined,
    sockets: { before: undefined, during: undefined },
    lostUsers: Math.max(0, lostUsers - usersOf(members.slice(hostCount))),
    groupComplete: groupComplete(members, own.counts.groupSent),
  };
}

/** Messages to groups that are with every member; null when a host that had part of them has not told. */
function groupComplete(members: readonly HostMember[], groupSent: number): number | null {
  const sum = new GroupLedger();
  for (const { figures } of members) {
    if (figures === undefined || figures.ledger === null) return null;
    sum.merge(figures.ledger);
  }
  return groupSent - sum.open;
}
