// The result of a load for people: one table, every number with its unit. Pure.

import type { LoadSummary, TimingSummary } from '#loadgen/load-summary.ts';
import type { StormReport } from '#loadgen/storm-watch.ts';

const LABEL_COLUMNS = 14;

export function summaryTable(summary: LoadSummary): string {
  const { connections, messages } = summary;
  const lines = [
    row(
      'target',
      summary.target,
      summary.protocol,
      `engine ${summary.engine}`,
      `${summary.workers} worker(s)`,
      `seed ${summary.seed}`,
    ),
    row(
      'connections',
      `${count(connections.loggedIn)} of ${count(connections.target)} logged in`,
      `${count(connections.failed)} failed`,
      `${count(connections.lost)} lost`,
      `${count(connections.reconnects)} came back`,
    ),
    row(
      'ramp',
      `${summary.rampS.toFixed(1)} s`,
      `${count(summary.connectsPerS)} logins/s`,
      sources(summary),
    ),
    row(
      'messages',
      `${count(messages.sent)} sent`,
      ...(messages.expected === messages.sent
        ? []
        : [`${count(messages.expected)} deliveries expected`]),
      `${count(messages.received)} received`,
      `${count(messages.lost)} lost`,
      `${count(messages.errors)} not sent`,
    ),
    ...checkMarks(summary),
    ...people(summary),
    row(
      'rate',
      `${count(summary.rateAchievedPerS)}/s`,
      `of ${count(summary.rateTargetPerS)}/s asked`,
      `over ${summary.steadyS.toFixed(1)} s`,
    ),
    ...networks(summary),
    '',
    `${''.padEnd(LABEL_COLUMNS)} ${['p50', 'p90', 'p99', 'p99.9', 'max'].map((name) => name.padStart(10)).join('')}`,
    timing('latency', summary.latencyUs),
    timing('service', summary.serviceUs),
    timing('lateness', summary.latenessUs),
    ...parts(summary),
    ...media(summary),
    ...hosts(summary),
    ...(summary.storms ?? []).map(storm),
    ...(summary.stack === undefined ? [] : [packets(summary.stack)]),
    '',
    row('generator', cpu(summary), memory(summary)),
    ...witnesses(summary),
    ...search(summary),
    ...summary.thresholds.map(({ rule, failed }) =>
      row('fail if', rule, failed === null ? 'not known' : failed ? 'FAILED' : 'no'),
    ),
    ...summary.warnings.map((warning) => row('warning', warning)),
    row('valid', summary.valid ? 'yes' : `no: ${summary.invalidReasons.join('; ')}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** Only MQTT has them. */
function checkMarks({ protocol, messages }: LoadSummary): string[] {
  if (!protocol.startsWith('mqtt')) return [];
  return [
    row('check marks', `${count(messages.acked)} stored`, `${count(messages.receipts)} delivered`),
  ];
}

function row(label: string, ...parts: string[]): string {
  return `${label.padEnd(LABEL_COLUMNS)} ${parts.filter((part) => part !== '').join(', ')}`;
}

function timing(label: string, times: TimingSummary): string {
  const { p50, p90, p99, p999, max } = times;
  const cells = [p50, p90, p99, p999, max].map((us) => duration(us).padStart(10));
  return `${label.padEnd(LABEL_COLUMNS)} ${cells.join('')}`;
}

/** Latencies of parts of the messages: by the network of who receives, and until a whole group has one. */
function parts({ networks = [], lastMemberUs }: LoadSummary): string[] {
  return [
    ...networks.flatMap(({ latencyUs }, i) =>
      latencyUs === null ? [] : [timing(`on network ${i + 1}`, latencyUs)],
    ),
    ...(lastMemberUs === undefined ? [] : [timing('whole group', lastMemberUs)]),
  ];
}

/** Which network is which number. */
function networks({ networks: told = [] }: LoadSummary): string[] {
  return told.map(({ network, users }, i) =>
    row(`network ${i + 1}`, network, `${count(users)} users`),
  );
}

/** The files behind messages with media. */
function media({ media: told }: LoadSummary): string[] {
  if (told === undefined) return [];
  return (['uploads', 'downloads'] as const).map((name) => {
    const { answered, errors, ratePerS, bytes, latencyUs } = told[name];
    return row(
      name,
      `${count(answered)} at ${count(ratePerS)}/s`,
      `${count(errors)} errors`,
      `${(bytes / 1e6).toFixed(1)} MB`,
      `p50 ${duration(latencyUs.p50)}`,
      `p99 ${duration(latencyUs.p99)}`,
    );
  });
}

/** What people do beside writing to one another. */
function people({ people: told }: LoadSummary): string[] {
  if (told === undefined) return [];
  const { typing, presence, groupComplete } = told;
  const complete = groupComplete === null ? '' : `${count(groupComplete)} with every member`;
  const groups = row(
    'groups',
    `${count(told.groups)} of ${count(told.memberships)} users`,
    `${count(told.groupMessages)} messages`,
    `${count(told.groupReceived)} of ${count(told.groupExpected)} copies`,
    complete,
  );
  return [
    ...(told.groups === 0 ? [] : [groups]),
    row(
      'people',
      `${count(typing.received)} of ${count(typing.sent)} typing seen`,
      presence.by === 'nobody'
        ? 'no presence'
        : `${count(presence.received)} presence told by ${presence.by === 'server' ? 'the server' : 'users'}`,
    ),
  ];
}

/** Microseconds with a unit that keeps three digits; '-' when there is nothing to tell. */
export function duration(us: number): string {
  if (Number.isNaN(us)) return '-';
  if (us < 1000) return `${us} us`;
  const [value, unit] = us < 1e6 ? [us / 1000, 'ms'] : [us / 1e6, 's'];
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}

/** A whole number with its thousands set apart. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** What became of the packets of engine stack. */
function packets(stack: NonNullable<LoadSummary['stack']>): string {
  return row(
    'packets',
    `${count(stack.packetsOut)} out`,
    `${count(stack.packetsIn)} in`,
    `${count(stack.lost)} lost by the profile`,
    `${count(stack.retransmits)} sent again`,
  );
}

/** What others counted. */
function witnesses({ little, kernel, server, ceiling }: LoadSummary): string[] {
  const parts = [
    ...(kernel === null
      ? []
      : [`kernel ${count(kernel.sockets)} of ${count(kernel.expected)} sockets`]),
    ...(server === null
      ? []
      : [`server ${count(server.sessions)} of ${count(server.expected)} sessions`]),
    ...(little === null ? [] : [`${little.onTheWay} on their way, by Little ${little.expected}`]),
    ...(ceiling === undefined
      ? []
      : [`${shareText(ceiling.share)} of the generator's ceiling of ${count(ceiling.ratePerS)}/s`]),
  ];
  return parts.length === 0 ? [] : [row('cross-checks', ...parts)];
}

function storm({ atS, cutOff, loginsPerSMax, recoveredS }: StormReport): string {
  return row(
    'storm',
    `${count(cutOff)} users cut off at ${atS} s`,
    `at most ${count(loginsPerSMax)} logins/s`,
    recoveredS === null ? 'not recovered' : `recovered in ${recoveredS} s`,
  );
}

function hosts({ hosts: told }: LoadSummary): string[] {
  if (told === undefined) return [];
  const { alive, total, planHash, clockErrorUsMax } = told;
  const clocks = `clocks within ${duration(clockErrorUsMax)}`;
  return [row('hosts', `coverage ${alive}/${total}`, `plan ${planHash}`, clocks)];
}

function search({ search: found }: LoadSummary): string[] {
  if (found === undefined) return [];
  const steps = found.steps.map(({ ratePerS, verdict }) => `${count(ratePerS)} ${verdict}`);
  return [
    row('highest rate', `${count(found.ratePerS)}/s`, `limited by ${found.limitedBy}`),
    row('steps', ...steps),
  ];
}

function sources({ sourcePorts, connections }: LoadSummary): string {
  const { sourceAddresses } = connections;
  const ports = sourcePorts === null ? '' : `${sourcePorts} ports`;
  if (sourceAddresses === 0) return ports;
  return `from ${count(sourceAddresses)} source address(es)${ports === '' ? '' : `, ${ports}`}`;
}

function cpu({ cpuUs, cpuUsPerMessage }: LoadSummary): string {
  const total = `${(cpuUs / 1e6).toFixed(2)} s CPU`;
  return cpuUsPerMessage === null ? total : `${total} (${cpuUsPerMessage.toFixed(1)} us/message)`;
}

function memory({ userBytesPerConnection }: LoadSummary): string {
  return Number.isNaN(userBytesPerConnection)
    ? ''
    : `${count(userBytesPerConnection)} B/connection of own memory`;
}

function shareText(share: number | null): string {
  return share === null ? '-' : `${Math.round(share * 100)} %`;
}
