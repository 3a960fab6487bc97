// Contract: 10,000 random steps against a model. Every connection carries bytes that are a function of who
// sent them and their place in the stream, so the receiver can tell a lost, swapped or foreign byte.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLOSE_REASON } from '#core/socket/reactor.ts';
import { type EngineVariant, onEveryEngine } from '#core/socket/test/engine-variant.ts';
import { type Seen, Subject } from '#core/socket/test/subject.ts';

const STEPS = 10_000;
const CLIENTS = 60;
const PIECE_MAX = 9000;
const HEADER_BYTES = 4;

/** What one end of a connection has sent, and what it knows of its peer. */
interface End {
  /** Names the stream: sent as its first four bytes. */
  id: number;
  sentBytes: number;
  peerId: number | undefined;
  header: number[];
  receivedBytes: number;
  hasEnded: boolean;
  isPaused: boolean;
}

const byteAt = (id: number, offset: number): number =>
  offset < HEADER_BYTES
    ? (id >>> (8 * offset)) & 0xff
    : (id * 31 + offset * 7 + (offset >>> 8)) & 0xff;

/** mulberry32: a small seeded generator of [0, 1). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Model {
  readonly ends = new Map<number, End>();
  readonly #ofSeen = new Map<Seen, End>();
  readonly random: () => number;
  #nextId = 1;

  constructor(random: () => number) {
    this.random = random;
  }

  endOf(seen: Seen): End {
    let end = this.#ofSeen.get(seen);
    if (end === undefined) {
      const id = this.#nextId++;
      end = {
        id,
        sentBytes: 0,
        peerId: undefined,
        header: [],
        receivedBytes: 0,
        hasEnded: false,
        isPaused: false,
      };
      this.ends.set(id, end);
      this.#ofSeen.set(seen, end);
    }
    return end;
  }

  received(seen: Seen, bytes: Uint8Array, start: number, stop: number): void {
    const end = this.endOf(seen);
    for (let index = start; index < stop; index++) {
      const offset = end.receivedBytes++;
      if (offset < HEADER_BYTES) {
        end.header.push(bytes[index]!);
        if (offset === HEADER_BYTES - 1) this.#meet(end);
      } else if (bytes[index] !== byteAt(end.peerId!, offset)) {
        assert.fail(`byte ${offset} from ${end.peerId} to ${end.id} is foreign`);
      }
    }
  }

  /** The peer's FIN means that everything the peer's send() took has come. */
  ended(seen: Seen): void {
    const end = this.endOf(seen);
    end.hasEnded = true;
    if (end.peerId === undefined) assert.equal(end.receivedBytes, 0);
    else
      assert.equal(end.receivedBytes, this.ends.get(end.peerId)!.sentBytes, 'nothing is missing');
  }

  #meet(end: End): void {
    end.peerId = end.header.reduce((id, byte, index) => id + byte * 256 ** index, 0);
    const peer = this.ends.get(end.peerId);
    assert.ok(peer !== undefined, 'the stream names one of ours');
    assert.ok(peer.peerId === undefined || peer.peerId === end.id, 'two ends name each other');
  }

  send(subject: Subject, seen: Seen): void {
    const end = this.endOf(seen);
    const count = HEADER_BYTES + Math.floor(this.random() ** 3 * PIECE_MAX);
    const bytes = Uint8Array.from({ length: count }, (_, index) =>
      byteAt(end.id, end.sentBytes + index),
    );
    if (subject.send(seen, bytes)) end.sentBytes += count;
  }
}

function subjectOf(
  t: Parameters<Parameters<typeof test>[0] & object>[0],
  variant: EngineVariant,
  model: Model,
  capacity: number,
): Subject {
  const subject: Subject = new Subject(
    t,
    variant,
    {
      capacity,
      laneSlotsMax: 25,
      outputBytesMax: 32_768,
      receiveBuffersPerLane: 8,
      receiveBufferBytes: 512,
    },
    {
      onData: (conn, bytes, start, end) =>
        model.received(subject.now.get(conn)!, bytes, start, end),
      onEnd: (conn) => model.ended(subject.now.get(conn)!),
      onDeadline: (conn) => subject.reactor.abort(conn),
    },
    { sqEntries: 16, cqEntries: 32 },
  );
  subject.keepsBytes = false;
  return subject;
}

/** One random act on one open connection of `subject`. */
function act(model: Model, subject: Subject): void {
  const open = [...subject.now.values()].filter(({ isOpen }) => isOpen);
  const seen = open[Math.floor(model.random() * open.length)];
  if (seen === undefined) return;
  const end = model.endOf(seen);
  const { reactor } = subject;
  const dice = model.random();
  if (dice < 0.7) model.send(subject, seen);
  else if (dice < 0.76) reactor.pauseReceive(seen.conn);
  else if (dice < 0.86) reactor.resumeReceive(seen.conn);
  else if (dice < 0.89) reactor.endOutput(seen.conn);
  else if (dice < 0.92) reactor.close(seen.conn);
  else if (dice < 0.95) reactor.abort(seen.conn);
  else if (dice < 0.96) reactor.setDeadline(seen.conn, 100 + model.random() * 200);
  else if (dice < 0.97) reactor.setDeadline(seen.conn, 0);
  else if (dice < 0.98) reactor.set({ arming: model.random() < 0.5 ? 'poll' : 'recv' });
  else if (dice < 0.99) reactor.set({ flush: model.random() < 0.5 ? 'turn' : 'immediate' });
  else if (end.hasEnded) reactor.close(seen.conn);
}

onEveryEngine((variant) => {
  test(`${STEPS} random opens, sends, pauses and ends`, async (t) => {
    const seed = Number(process.env['WSAR_TEST_SEED'] ?? Date.now() % 1_000_000);
    t.diagnostic(`seed ${seed}; again with WSAR_TEST_SEED=${seed}`);
    const model = new Model(seeded(seed));
    // Fewer places than clients: some always wait in the backlog.
    const server = subjectOf(t, variant, model, 50);
    const client = subjectOf(t, variant, model, CLIENTS);
    const port = server.listen();
    for (let step = 0; step < STEPS; step++) {
      client.check();
      server.check();
      const dice = model.random();
      if (dice < 0.1 && client.now.size < CLIENTS) client.connectLater({ remotePort: port });
      else if (dice < 0.55) act(model, client);
      else if (dice < 0.95) act(model, server);
      else await new Promise((resolve) => setImmediate(resolve));
    }
    // Everybody finishes in an orderly way: what is under way must arrive.
    const finish = (subject: Subject): void => {
      for (const seen of subject.now.values()) {
        if (!seen.isOpen) continue;
        subject.reactor.setDeadline(seen.conn, 0);
        subject.reactor.resumeReceive(seen.conn);
        subject.reactor.endOutput(seen.conn);
      }
    };
    for (let turn = 0; client.now.size > 0 || server.now.size > 0; turn++) {
      assert.ok(turn < 20_000, `left: ${describe(client)} | ${describe(server)}`);
      client.check();
      server.check();
      finish(client);
      finish(server);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(server.announced.length > 100, 'the steps did open connections');
    const orderly = client.announced.filter((s) => s.closeReason === CLOSE_REASON.orderly);
    assert.ok(orderly.length > 20, 'some ended in an orderly way');
  });
});

function describe(subject: Subject): string {
  return JSON.stringify([...subject.now.values()].slice(0, 3));
}
