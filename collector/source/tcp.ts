// TCP as the kernel counts it for one network namespace: /proc/net/snmp and /proc/net/netstat. O(1)
// however many connections there are. Names of the kernel's counters: Documentation/networking/snmp_counter.rst.
//
// OutSegs does not count pure retransmissions, and counts a segmented super-packet by its segments; it
// differs from the packets of a network card. The retransmit ratio is RetransSegs / (OutSegs + RetransSegs).

import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, derivedRate, gauge } from '#collector/source/metric-shape.ts';
import { PairedLines, type WantedColumns } from '#collector/source/paired-lines.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

const D = { decays: true };
const conn = (name: string, short: string, help: string, more = {}) =>
  counter(`tcp.connections.${name}`, short, '{connection}/s', help, more);
const segs = (name: string, short: string, help: string, more = {}) =>
  counter(`network.linux.tcp.${name}`, short, '{segment}/s', help, more);
const event = (name: string, short: string, help: string, more = {}) =>
  counter(`tcp.${name}`, short, '{event}/s', help, more);

const SNMP: WantedColumns = {
  Tcp: {
    ActiveOpens: conn('opened{type=active}', 'act/s', 'connections begun by this host', D),
    PassiveOpens: conn('opened{type=passive}', 'pas/s', 'connections begun by others', D),
    AttemptFails: conn('failed', 'fail/s', 'connections that were never established'),
    EstabResets: conn('reset{direction=in}', 'rst/s', 'established connections that were reset'),
    OutRsts: segs('resets_sent', 'orst/s', 'resets sent'),
    InErrs: segs('errors', 'ierr/s', 'segments received with an error'),
    InSegs: segs('segments{direction=in}', 'rpkt/s', 'segments received', D),
    OutSegs: segs('segments{direction=out}', 'spkt/s', 'segments sent, retransmits not counted', D),
    RetransSegs: segs('retransmits', 'rexmt/s', 'segments sent again', D),
    CurrEstab: gauge(
      'system.network.connection.count{state=established}',
      'estab',
      '{connection}',
      'TCP connections established or closing, counted at both ends on loopback',
      D,
    ),
  },
  Udp: {
    InDatagrams: counter(
      'network.linux.udp.datagrams{direction=in}',
      'udpi/s',
      '{datagram}/s',
      'datagrams delivered',
    ),
    OutDatagrams: counter(
      'network.linux.udp.datagrams{direction=out}',
      'udpo/s',
      '{datagram}/s',
      'datagrams sent',
    ),
    RcvbufErrors: counter(
      'network.linux.udp.dropped',
      'udpd/s',
      '{datagram}/s',
      'datagrams dropped because a receive buffer was full',
    ),
  },
};

const NETSTAT: WantedColumns = {
  TcpExt: {
    ListenOverflows: event('listen.overflows', 'ovflw', 'accept queue was full', D),
    ListenDrops: event('listen.drops', 'ldrop', 'connection request dropped, any reason', D),
    SyncookiesSent: event('syn.cookies_sent', 'synck', 'SYN cookies sent'),
    TCPReqQFullDoCookies: event('syn.queue_full{action=cookie}', 'synqc', 'SYN queue was full'),
    TCPReqQFullDrop: event('syn.queue_full{action=drop}', 'synqd', 'SYN dropped, queue was full'),
    TCPSynRetrans: event('syn.retransmits', 'synrx', 'SYN or SYN-ACK sent again'),
    TCPTimeouts: event('timeouts', 'rto/s', 'retransmit timer ran out'),
    TCPLostRetransmit: event('lost_retransmits', 'lostrx', 'a retransmit was lost too'),
    TCPSpuriousRTOs: event('spurious_timeouts', 'sprto', 'timer ran out too early'),
    TCPAbortOnData: event('aborts{reason=data}', 'abdat', 'closed with data unread: reset'),
    TCPAbortOnClose: event('aborts{reason=close}', 'abcls', 'closed with data unread at close()'),
    TCPAbortOnMemory: event('aborts{reason=memory}', 'abmem', 'reset for want of memory'),
    TCPAbortOnTimeout: event('aborts{reason=timeout}', 'abtim', 'reset after a timer ran out'),
    TCPAbortOnLinger: event('aborts{reason=linger}', 'ablin', 'reset in FIN-WAIT-2'),
    TCPMemoryPressures: event('memory_pressures', 'tcpmp', 'TCP began to save memory'),
    PruneCalled: event('receive_queue.pruned', 'prune', 'receive queue had no room'),
    TCPRcvCollapsed: event('receive_queue.collapsed', 'clps', 'segments merged to save memory'),
    TCPBacklogDrop: event('backlog_drops', 'bkldr', 'dropped, socket backlog was full'),
    TCPRcvQDrop: event('receive_queue.drops', 'rcvqd', 'dropped, receive queue was full'),
    TCPOFOQueue: event('out_of_order', 'ofo/s', 'segments out of order'),
    TCPZeroWindowDrop: event('zero_window_drops', 'zwdrp', 'dropped, our window was zero'),
    TCPToZeroWindowAdv: event('zero_window.announced', 'zwadv', 'we announced a zero window'),
    TW: event('time_wait.expired', 'tw/s', 'sockets that left TIME_WAIT by time'),
    TCPTimeWaitOverflow: event('time_wait.overflows', 'twovf', 'no room for TIME_WAIT'),
  },
  IpExt: {
    InOctets: counter(
      'network.linux.ip.bytes{direction=in}',
      'rB/s',
      'By/s',
      'bytes of IP packets received',
      D,
    ),
    OutOctets: counter(
      'network.linux.ip.bytes{direction=out}',
      'sB/s',
      'By/s',
      'bytes of IP packets sent',
      D,
    ),
  },
};

/** Columns that are no counters: settings, and what is open now. */
const GAUGES = [
  'Forwarding',
  'DefaultTTL',
  'RtoAlgorithm',
  'RtoMin',
  'RtoMax',
  'MaxConn',
  'MPCurrEstab',
];

/** The metric of a counter by the kernel's name, the one that nstat prints. */
function otherCounter(group: string, column: string): MetricSpec {
  const spec = GAUGES.includes(column) ? gauge : counter;
  const name = `network.linux.counter{name=${group}${column}}`;
  return spec(name, column, spec === gauge ? '1' : '{event}/s', `kernel counter ${group}${column}`);
}

export class TcpSource implements Source {
  readonly id = 'tcp';
  readonly isFast = true;
  readonly budgetUs = 20_000;
  readonly #snmp: PairedLines;
  readonly #netstat: PairedLines;
  #outSegments = -1;
  #retransmits = -1;
  #active = -1;
  #passive = -1;
  #retransmitRatio = -1;
  #opened = -1;

  /** `isDetailed`: every counter of the kernel, also those that have no name of their own here. */
  constructor(root: string, isDetailed = false) {
    const other = isDetailed ? otherCounter : undefined;
    this.#snmp = new PairedLines(`${root}/net/snmp`, SNMP, other);
    this.#netstat = new PairedLines(`${root}/net/netstat`, NETSTAT, other);
  }

  probe(): Capability {
    const found = [this.#snmp.probe(), this.#netstat.probe()];
    if (found.every(({ state }) => state === 'absent')) return found[0]!;
    const reasons = found.flatMap((each) => (each.state === 'ok' ? [] : [each.reason]));
    return reasons.length === 0
      ? { state: 'ok' }
      : { state: 'degraded', reason: reasons.join('; ') };
  }

  declare(metrics: MetricScope): void {
    this.#snmp.declare(metrics);
    this.#netstat.declare(metrics);
    this.#outSegments = this.#snmp.slot('Tcp', 'OutSegs');
    this.#retransmits = this.#snmp.slot('Tcp', 'RetransSegs');
    this.#active = this.#snmp.slot('Tcp', 'ActiveOpens');
    this.#passive = this.#snmp.slot('Tcp', 'PassiveOpens');
    this.#retransmitRatio = metrics.declare(
      derivedRate(
        'network.linux.tcp.retransmit_ratio',
        'rexmt%',
        '1',
        'share of the segments sent that were sent again; null when none was sent',
        D,
      ),
    );
    this.#opened = metrics.declare(
      derivedRate(
        'tcp.connections.opened',
        'conn/s',
        '{connection}/s',
        'connections begun, by either side',
        D,
      ),
    );
  }

  sample(table: SampleTable): number {
    const hasSnmp = this.#snmp.sample(table);
    const hasNetstat = this.#netstat.sample(table);
    return hasSnmp || hasNetstat ? Freshness.now : Freshness.stale;
  }

  derive(table: SampleTable): void {
    const again = table.delta(this.#retransmits);
    table.set(this.#retransmitRatio, again / (table.delta(this.#outSegments) + again));
    table.set(this.#opened, table.value(this.#active) + table.value(this.#passive));
  }

  close(): void {
    this.#snmp.close();
    this.#netstat.close();
  }
}
