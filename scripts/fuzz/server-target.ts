// The whole server in one thread under hostile packets: a few connections, each logged in, take turns to send one
// damaged packet; who was closed comes again. Nothing may throw, what the server sends must be packets, and every
// `ROUND_PACKETS` packets all hang up, time passes, and nothing may be left.

import assert from 'node:assert/strict';
import { encodeConnect } from '#core/wire/mqtt/encode.ts';
import { encodeConnect5 } from '#core/wire/mqtt/encode-5.ts';
import { frameLength } from '#core/wire/mqtt/frame.ts';
import { PropertyWriter } from '#core/wire/mqtt/property-writer.ts';
import { CONFORMANCE, OWN_MAILBOX } from '#reference-server/access/access-rules.ts';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import {
  type SimulatedCluster,
  type SimulatedConnection,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';
import { Mutator, Random, soundPackets } from '#scripts/fuzz/mutator.ts';

const ROUND_PACKETS = 2000;
const NAMES = ['a', 'b', 'c', 'bob'];
const LIMITS = {
  ...SMALL_LIMITS,
  usersMax: 12,
  mailboxMessagesMax: 8,
  broker: { ...SMALL_LIMITS.broker, queueMessagesMax: 6, retainedMax: 3, inflightMax: 3 },
};

/** Longer than every expiry that the limits allow. */
const FOREVER_MS = 2 * LIMITS.broker.sessionExpiryMaxS * 1000;

interface Peer {
  connection: SimulatedConnection;
  level: number;
}

export class ServerTarget {
  readonly #random: Random;
  readonly mutator: Mutator;
  readonly #out = new Uint8Array(256);
  readonly #noProperties = new PropertyWriter(16);
  #cluster!: SimulatedCluster;
  #peers: Peer[] = [];
  #sent = 0;
  /** Connections that were ended for what they sent. */
  closed = 0;
  /** Messages that reached the broker, of rounds that are over. */
  routed = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.mutator = new Mutator(this.#random, soundPackets());
    this.#begin();
  }

  /** One execution: one packet; throws what it found. */
  execute(): void {
    const random = this.#random;
    const index = random.below(NAMES.length);
    const peer = this.#peerOf(index);
    const mutator = this.mutator;
    do mutator.next(2);
    while (mutator.level !== peer.level);
    const [worker] = this.#cluster.workers;
    const { bytes, length } = mutator;
    const cut = random.below(4) === 0 ? random.below(length) : 0;
    if (cut > 0) worker!.reactor.receive(peer.connection, bytes.slice(0, cut));
    worker!.reactor.receive(peer.connection, bytes.slice(cut, length));
    worker!.reactor.turn();
    this.#read(peer);
    if (random.below(64) === 0) this.#cluster.clock.advance(random.below(4000));
    if (++this.#sent % ROUND_PACKETS === 0) this.#end();
  }

  #begin(): void {
    const rules = this.#random.below(4) === 0 ? OWN_MAILBOX : CONFORMANCE;
    this.#cluster = simulateCluster(1, LIMITS, 4096, rules);
    this.#peers = [];
  }

  /** The connection of this name, logged in. */
  #peerOf(index: number): Peer {
    const { reactor } = this.#cluster.workers[0]!;
    const old = this.#peers[index];
    if (old !== undefined && reactor.isOpen(old.connection)) return old;
    if (old !== undefined) this.closed++;
    const level = 4 + this.#random.below(2);
    const connect = { clientId: NAMES[index]!, cleanSession: true, keepAliveS: 60 };
    const out = this.#out;
    const none = this.#noProperties.clear();
    const end =
      level === 4 ? encodeConnect(out, 0, connect) : encodeConnect5(out, 0, connect, none, none);
    const connection = reactor.accept();
    reactor.receive(connection, out.slice(0, end));
    reactor.turn();
    this.#peers[index] = { connection, level };
    return this.#peers[index]!;
  }

  /** What the server says is whole packets. */
  #read({ connection }: Peer): void {
    const bytes = Uint8Array.from(connection.output);
    connection.output.length = 0;
    for (let at = 0; at < bytes.length; ) {
      const length = frameLength(bytes, at, bytes.length, 1 << 20);
      if (length <= 0) assert.fail(`the server sent no packet: ${length} at ${at}`);
      at += length;
    }
  }

  #end(): void {
    const cluster = this.#cluster;
    const [{ edge, home, reactor }] = cluster.workers as [SimulatedCluster['workers'][0]];
    for (const { connection } of this.#peers) reactor.hangUp(connection, true);
    for (let i = 0; i < 8; i++) cluster.turn();
    cluster.clock.advance(FOREVER_MS);
    for (let i = 0; i < 8; i++) cluster.turn();
    this.routed += cluster.stat(STAT.routed);
    assert.equal(reactor.connections, 0, 'no connection is left');
    assert.equal(edge.partials.usedBytes, 0, 'no part of a packet is left');
    assert.equal(cluster.stat(STAT.sessions), 0, 'nobody is online');
    const { broker } = home;
    // A damaged CONNECT may have asked for a session without end: then it is there, with all it has.
    if (broker.sessionCount === 0) {
      assert.equal(broker.queues.length, 0, 'no message is left without a session');
      assert.equal(broker.queues.bytes, 0, 'no byte is left without a session');
      assert.equal(broker.subscriptions.count, 0, 'no subscription is left without a session');
      assert.equal(broker.subscriptions.tree.nodes, 1, 'the tree of topics is empty');
    }
    this.#begin();
  }
}
