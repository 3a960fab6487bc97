// The mailboxes against a model of plain arrays.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MailboxLimits, REFUSAL } from '#reference-server/mailbox/mailbox-limits.ts';
import { MAILBOX_PACKET_ID_MIN, Mailboxes } from '#reference-server/mailbox/mailboxes.ts';

const LIMITS: MailboxLimits = {
  users: 4,
  messagesMax: 40,
  bytesMax: 256 * 1024,
  mailboxMessagesMax: 15,
  mailboxBytesMax: 600,
  windowMessagesMax: 4,
  redeliveriesMax: 255,
  windowBytesMax: 200,
};

interface ModelMessage {
  text: string;
  packetId: number;
  sent: boolean;
  dup: boolean;
  withoutId: boolean;
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('put' as const), user: fc.nat(3), size: fc.nat(120) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('take' as const), user: fc.nat(3), size: fc.nat() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('accept' as const), user: fc.nat(3), size: fc.nat() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('written' as const),
      user: fc.nat(3),
      size: fc.nat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('rewind' as const), user: fc.nat(3), size: fc.nat() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('clear' as const), user: fc.nat(3), size: fc.nat(9) }),
  },
);

function textOf(boxes: Mailboxes, node: number): string {
  const body = boxes.body(node);
  const { bodies } = boxes;
  return Buffer.from(
    bodies.arena.bytes.slice(bodies.contentStart(body), bodies.end(body)),
  ).toString();
}

class Model {
  readonly boxes = new Mailboxes(LIMITS);
  readonly lists: ModelMessage[][] = [[], [], [], []];
  /** Serial numbers of what each user accepted. */
  serial = 0;

  constructor() {
    for (let user = 0; user < LIMITS.users; user++) this.boxes.open(user);
  }

  put(user: number, size: number): void {
    const list = this.lists[user]!;
    const text = `${++this.serial}`.padEnd(size, '.');
    const bytes = Buffer.from(text);
    const sender = {
      worker: user,
      row: this.serial,
      generation: 3,
      packetId: this.serial & 0xffff,
    };
    const result = this.boxes.put(user, bytes, 0, bytes.length, sender);
    const total = this.lists.reduce((sum, { length }) => sum + length, 0);
    const listBytes = list.reduce((sum, message) => sum + message.text.length, 0);
    const expected =
      list.length >= LIMITS.mailboxMessagesMax
        ? REFUSAL.mailboxMessages
        : listBytes + text.length > LIMITS.mailboxBytesMax
          ? REFUSAL.mailboxBytes
          : total >= LIMITS.messagesMax
            ? REFUSAL.messages
            : 0;
    assert.equal(Math.min(result, 0), expected);
    if (result >= 0) list.push({ text, packetId: 0, sent: false, dup: false, withoutId: false });
  }

  take(user: number, withoutId: boolean): void {
    const list = this.lists[user]!;
    const window = list.filter(({ sent }) => sent);
    const windowBytes = window.reduce((sum, { text }) => sum + text.length, 0);
    const next = list.find(({ sent }) => !sent);
    const node = this.boxes.take(user, withoutId);
    const isFull =
      window.length >= LIMITS.windowMessagesMax ||
      (window.length > 0 && windowBytes + (next?.text.length ?? 0) > LIMITS.windowBytesMax);
    assert.equal(node >= 0, next !== undefined && !isFull);
    if (node < 0 || next === undefined) return;
    const id = this.boxes.packetId(node);
    assert.equal(textOf(this.boxes, node), next.text);
    assert.equal(this.boxes.isDup(node), next.dup);
    // A message keeps its id when it is sent again; no other message that waits for its accept has it.
    if (next.packetId !== 0) assert.equal(id, next.packetId);
    assert.ok(id > 0 && list.every((other) => other === next || other.packetId !== id));
    next.packetId = id;
    next.sent = true;
    next.withoutId = withoutId;
  }

  accept(user: number, choice: number): void {
    const list = this.lists[user]!;
    // What was ever sent with an id, on this connection or an earlier one.
    const known = list.filter(
      ({ packetId, sent, withoutId }) => packetId !== 0 && !(sent && withoutId),
    );
    const chosen = known[choice % (known.length + 1)];
    const id = chosen?.packetId ?? 65_000;
    assert.equal(this.boxes.accept(user, id), chosen !== undefined);
    if (chosen === undefined) return;
    list.splice(list.indexOf(chosen), 1);
    assert.equal(this.boxes.accepted.row, Number.parseInt(chosen.text, 10));
    assert.equal(this.boxes.accepted.worker, user);
    // The second accept of the same id finds nothing: nothing is delivered twice.
    assert.equal(this.boxes.accept(user, id), false);
  }

  acceptWritten(user: number): void {
    const list = this.lists[user]!;
    const index = list.findIndex(({ sent, withoutId }) => sent && withoutId);
    assert.equal(this.boxes.acceptWritten(user), index >= 0);
    if (index >= 0) list.splice(index, 1);
  }

  rewind(user: number): void {
    this.boxes.rewind(user);
    for (const message of this.lists[user]!) {
      if (message.sent) message.dup = true;
      message.sent = message.withoutId = false;
    }
  }

  clear(user: number): void {
    assert.equal(this.boxes.clear(user), this.lists[user]!.length);
    this.lists[user] = [];
  }

  check(): void {
    let total = 0;
    for (let user = 0; user < LIMITS.users; user++) {
      assert.equal(this.boxes.length(user), this.lists[user]!.length);
      total += this.lists[user]!.length;
    }
    assert.equal(this.boxes.messages, total);
  }
}

test('thousands of random steps: nothing lost, nothing twice, order kept, DUP exactly on what was sent before', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 400 }), (steps) => {
      const model = new Model();
      for (const { kind, user, size } of steps) {
        if (kind === 'put') model.put(user, size);
        else if (kind === 'take') model.take(user, size % 4 === 0);
        else if (kind === 'accept') model.accept(user, size);
        else if (kind === 'written') model.acceptWritten(user);
        else if (kind === 'rewind') model.rewind(user);
        else if (size === 0) model.clear(user);
        model.check();
      }
      for (let user = 0; user < LIMITS.users; user++) {
        // What is left comes out whole and in order after a last reconnect.
        model.rewind(user);
        while (model.lists[user]!.length > 0) {
          model.take(user, true);
          model.acceptWritten(user);
        }
      }
      assert.equal(model.boxes.arena.usedBytes, 0);
    }),
    { numRuns: 300 },
  );
});

test('packet ids go round past 65535 and step over one that is still waiting', () => {
  const boxes = new Mailboxes(LIMITS);
  boxes.open(0);
  const sender = { worker: 0, row: -1, generation: 0, packetId: 1 };
  const payload = Buffer.from('x');
  boxes.put(0, payload, 0, 1, sender);
  const stuckId = boxes.packetId(boxes.take(0, false));
  const seen = new Set<number>();
  for (let i = 0; i < 70_000; i++) {
    boxes.put(0, payload, 0, 1, sender);
    const id = boxes.packetId(boxes.take(0, false));
    assert.ok(id >= MAILBOX_PACKET_ID_MIN && id <= 65_535 && id !== stuckId);
    seen.add(id);
    assert.ok(boxes.accept(0, id));
  }
  assert.equal(seen.size, 32_767);
  assert.ok(boxes.accept(0, stuckId));
});

test('an accepted message is overwritten', () => {
  const boxes = new Mailboxes(LIMITS);
  boxes.open(0);
  const secret = Buffer.from('meet me at the old lighthouse');
  boxes.put(0, secret, 0, secret.length, { worker: 0, row: -1, generation: 0, packetId: 1 });
  const id = boxes.packetId(boxes.take(0, false));
  assert.ok(Buffer.from(boxes.arena.bytes.buffer).includes('lighthouse'));
  assert.ok(boxes.accept(0, id));
  assert.ok(!Buffer.from(boxes.arena.bytes.buffer).includes('lighthouse'));
});

test('a message larger than the byte window goes alone', () => {
  const boxes = new Mailboxes(LIMITS);
  boxes.open(0);
  const sender = { worker: 0, row: -1, generation: 0, packetId: 1 };
  boxes.put(0, new Uint8Array(10), 0, 10, sender);
  boxes.put(0, new Uint8Array(300), 0, 300, sender);
  assert.ok(boxes.take(0, false) >= 0);
  assert.equal(boxes.take(0, false), -1);
  assert.ok(boxes.accept(0, MAILBOX_PACKET_ID_MIN));
  assert.ok(boxes.take(0, false) >= 0);
});

test('however many mailboxes are cleared in one turn, a slice of their messages is freed in it', () => {
  const [users, each, slice] = [8, 3000, 4096];
  const all = users * each;
  const boxes = new Mailboxes({
    ...LIMITS,
    ...{ users, messagesMax: all, mailboxMessagesMax: each, bytesMax: 8 << 20 },
    mailboxBytesMax: 1 << 20,
  });
  const payload = new Uint8Array([7]);
  for (let user = 0; user < users; user++) {
    boxes.open(user);
    for (let i = 0; i < each; i++) {
      boxes.put(user, payload, 0, 1, { worker: 0, row: -1, generation: 0, packetId: 1 });
    }
  }
  assert.equal(boxes.messages, all);
  for (let user = 0; user < users; user++) assert.equal(boxes.clear(user), each);
  assert.equal(boxes.messages, all - slice);
  assert.equal(boxes.endTurn(), true);
  assert.equal(boxes.messages, all - slice, 'the slice of this turn was used');
  for (let left = all - 2 * slice; boxes.messages > 0; left -= slice) {
    assert.equal(boxes.endTurn(), left > 0);
    assert.equal(boxes.messages, Math.max(0, left));
  }
  assert.equal(boxes.arena.usedBytes, 0);
});
