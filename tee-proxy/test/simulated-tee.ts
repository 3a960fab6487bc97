// A whole tee without threads and network, for tests: both planes joined by a real ring, between peers
// that the test plays. It knows what a wire would have done and checks the planes against it.

import assert from 'node:assert/strict';
import { VirtualClock } from '#core/clock/clock.ts';
import { REACTOR_STAT } from '#core/socket/reactor.ts';
import { ProductionPlane, productionReactorOptions } from '#tee-proxy/production-plane.ts';
import { ShadowPlane, shadowReactorOptions } from '#tee-proxy/shadow-plane.ts';
import { readFigures, readShadow } from '#tee-proxy/tee-figures.ts';
import { allocateTeeMemory, CONTROL, PLANE, type TeeMemory } from '#tee-proxy/tee-memory.ts';
import { type SimulatedPeer, SimulatedReactor } from '#tee-proxy/test/simulated-reactor.ts';

export const FLOWS = 4;
export const SHADOW_PORTS = [1001, 1002];
export const SHADOW_BUFFER = 1500;
const UPSTREAM = { address: 0x7f000001, port: 1000 };

export interface Pair {
  client: SimulatedPeer;
  upstream: SimulatedPeer;
  fromClient: Buffer;
  fromUpstream: Buffer;
  clientReset: boolean;
  upstreamReset: boolean;
}

export class SimulatedTee {
  readonly memory: TeeMemory;
  readonly clock = new VirtualClock();
  readonly production: SimulatedReactor;
  readonly shadow: SimulatedReactor;
  readonly pairs: Pair[] = [];
  readonly #shadowPorts: number[];

  constructor(shadowPorts = SHADOW_PORTS, dropsLate = false) {
    this.#shadowPorts = shadowPorts;
    const shadows = shadowPorts.map((port) => ({ address: 0x7f000001, port }));
    this.memory = allocateTeeMemory({
      workers: 1,
      shadows: shadows.length,
      flowsMax: FLOWS,
      ringBytes: 4096,
    });
    this.memory.share[0] = 1;
    const plane = new ProductionPlane(
      { worker: 0, workers: 1, flowsMax: FLOWS, upstream: UPSTREAM, seed: 1 },
      this.memory,
    );
    this.production = new SimulatedReactor({
      ...productionReactorOptions(FLOWS),
      handler: plane,
    });
    plane.attach(this.production);
    const options = {
      workers: 1,
      flowsMax: FLOWS,
      shadows,
      bufferBytesMax: SHADOW_BUFFER,
      bufferBytesTotalMax: 3 * SHADOW_BUFFER,
    };
    const shadowPlane = new ShadowPlane(options, this.memory, this.clock);
    this.shadow = new SimulatedReactor(
      { ...shadowReactorOptions(options), handler: shadowPlane },
      dropsLate,
    );
    shadowPlane.attach(this.shadow);
  }

  get figures(): Record<string, number> {
    return readFigures(this.memory, { cpuUs: 0, rssBytes: 0 });
  }

  figure(name: string): number {
    return this.figures[`wsar.tee.${name}`]!;
  }

  /** Accepts a client; undefined when the table is full. */
  open(): Pair | undefined {
    const client = this.production.accept();
    if (client === undefined) return undefined;
    const upstream = this.production.peers.at(-1)!;
    assert.equal(upstream.port, UPSTREAM.port);
    const pair: Pair = {
      client,
      upstream,
      fromClient: Buffer.alloc(0),
      fromUpstream: Buffer.alloc(0),
      clientReset: false,
      upstreamReset: false,
    };
    this.pairs.push(pair);
    return pair;
  }

  /** A client or an upstream sends; the bytes name their pair, so that a shadow's stream can be told. */
  say(pair: Pair, side: 'client' | 'upstream', count: number): void {
    const key = side === 'client' ? 'fromClient' : 'fromUpstream';
    const before = pair[key].length;
    const id = this.pairs.indexOf(pair);
    const bytes = Buffer.from(Array.from({ length: count }, (_, at) => byteOf(id, before + at)));
    if (this.production.deliver(pair[side], bytes)) pair[key] = Buffer.concat([pair[key], bytes]);
  }

  end(pair: Pair, side: 'client' | 'upstream'): void {
    this.production.endPeer(pair[side]);
  }

  reset(pair: Pair, side: 'client' | 'upstream'): void {
    if (!pair[side].isConnected) return;
    if (side === 'client') pair.clientReset = true;
    else pair.upstreamReset = true;
    this.production.resetPeer(pair[side]);
  }

  setShare(share: number): void {
    this.memory.share[0] = share;
    Atomics.add(this.memory.control, CONTROL.shareVersion, 1);
  }

  turns(): void {
    this.production.turn(this.clock.monoUs());
    this.shadow.turn(this.clock.monoUs());
  }

  /** Everybody reads, answers and finishes, until nothing is open. */
  finish(): void {
    for (let round = 0; round < 60; round++) {
      for (const pair of this.pairs) {
        this.production.finishConnect(pair.upstream, 0);
        for (const side of ['client', 'upstream'] as const) {
          this.production.take(pair[side], 1e9);
          this.end(pair, side);
          if (round > 30) this.production.passDeadline(pair[side]);
        }
      }
      this.turns();
      for (const peer of this.shadow.peers) {
        this.shadow.finishConnect(peer, 0);
        this.shadow.take(peer, 1e9);
        this.shadow.endPeer(peer);
        if (round > 30) this.shadow.passDeadline(peer);
      }
      this.clock.advance(10);
    }
    this.turns();
  }

  check(): void {
    for (const pair of this.pairs) checkProduction(pair);
    for (const peer of this.shadow.peers) this.#checkShadow(peer);
    const { figures } = this;
    const figure = (name: string): number => figures[`wsar.tee.shadow.${name}`]!;
    const receivedBy = (peers: SimulatedPeer[]): number =>
      peers.reduce((sum, peer) => sum + peer.received.length, 0);
    const received = receivedBy(this.shadow.peers);
    this.memory.plane[PLANE.queuedBytes] = this.shadow.stats[REACTOR_STAT.outputBytes]!;
    assert.equal(this.figure('shadow.sent_bytes'), received, 'sent = what shadows got');
    assert.equal(
      figure('offered_bytes'),
      this.figure('shadow.sent_bytes') + this.figure('shadow.queued_bytes') + figure('shed_bytes'),
      'offered = sent + queued + shed',
    );
    assert.equal(figures['wsar.tee.output_overflows'], 0);
    for (const [index, port] of this.#shadowPorts.entries()) {
      const peers = this.shadow.peers.filter((peer) => peer.port === port);
      const waiting = peers.reduce((sum, peer) => sum + peer.output.length, 0);
      const { sentBytes } = readShadow(this.memory, index);
      assert.equal(sentBytes, receivedBy(peers) + waiting, `shadow ${index}: sent or waiting`);
    }
  }

  #checkShadow(peer: SimulatedPeer): void {
    if (peer.received.length === 0) return;
    const pair = this.pairs[peer.received[0]!]!;
    assert.ok(isPrefix(peer.received, pair.fromClient), 'a shadow gets a prefix');
    // FIN only after every byte, never to hide a gap.
    if (peer.gotEnd) assert.equal(peer.received.length, pair.fromClient.length, 'FIN at the end');
  }
}

function isPrefix(part: Buffer, whole: Buffer): boolean {
  return part.equals(whole.subarray(0, part.length));
}

function byteOf(pair: number, at: number): number {
  return at === 0 ? pair : (pair * 31 + at * 7) & 255;
}

function checkProduction({ client, upstream, ...pair }: Pair): void {
  assert.ok(isPrefix(upstream.received, pair.fromClient), 'the upstream gets what the client sent');
  assert.ok(isPrefix(client.received, pair.fromUpstream), 'the client gets what the upstream sent');
  if (upstream.gotEnd) {
    assert.ok(client.hasEnded && upstream.received.length === pair.fromClient.length);
  }
  if (client.gotEnd) {
    assert.ok(upstream.hasEnded && client.received.length === pair.fromUpstream.length);
  }
  const isBroken = pair.clientReset || pair.upstreamReset;
  if (!isBroken) assert.ok(!client.gotReset && !upstream.gotReset, 'nobody is reset for nothing');
}
