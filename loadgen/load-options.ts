// What one load is, after the command line has been read and checked: plain data.

import type { EngineName } from '#core/socket/reactor.ts';
import type { TcpKnobs } from '#core/socket/stack/tcp-knobs.ts';
import type { AddressBlock } from '#loadgen/address-block.ts';
import type { ArrivalTrace } from '#loadgen/arrival-trace.ts';
import type { ArrivalProcess } from '#loadgen/arrivals.ts';
import type { LossPolicy } from '#loadgen/hosts/hosts-run.ts';
import type { Segment } from '#loadgen/hosts/segment.ts';
import type { MediaKind } from '#loadgen/http/media-sizes.ts';
import type { UserNetwork } from '#loadgen/network-mix.ts';
import type { People } from '#loadgen/people.ts';
import type { PortAsk } from '#loadgen/port-plan.ts';
import type { RatePlan } from '#loadgen/rate-plan.ts';
import type { SessionPlan } from '#loadgen/session-clock.ts';
import type { ReturnPolicy, Storm } from '#loadgen/storm.ts';
import type { Target } from '#loadgen/target.ts';
import type { Threshold } from '#loadgen/threshold.ts';
import type { UserModel } from '#loadgen/user-model.ts';
import type { WirePlan } from '#loadgen/wire-plan.ts';

export interface LoadOptions {
  target: Target;
  isOwned: boolean;
  /** What is spoken on the connections. */
  wire: WirePlan;
  /** Users of this process. */
  connections: number;
  /** The population they are part of; undefined = they are all of it. */
  segment: Segment | undefined;
  /** Number of the first user; his client id is 10000000 plus this. */
  firstUser: number;
  /** Messages per second, all users together; 0 = users are only there. */
  ratePerS: number;
  /** What makes users write. */
  model: UserModel;
  /** How users come and go beside the plan; undefined = they stay. */
  sessions: SessionPlan | undefined;
  process: ArrivalProcess;
  /** Process `trace` only. */
  trace: ArrivalTrace | undefined;
  /** How the rate goes over the steady phase. */
  ratePlan: RatePlan;
  /** The steady phase, after everybody is in. */
  durationMs: number;
  /** Logins per second; Infinity = as fast as the target answers. */
  rampPerS: number;
  payloadBytes: number;
  /** Sizes as factors of `payloadBytes`, each as likely; one = all have it. */
  payloadFactors: readonly number[];
  /** What makes them a population beside messages from one to one; undefined = nothing. */
  people: People | undefined;
  /** Part of the messages that carry a picture's link and thumbnail. */
  mediaRatio: number;
  /** Where the files of messages with media go and come from, and what they are; undefined = nowhere. */
  mediaTarget: Target | undefined;
  mediaKinds: readonly MediaKind[];
  /** Body of each HTTP request; 0 = GET without one. */
  uploadBytes: number;
  seed: number;
  engine: EngineName | 'auto';
  workers: number;
  /** False = by the cores of each host. */
  areWorkersAsked: boolean;
  /** Where connections come from; undefined = the kernel chooses (targets on other hosts). */
  sources: AddressBlock[] | undefined;
  /** How their ports are chosen. */
  ports: PortAsk;
  /** The networks before the clients (engine stack only); undefined = the host's own. */
  network: readonly UserNetwork[] | undefined;
  /** What their TCP offers and does (engine stack only); what is not said is as usual. */
  tcp: Partial<TcpKnobs> | undefined;
  /** Users who read slowly, part of all, and how much they read. */
  slow: { ratio: number; bytesPerS: number };
  keepAliveMs: number;
  /** Whether sessions end with their connections; else the server keeps them, and messages for them. */
  isCleanSession: boolean;
  receipts: boolean;
  /** Whether `receipts` follows what the target does: asked before the load. */
  receiptsAsTold: boolean;
  /** Receivers make the receipts, by publishing to r/<uid of the sender>. */
  clientReceipts: boolean;
  /** Whether the host must have the memory before anything starts; false = whoever started this watches it. */
  isRoomChecked: boolean;
  /** How long to wait at the end for what is on its way. */
  drainMs: number;
  /** Rules that make the run fail (exit 10) when they are true. */
  failIf: Threshold[];
  /** The rule of a search for the highest rate that holds it; undefined = no search. */
  findMax: Threshold | undefined;
  /** File for the histograms of each second; undefined = none. */
  hlogFile: string | undefined;
  /** Agents that carry the load out; undefined = this process alone. */
  hosts: { count: number; isVirtual: boolean; policy: LossPolicy } | undefined;
  /** Users that are cut off at a time, in order of time; and how users come back. */
  storms: readonly Storm[];
  returnPolicy: ReturnPolicy;
  /** Name or file of the population that gave what the command line did not say. */
  scenario: string | undefined;
  /** Measure what the generator can do on this host first. */
  calibrate: boolean;
  /** 99 of 100 messages must leave within this time of their plan, else the run is invalid. */
  latenessUsMax: number;
}
