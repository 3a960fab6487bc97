// SUBSCRIBE and UNSUBSCRIBE of one home's users: own mailbox and receipts are bits of the user, all other
// filters belong to its session of the broker. Who may subscribe to what:
//
//   m/<own uid>, r/<own uid>     always                         nobody else's, in no profile
//   g/<group>, p/<uid>           always, without wildcards
//   $SYS/...                     who AccessRules name
//   everything else              where AccessRules open all topics

import { decodeSubscribe, nextFilter, SubscribeFields } from '#core/wire/mqtt/decode-subscribe.ts';
import { encodeSuback, encodeUnsuback } from '#core/wire/mqtt/encode.ts';
import { encodeCodes5 } from '#core/wire/mqtt/encode-5.ts';
import {
  PACKET,
  PROTOCOL_LEVEL_3_1_1,
  PROTOCOL_LEVEL_5,
  REASON,
  SUBACK_FAILURE,
} from '#core/wire/mqtt/packet.ts';
import { PROPERTY } from '#core/wire/mqtt/properties.ts';
import type { Broker } from '#reference-server/broker/broker.ts';
import type { Session } from '#reference-server/broker/session.ts';
import { sharedFilter } from '#reference-server/broker/shared-group.ts';
import { isSystemFilter } from '#reference-server/broker/system-topics.ts';
import { levelsOf } from '#reference-server/broker/topic-tree.ts';
import type { GroupDesk } from '#reference-server/home/group-desk.ts';
import { USER, type UserState } from '#reference-server/home/user-state.ts';
import type { UserTable } from '#reference-server/home/user-table.ts';
import type { ServerLimits } from '#reference-server/limits.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';

const INBOX_PREFIX = 0x6d;
const RECEIPT_PREFIX = 0x72;
const GROUP_PREFIX = 0x67;
const SLASH = 0x2f;
/** 'm/' or 'r/' before the uid. */
const PREFIX_BYTES = 2;

export interface SubscriptionDeskOptions {
  limits: ServerLimits;
  /** Only mailboxes, groups and presence are open. */
  isOwnOnly: boolean;
  /** Filters that are open to nobody. */
  denied: readonly string[];
  /** Who may read $SYS/...; see AccessRules. */
  system: 'all' | readonly string[];
  users: UserTable;
  state: UserState;
  broker: Broker;
  groups: GroupDesk;
  stats: WorkerStats;
  /** The user's session, made when there is none; undefined when there are too many. */
  obtain: (row: number) => Session | undefined;
}

export class SubscriptionDesk {
  /** The SUBACK or UNSUBACK that `handle` wrote. */
  readonly bytes: Uint8Array;
  /** Filters of the last packet whose retained messages are to be sent now. */
  readonly wantsRetained: string[] = [];
  /** Filters p/<uid> of the last packet: who it is wants to be told at once. */
  readonly wantsPresence: string[] = [];
  readonly #options: SubscriptionDeskOptions;
  readonly #codes: Uint8Array;
  readonly #fields = new SubscribeFields();

  constructor(options: SubscriptionDeskOptions) {
    this.#options = options;
    // The shortest filter takes three bytes of an UNSUBSCRIBE.
    const codesMax = Math.ceil(options.limits.packetBytesMax / 3);
    this.#codes = new Uint8Array(codesMax);
    this.bytes = new Uint8Array(codesMax + 16);
  }

  /** Does what the packet asks, already found sound; returns the length of the answer, 0 = the connection ends. */
  handle(row: number, bytes: Uint8Array, start: number, end: number): number {
    const fields = this.#fields;
    const isV5 = this.#options.state.has(row, USER.v5);
    decodeSubscribe(bytes, start, end, fields, isV5 ? PROTOCOL_LEVEL_5 : PROTOCOL_LEVEL_3_1_1);
    const isSubscribe = bytes[start]! >>> 4 === PACKET.subscribe;
    this.wantsRetained.length = this.wantsPresence.length = 0;
    let count = 0;
    while (nextFilter(bytes, end, fields)) {
      if (this.#endsFor(bytes)) return 0;
      const code = isSubscribe ? this.#subscribe(row, bytes) : this.#unsubscribe(row, bytes);
      // MQTT 3 knows one failure only [MQTT-3.9.3-2].
      this.#codes[count++] = !isV5 && code >= SUBACK_FAILURE ? SUBACK_FAILURE : code;
    }
    const { packetId } = fields;
    const out = this.bytes;
    if (isV5) {
      const type = isSubscribe ? PACKET.suback : PACKET.unsuback;
      return encodeCodes5(out, 0, type, packetId, this.#codes, count);
    }
    return isSubscribe
      ? encodeSuback(out, 0, packetId, this.#codes, count)
      : encodeUnsuback(out, 0, packetId);
  }

  /** Whether the filter that `#fields` stands on ends its connection; see Dialect. */
  #endsFor(bytes: Uint8Array): boolean {
    const { dialect, levelsMax } = this.#options.limits.broker;
    if (!dialect.endsDeepTopics) return false;
    let levels = 1;
    const { filterStart, filterEnd } = this.#fields;
    for (let at = filterStart; at < filterEnd; at++) if (bytes[at] === SLASH) levels++;
    return levels > levelsMax;
  }

  /** USER.inbox, USER.receipts, or 0 for a filter that is not this user's own. */
  #filterKind(row: number, bytes: Uint8Array, start: number, end: number): number {
    if (end - start <= PREFIX_BYTES || bytes[start + 1] !== SLASH) return 0;
    if (this.#mountPoint(row) !== '') return 0;
    if (!this.#options.users.isUid(row, bytes, start + PREFIX_BYTES, end)) return 0;
    if (bytes[start] === INBOX_PREFIX) return USER.inbox;
    return bytes[start] === RECEIPT_PREFIX ? USER.receipts : 0;
  }

  /** Returns the code for SUBACK of the filter that `#fields` stands on. */
  #subscribe(row: number, bytes: Uint8Array): number {
    const { filterStart, filterEnd, qos, properties } = this.#fields;
    const { state, obtain } = this.#options;
    const kind = this.#filterKind(row, bytes, filterStart, filterEnd);
    const id = properties.number(PROPERTY.subscriptionId, 0);
    if (kind === 0 && this.#isGroup(bytes)) return this.#join(row, bytes, id);
    if (kind === 0) return this.#subscribeGeneral(row, bytes, id);
    state.flags[row]! |= kind;
    if (id > 0 || state.has(row, USER.general)) {
      const session = obtain(row);
      if (session !== undefined && kind === USER.inbox) session.mailboxId = id;
      else if (session !== undefined) session.receiptsId = id;
    }
    const flag = kind === USER.inbox ? USER.inboxQos1 : USER.receiptsQos1;
    if (qos === 0) state.flags[row]! &= ~flag;
    else state.flags[row]! |= flag;
    return qos === 0 ? 0 : 1;
  }

  /** A filter g/<gid>, which makes the user a member. */
  #join(row: number, bytes: Uint8Array, id: number): number {
    const { filterStart, filterEnd, qos, noLocal } = this.#fields;
    const { groups, stats } = this.#options;
    const code = groups.subscribe(row, bytes, filterStart, filterEnd, qos, noLocal, id);
    if (code >= REASON.unspecified) stats[STAT.subscriptionsRefused]!++;
    return code;
  }

  /** Whether a filter is for the groups, which a general broker has as any other topic. */
  #isGroup(bytes: Uint8Array): boolean {
    const { filterStart, filterEnd } = this.#fields;
    const hasPrefix = bytes[filterStart] === GROUP_PREFIX && bytes[filterStart + 1] === SLASH;
    return this.#options.isOwnOnly && hasPrefix && filterEnd - filterStart > PREFIX_BYTES;
  }

  #subscribeGeneral(row: number, bytes: Uint8Array, id: number): number {
    const { filterStart, filterEnd, qos, noLocal, retainAsPublished, retainHandling } =
      this.#fields;
    const { broker, stats, obtain } = this.#options;
    const { subscriptions } = broker;
    const filter = this.#filterOf(row, bytes, filterStart, filterEnd);
    const refusal = this.#refusal(row, filter);
    const session = refusal === 0 ? obtain(row) : undefined;
    const hasRoom =
      session !== undefined &&
      subscriptions.hasRoom(session, filter) &&
      (session.subscriptions.has(filter) || this.#hasGroupRoom(filter));
    if (session === undefined || !hasRoom) {
      stats[STAT.subscriptionsRefused]!++;
      return refusal === 0 ? REASON.quotaExceeded : refusal;
    }
    const isNew = subscriptions.add(session, filter, { qos, noLocal, retainAsPublished, id });
    if (retainHandling === 0 || (retainHandling === 1 && isNew)) this.wantsRetained.push(filter);
    if (/^p\/[^+#/]+$/.test(filter)) this.wantsPresence.push(filter);
    return qos;
  }

  /** What stands before all topics of this user inside; where something does, it has a session. */
  #mountPoint(row: number): string {
    const { state, broker } = this.#options;
    return state.has(row, USER.general) ? (broker.session(row)?.mountPoint ?? '') : '';
  }

  /** The filter in [start, end), behind the mount point of its user. */
  #filterOf(row: number, bytes: Uint8Array, start: number, end: number): string {
    const filter = Buffer.from(bytes.subarray(start, end)).toString('utf8');
    const mountPoint = this.#mountPoint(row);
    if (mountPoint === '') return filter;
    const inner = sharedFilter(filter);
    if (inner === undefined) return mountPoint + filter;
    return filter.slice(0, filter.length - inner.length) + mountPoint + inner;
  }

  /** Whether a group takes one more member, here or at another worker. */
  #hasGroupRoom(filter: string): boolean {
    const { broker, limits } = this.#options;
    if (!/^g\/[^+#]+$/.test(filter)) return true;
    return broker.membersOf(filter) < limits.broker.groupMembersMax;
  }

  /** Why a filter is not for this user, 0 = it is. */
  #refusal(row: number, filter: string): number {
    const { isOwnOnly, denied, limits } = this.#options;
    // No reason is told: Paho's suite for MQTT 5 takes no other code for a refusal.
    if (denied.includes(filter)) return REASON.unspecified;
    if (/^[mr]\//.test(filter)) return REASON.notAuthorized;
    if (isSystemFilter(filter)) return this.#mayReadSystem(row) ? 0 : REASON.notAuthorized;
    if (isOwnOnly && !/^p\/[^+#]+$/.test(filter)) return REASON.notAuthorized;
    const { levelsMax, topicLengthMax } = limits.broker;
    const isLarge = filter.length > topicLengthMax || levelsOf(filter) > levelsMax;
    return isLarge ? REASON.topicFilterInvalid : 0;
  }

  #mayReadSystem(row: number): boolean {
    const { system, users, broker } = this.#options;
    if (system === 'all' || system.includes(users.nameOf(row))) return true;
    const userName = broker.session(row)?.userName;
    return userName !== undefined && system.includes(userName);
  }

  /** Returns the code for UNSUBACK. */
  #unsubscribe(row: number, bytes: Uint8Array): number {
    const { filterStart, filterEnd } = this.#fields;
    const { state, broker } = this.#options;
    const kind = this.#filterKind(row, bytes, filterStart, filterEnd);
    if (kind !== 0) {
      const had = state.has(row, kind);
      state.flags[row]! &= ~kind;
      return had ? REASON.success : REASON.noSubscriptionExisted;
    }
    if (this.#isGroup(bytes)) {
      const wasMember = this.#options.groups.unsubscribe(row, bytes, filterStart, filterEnd);
      return wasMember ? REASON.success : REASON.noSubscriptionExisted;
    }
    const session = state.has(row, USER.general) ? broker.session(row) : undefined;
    const filter = this.#filterOf(row, bytes, filterStart, filterEnd);
    const had = session !== undefined && broker.subscriptions.remove(session, filter);
    return had ? REASON.success : REASON.noSubscriptionExisted;
  }
}
