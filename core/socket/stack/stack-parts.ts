// The parts of one stack, as they know each other.

import type { ReactorHandler } from '#core/socket/reactor.ts';
import type { DelayedAcks } from '#core/socket/stack/delayed-acks.ts';
import type { Flights } from '#core/socket/stack/flights.ts';
import type { IntQueue } from '#core/socket/stack/int-queue.ts';
import type { KeptSegments } from '#core/socket/stack/kept-segments.ts';
import type { NetworkClasses } from '#core/socket/stack/network-classes.ts';
import type { PacketLink } from '#core/socket/stack/packet-link.ts';
import type { SendQueue } from '#core/socket/stack/send-queue.ts';
import type { SilenceWatch } from '#core/socket/stack/silence-watch.ts';
import type { TcpKnobs } from '#core/socket/stack/tcp-knobs.ts';
import type { TcpTable } from '#core/socket/stack/tcp-table.ts';
import type { TimeWait } from '#core/socket/stack/time-wait.ts';
import type { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';

/** Addresses that connections may come from. */
export interface SourceBlock {
  /** First address, as a number in network order. */
  addressMin: number;
  addressCount: number;
}

export interface StackParts {
  handler: ReactorHandler;
  link: PacketLink;
  networks: NetworkClasses;
  table: TcpTable;
  flights: Flights;
  queue: SendQueue;
  kept: KeptSegments;
  tcp: TcpKnobs;
  /** By flight: retransmission, and probes of a closed window. */
  timers: TimerWheel;
  /** By connection: deadlines of the user, and the bound of lingering. */
  deadlines: TimerWheel;
  delayedAcks: DelayedAcks;
  /** Who reads again and has something kept. Each connection is in it at most once (MARK.resumed). */
  resumed: IntQueue;
  /** Undefined = nobody is asked whether he lives. */
  silence: SilenceWatch | undefined;
  timeWait: TimeWait;
  block: SourceBlock;
  /** Index with REACTOR_STAT; index with STACK_COUNT. */
  stats: Float64Array;
  counters: Float64Array;
  /** Makes initial sequence numbers unpredictable (RFC 6528). */
  secret: number;
  /** The time of this turn. */
  now: { us: number };
}
