// The figures of a ladder's steps as tables of text: one list for the page and for the text that stands in a manual.

import type { LadderRecord, LadderStep } from '#dashboards/report/ladder-record.ts';
import { numberText } from '#dashboards/report/number-text.ts';

export interface FigureTable {
  title: string;
  /** What a reader should know of it. */
  note: string;
  columns: string[];
  rows: string[][];
}

/** Steps that were asked for more logins than this have a rate for each 100,000. */
const SLICES_MIN = 2;

export function ladderTables(steps: readonly LadderStep[]): FigureTable[] {
  const disturbed = steps.filter(({ disturbance }) => disturbance !== null);
  return [
    ...(disturbed.length === 0 ? [] : [recoveries(disturbed)]),
    ...[logins(steps), memory(steps), slabs(steps), messages(steps), queues(steps)],
  ];
}

function recoveries(steps: readonly LadderStep[]): FigureTable {
  return {
    title: 'What was done to it, and how it got over it',
    note:
      'Over it: everybody is in, p99 at most three times that before (or 50 ms) and the queue as short as before, ' +
      'for three seconds; counted from the beginning. Refused: connections, logins and messages, by the server.',
    columns: [
      ...['users', 'what', 'outcome', 'over it after, s', 'cut off', 'least logged in'],
      ...['logins/s, most', 'sent/s, most', 'p99 before, ms', 'p99 worst, ms', 'queued before'],
      ...['queued, most', 'refused', 'lost', 'twice'],
    ],
    rows: steps.map(({ disturbance, messages: told, ...step }) => {
      const got = disturbance!;
      return [
        ...[numberText(step.connections), got.text],
        step.outcome === 'held' ? 'held' : step.sentence,
        got.recoveredS === null ? 'not in time' : numberText(got.recoveredS),
        ...[numberText(got.cutOff), numberText(got.loggedInLeast)],
        ...[rounded(got.loginsPerSMost), rounded(got.sentPerSMost)],
        ...[ms(got.p99UsBefore), ms(got.p99UsWorst)],
        ...[numberText(got.queuedBefore), numberText(got.queuedWorst), numberText(got.refused)],
        ...[numberText(told?.lost ?? null), numberText(told?.duplicates ?? null)],
      ];
    }),
  };
}

function logins(steps: readonly LadderStep[]): FigureTable {
  return {
    title: 'Logging in',
    note:
      'us/login: CPU time, of the server and of the clients. Slowest 100,000: the rate of the slowest hundred ' +
      'thousand logins; slowed by: the most that a hundred thousand took longer than the ones before.',
    columns: [
      ...['users', 'clients', 'outcome', 'logins/s', 'us/login, wall', 'server us/login'],
      ...['client us/login', 'slowest 100,000, logins/s', 'slowed by', 'client addresses'],
    ],
    rows: steps.map((step) => {
      const { slowestPerS, slowedBy } = loginPace(step);
      return [
        ...[numberText(step.connections), clientsOf(step)],
        step.outcome === 'held' ? 'held' : step.sentence,
        rounded(step.loginsPerS),
        tenth(step.loginsPerS === null ? null : 1e6 / step.loginsPerS),
        ...[tenth(step.serverCpuUsPerLogin), tenth(step.loadCpuUsPerLogin)],
        ...[rounded(slowestPerS), slowedBy === null ? '-' : `${slowedBy.toFixed(2)} x`],
        numberText(step.clientAddresses),
      ];
    }),
  };
}

/** Of the slowest hundred thousand, and how much slower one was than the one before it; null without two of them. */
export function loginPace({ loginSlices }: Pick<LadderStep, 'loginSlices'>): {
  slowestPerS: number | null;
  slowedBy: number | null;
} {
  if (loginSlices.length < SLICES_MIN) return { slowestPerS: null, slowedBy: null };
  // The first one that could be timed may not be the first of all.
  const each = loginSlices[1]!.users - loginSlices[0]!.users;
  const times = loginSlices.map(({ seconds }) => seconds);
  const longest = times.reduce((most, now) => Math.max(most, now), 0);
  const slowedBy = times.slice(1).map((now, index) => now / times[index]!);
  return {
    slowestPerS: each / longest,
    slowedBy: slowedBy.reduce((most, now) => Math.max(most, now), 0),
  };
}

function memory(steps: readonly LadderStep[]): FigureTable {
  return {
    title: 'Memory',
    note:
      "B/user: growth of the resident memory of server and clients while all logged in, of the kernel's slabs, and " +
      'fall of the free memory, which is everything together. Away: users who are registered and not here, and what ' +
      'one of them costs the server. Sockets left over: after the step, beyond those before it.',
    columns: [
      ...['users', 'clients', 'server B/user', 'away at server B', 'client B/user'],
      ...['kernel B/user', 'all B/user'],
      ...['server RSS, MB', 'client RSS, MB', 'least free, GiB', 'sockets left over'],
    ],
    rows: steps.map((step) => [
      ...[numberText(step.connections), clientsOf(step)],
      ...[rounded(step.serverBytesPerUser), awayText(step), rounded(step.loadBytesPerUser)],
      ...[rounded(step.kernelBytesPerUser), rounded(step.freeBytesPerUser)],
      ...[megabytes(step.serverRssBytes), megabytes(step.loadRssBytes)],
      step.freeBytesMin === null ? '-' : (step.freeBytesMin / 1024 ** 3).toFixed(2),
      leftOver(step),
    ]),
  };
}

function slabs(steps: readonly LadderStep[]): FigureTable {
  const largest = steps.toSorted((a, b) => b.connections - a.connections);
  const names = [...new Set(largest.flatMap((step) => step.slabs.map(({ name }) => name)))];
  const top = names.slice(0, 9);
  return {
    title: 'Kernel memory by slab',
    note: 'Bytes a user, as /proc/slabinfo counts them: whole slabs, used or not.',
    columns: ['users', 'clients', ...top],
    rows: steps.map((step) => [
      ...[numberText(step.connections), clientsOf(step)],
      ...top.map((name) =>
        rounded(step.slabs.find((slab) => slab.name === name)?.bytesPerUser ?? null),
      ),
    ]),
  };
}

function messages(steps: readonly LadderStep[]): FigureTable {
  return {
    title: 'Messages',
    note:
      'Latency from the planned sending to the reception, percentiles of merged histograms. us/message: CPU time for ' +
      'a delivered message, of the server and of the clients. Packets: TCP segments to and from the server.',
    columns: [
      ...['users', 'clients', 'held, s', 'delivered/s', 'packets/s', 'server us/message'],
      ...['client us/message', 'p50, ms', 'p99, ms', 'p99.9, ms', 'max, ms', 'lateness p99, ms'],
    ],
    rows: steps.map(({ latencyUs, ...step }) => [
      ...[numberText(step.connections), clientsOf(step), numberText(step.holdS)],
      ...[rounded(step.deliveredPerS), rounded(step.packetsPerS)],
      ...[tenth(step.serverCpuUsPerMessage), tenth(step.loadCpuUsPerMessage)],
      ...[latencyUs.p50, latencyUs.p99, latencyUs.p999, latencyUs.max, step.latenessUsP99].map(ms),
    ]),
  };
}

function queues(steps: readonly LadderStep[]): FigureTable {
  return {
    title: 'Queues and losses',
    note:
      'Drain: when the messages stop, until every queue is empty and all that was sent has arrived; predicted from ' +
      "length and rate, seen to the next whole second. Missed ticks: of the collector's seconds.",
    columns: [
      ...['users', 'clients', 'queued, most', 'queued at the end', 'drain predicted, s'],
      ...['drain seen, s', 'sent', 'lost', 'twice', 'not sent', 'missed ticks'],
    ],
    rows: steps.map(({ drain, messages: told, ...step }) => [
      ...[numberText(step.connections), clientsOf(step), rounded(step.queueLengthMax)],
      ...[rounded(drain?.queued ?? null), numberText(drain?.predictedS ?? null)],
      drain === null ? '-' : drain.seenS === null ? 'not in time' : numberText(drain.seenS),
      ...[numberText(told?.sent ?? null), numberText(told?.lost ?? null)],
      ...[numberText(told?.duplicates ?? null), numberText(told?.errors ?? null)],
      missedTicks(step),
    ]),
  };
}

/** 'phones: stack' */
function clientsOf({ phase, engine }: Pick<LadderStep, 'phase' | 'engine'>): string {
  return phase === '' ? engine : `${phase}: ${engine}`;
}

/** '645,000 at 91' */
function awayText({ away }: LadderStep): string {
  return away === null ? '-' : `${numberText(away.users)} at ${rounded(away.serverBytesPerUser)}`;
}

/** '0 of 85 (0 %)' */
function missedTicks(step: Omit<LadderStep, 'drain' | 'messages'>): string {
  const seconds = Math.round((step.endedWallMs - step.startedWallMs) / 1000);
  const percent = seconds === 0 ? 0 : (step.missedTicks / seconds) * 100;
  return `${step.missedTicks} of ${numberText(seconds)} (${percent.toFixed(1)} %)`;
}

/** What a host looked like before and after, one fact a row. */
export function restoredFacts({ restored }: LadderRecord): [string, string][] {
  if (restored === null) return [['not known', 'the ladder had not ended when this was written']];
  const { settingsCompared, settingsChanged, sockets, freeBytes, devices } = restored;
  const gib = (bytes: number | null): string =>
    bytes === null ? '-' : `${(bytes / 1024 ** 3).toFixed(2)} GiB`;
  const isSame = settingsChanged.length === 0;
  return [
    [
      'settings (/proc/sys)',
      isSame
        ? `${numberText(settingsCompared)} compared, all as before`
        : settingsChanged.join('; '),
    ],
    [
      'TCP sockets of the host',
      `${numberText(sockets[0])} before, ${numberText(sockets[1])} after`,
    ],
    ['network devices', `${devices[0]} before, ${devices[1]} after`],
    [
      'network namespace',
      restored.namespace === null
        ? "the host's own"
        : `${restored.namespace}, ${restored.isNamespaceGone ? 'gone' : 'a process is left in it'}`,
    ],
    ['free memory', `${gib(freeBytes[0])} before, ${gib(freeBytes[1])} after`],
  ];
}

function leftOver({ socketsBefore, socketsAfter }: LadderStep): string {
  if (socketsBefore === null || socketsAfter === null) return '-';
  return numberText(Math.max(0, socketsAfter - socketsBefore));
}

function rounded(value: number | null): string {
  return numberText(value === null ? null : Math.round(value));
}

function tenth(value: number | null): string {
  return value === null ? '-' : value.toFixed(1);
}

function megabytes(bytes: number | null): string {
  return bytes === null ? '-' : numberText(Math.round(bytes / 1e6));
}

function ms(us: number | null): string {
  return us === null ? '-' : numberText(Number((us / 1000).toPrecision(3)));
}
