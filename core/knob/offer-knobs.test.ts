import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Bus, connectBus } from '#core/bus/bus.ts';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import { type LabEvent, topic } from '#core/bus/topic.ts';
import { VirtualClock } from '#core/clock/clock.ts';
import type { KnobState, KnobValue } from '#core/knob/knob.ts';
import { type OfferedKnob, type OfferKnobsOptions, offerKnobs } from '#core/knob/offer-knobs.ts';
import { turnKnob } from '#core/knob/turn-knob.ts';
import { ROOT, temporaryFolder } from '#test/command.ts';

interface Stage {
  url: string;
  journalFile: string;
  clock: VirtualClock;
  events: LabEvent[];
  states: KnobState[];
  offer(...knobs: OfferedKnob[]): ReturnType<typeof offerKnobs>;
  turn(name: string, value: KnobValue, timeoutMs?: number): Promise<KnobState>;
  bus: Bus;
  /** Resolves when the watcher has seen everything that was published before. */
  seen(): Promise<void>;
}

/** A bus, an owner's connection, a lab's connection and one that watches both. */
async function stage(t: TestContext): Promise<Stage> {
  const broker = await startEmbeddedBus();
  t.after(() => broker.close());
  const [owner, lab, watcher] = await Promise.all(
    ['owner', 'lab', 'watcher'].map((clientId) => connectBus(broker.url, { clientId })),
  );
  t.after(() => Promise.all([owner!.close(), lab!.close(), watcher!.close()]));
  const events: LabEvent[] = [];
  const states: KnobState[] = [];
  let fence = (): void => {};
  await watcher!.subscribe('wsar/lab/h/server/event', (_, value) => events.push(value as LabEvent));
  await watcher!.subscribe('wsar/lab/knob/#', (name, value) => {
    if (name.endsWith('/state')) states.push(value as KnobState);
  });
  await watcher!.subscribe('fence', () => fence());
  const journalFile = join(temporaryFolder(t), 'server.knobs');
  const clock = new VirtualClock();
  const common: Omit<OfferKnobsOptions, 'knobs'> = {
    bus: owner!,
    lab: 'lab',
    host: 'h',
    owner: 'server',
    journalFile,
    clock,
  };
  return {
    url: broker.url,
    journalFile,
    clock,
    events,
    states,
    bus: lab!,
    offer: (...knobs) => offerKnobs({ ...common, knobs }),
    turn: (name, value, timeoutMs = 5000) =>
      turnKnob(lab!, { lab: 'lab', owner: 'server', name, value, by: 'test', timeoutMs }),
    async seen() {
      const passed = new Promise<void>((resolve) => (fence = resolve));
      owner!.publish('fence', 1, { qos: 1 });
      await passed;
    },
  };
}

interface TestKnob extends OfferedKnob {
  value: KnobValue;
  applied: KnobValue[];
}

function enumKnob(name: string, ...values: string[]): TestKnob {
  return {
    def: { name, type: { kind: 'enum', values }, unit: '', default: values[0]!, help: '' },
    value: values[0]!,
    applied: [],
    read() {
      return this.value;
    },
    apply(value) {
      this.applied.push(value);
      this.value = value;
    },
  };
}

test('a turn is journalled, applied, read back, answered, retained and an event', async (t) => {
  const { offer, turn, journalFile, events, states, seen, clock, url } = await stage(t);
  const flush = enumKnob('write.flush', 'turn', 'immediate');
  let journalAtApply = '';
  const apply = flush.apply;
  flush.apply = function (value) {
    journalAtApply ||= readFileSync(journalFile, 'utf8');
    return apply.call(this, value);
  };
  const owner = await offer(flush);
  clock.advance(1500);
  const state = await turn('write.flush', 'immediate');
  assert.equal(flush.value, 'immediate');
  assert.match(journalAtApply, /"knob":"write.flush","old":"turn"/);
  assert.deepEqual(
    [state.value, state.by, state.refused, state.appliedWallMs],
    ['immediate', 'test', undefined, clock.wallMs()],
  );
  assert.deepEqual(state.def, flush.def);
  await seen();
  assert.equal(events.length, 1);
  assert.equal(events[0]!.kind, 'knob');
  assert.equal(events[0]!.text, 'write.flush turned from turn to immediate by test');
  assert.deepEqual(
    { ...events[0]!.data, id: '' },
    {
      owner: 'server',
      knob: 'write.flush',
      old: 'turn',
      value: 'immediate',
      by: 'test',
      id: '',
    },
  );
  assert.deepEqual(
    states.map(({ value, by }) => [value, by]),
    [
      ['turn', 'start'],
      ['immediate', 'test'],
    ],
  );
  const late = await connectBus(url, { clientId: 'late' });
  t.after(() => late.close());
  const retained = new Promise((resolve) => {
    void late.subscribe(topic.knobState('lab', 'server', '+'), (_, value) => resolve(value));
  });
  assert.deepEqual(await retained, state);
  await owner.close();
  assert.equal(existsSync(journalFile), false, 'a clean end leaves nothing to put back');
  assert.equal(flush.value, 'immediate');
});

test('a value that does not fit is refused and touches nothing', async (t) => {
  const { offer, turn, journalFile, events, seen } = await stage(t);
  const flush = enumKnob('write.flush', 'turn', 'immediate');
  const owner = await offer(flush);
  const state = await turn('write.flush', 'later');
  assert.equal(state.value, 'turn');
  assert.match(state.refused!, /"later" is none of turn, immediate/);
  assert.deepEqual(flush.applied, []);
  assert.equal(existsSync(journalFile), false);
  await seen();
  assert.match(events[0]!.text, /refused a turn by test/);
  assert.equal(events[0]!.data?.['refused'], state.refused);
  await owner.close();
});

test('a value that fails, or does not read back, is taken back', async (t) => {
  const { offer, turn } = await stage(t);
  const throwing = enumKnob('a', 'off', 'on');
  throwing.apply = async (value) => {
    throwing.value = value;
    if (value === 'on') throw new Error('the part said no');
  };
  const lying = enumKnob('b', 'off', 'on');
  lying.apply = () => {};
  const owner = await offer(throwing, lying);
  const failed = await turn('a', 'on');
  assert.deepEqual([failed.value, failed.refused], ['off', 'the part said no']);
  const lied = await turn('b', 'on');
  assert.deepEqual([lied.value, lied.refused], ['off', 'on was applied but off reads back']);
  await owner.close();
});

test('a part that never answers gives a refusal, and the next turn has its go', async (t) => {
  const { offer, turn, clock } = await stage(t);
  const knob = enumKnob('a', 'off', 'on', 'other');
  const apply = knob.apply;
  let hang!: () => void;
  const hanging = new Promise<void>((resolve) => (hang = resolve));
  knob.apply = function (value) {
    if (value !== 'on') return apply.call(this, value);
    hang();
    return new Promise<void>(() => {});
  };
  const owner = await offer(knob);
  const first = turn('a', 'on');
  await hanging;
  const second = turn('a', 'other');
  clock.advance(5000);
  assert.match((await first).refused!, /not applied within 5 s/);
  assert.equal((await second).value, 'other');
  await owner.close();
});

test('turns are applied one after the other; too many at once are refused', async (t) => {
  const { offer, turn } = await stage(t);
  const knob = enumKnob('a', ...Array.from({ length: 60 }, (_, index) => `v${index}`));
  let busy = 0;
  knob.apply = async (value) => {
    assert.equal(busy++, 0);
    await new Promise((resolve) => setImmediate(resolve));
    knob.value = value;
    knob.applied.push(value);
    busy--;
  };
  const owner = await offer(knob);
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) => turn('a', `v${index}`)),
  );
  const taken = answers.filter(({ refused }) => refused === undefined);
  assert.deepEqual(
    knob.applied,
    taken.map(({ value }) => value),
  );
  assert.ok(taken.length >= 32);
  for (const { refused } of answers) if (refused) assert.match(refused, /32 turns are waiting/);
  await owner.close();
});

test('an owner that is not there, and one that has no such knob', async (t) => {
  const { offer, turn, events, seen } = await stage(t);
  await assert.rejects(turn('a', 'on', 50), { code: 'WSAR_ERR_UNREACHABLE' });
  const owner = await offer(enumKnob('a', 'off', 'on'), enumKnob('b', 'off', 'on'));
  await assert.rejects(turn('c', 'on', 50), {
    code: 'WSAR_ERR_USAGE',
    message: "'server' has no knob 'c'",
    hint: 'turn one that it has: a, b',
  });
  await seen();
  assert.equal(events.at(-1)!.text, 'server has no knob c; it has a, b');
  await owner.close();
  await assert.rejects(turn('a', 'on', 50), { code: 'WSAR_ERR_UNREACHABLE' });
});

test('a person may leave out id and name; rubbish is refused in words', async (t) => {
  const { offer, bus, states, seen, turn } = await stage(t);
  const knob = enumKnob('a', 'off', 'on');
  const owner = await offer(knob);
  const set = topic.knobSet('lab', 'server', 'a');
  for (const message of [{ value: 'on' }, 'off', 5, null, [], { value: { deep: 1 } }, { id: 7 }]) {
    bus.publish(set, message, { qos: 1 });
  }
  await turn('a', 'on');
  await seen();
  assert.deepEqual(
    states.slice(1).map(({ value, by, refused }) => [value, by, refused ?? 'taken']),
    [
      ['on', 'somebody', 'taken'],
      ['off', 'somebody', 'taken'],
      ['off', 'somebody', '5 is none of off, on'],
      ['off', 'somebody', 'null is none of off, on'],
      ['off', 'somebody', 'undefined is none of off, on'],
      ['off', 'somebody', '{"deep":1} is none of off, on'],
      ['off', 'somebody', 'undefined is none of off, on'],
      ['on', 'test', 'taken'],
    ],
  );
  await owner.close();
});

test('a knob is not turned when the journal cannot be written', async (t) => {
  const { offer, turn, journalFile } = await stage(t);
  mkdirSync(journalFile);
  // A folder in place of the file; as root, rights alone would not stop the write.
  const knob = enumKnob('a', 'off', 'on');
  await assert.rejects(offer(knob), /EISDIR/);
  rmSync(journalFile, { recursive: true });
  const owner = await offer(knob);
  mkdirSync(journalFile);
  const state = await turn('a', 'on');
  assert.match(state.refused!, /the journal cannot be written/);
  assert.deepEqual(knob.applied, []);
  rmSync(journalFile, { recursive: true });
  await owner.close();
});

test('what a killed owner left turned is put back at the next start, newest first', async (t) => {
  const { offer, journalFile, events, states, seen, url } = await stage(t);
  const script = `
    import { connectBus } from '#core/bus/bus.ts';
    import { systemClock } from '#core/clock/clock.ts';
    import { offerKnobs } from '#core/knob/offer-knobs.ts';
    const values = { a: 'off', b: 'off' };
    const bus = await connectBus(${JSON.stringify(url)}, { clientId: 'owner' });
    const knobs = Object.keys(values).map((name) => ({
      def: { name, type: { kind: 'enum', values: ['off', 'on'] }, unit: '', default: 'off', help: '' },
      read: () => values[name],
      apply: (value) => {
        // Killed between journal and effect.
        if (name === 'b') process.kill(process.pid, 'SIGKILL');
        values[name] = value;
      },
    }));
    await offerKnobs({ bus, lab: 'lab', host: 'h', owner: 'server',
      journalFile: ${JSON.stringify(journalFile)}, clock: systemClock, knobs });
    process.stdout.write('offered');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  const bus = await connectBus(url, { clientId: 'turner' });
  t.after(() => bus.close());
  const options = { lab: 'lab', owner: 'server', value: 'on', by: 'test', timeoutMs: 5000 };
  assert.equal((await turnKnob(bus, { ...options, name: 'a' })).value, 'on');
  await Promise.all([
    ended,
    assert.rejects(turnKnob(bus, { ...options, name: 'b', timeoutMs: 500 })),
  ]);
  events.length = 0;
  states.length = 0;
  // The successor finds the settings of the host as the killed one left them.
  const [a, b] = [enumKnob('a', 'off', 'on'), enumKnob('b', 'off', 'on')];
  a.value = 'on';
  const owner = await offer(a, b);
  assert.deepEqual([a.value, b.value, a.applied, b.applied], ['off', 'off', ['off'], ['off']]);
  await seen();
  assert.deepEqual(
    events.map(({ text }) => text),
    [
      'b put back to off: a killed process left it turned',
      'a put back to off: a killed process left it turned',
    ],
  );
  assert.equal(events[1]!.data?.['old'], 'on');
  assert.match(String(events[1]!.data?.['by']), new RegExp(`process ${child.pid}`));
  assert.deepEqual(
    states.map(({ value }) => value),
    ['off', 'off'],
  );
  assert.equal(existsSync(journalFile), false);
  await owner.close();
});

test('what cannot be put back is told and tried again at the next start', async (t) => {
  const { offer, journalFile, events, seen, turn } = await stage(t);
  const left = (knob: string, old: KnobValue): string => JSON.stringify({ knob, old, wallMs: 1 });
  writeFileSync(
    journalFile,
    `{"pid":4194305,"startTicks":1}\n${left('gone', 'x')}\n${left('a', 'never')}\n${left('b', 'off')}\n`,
  );
  const a = enumKnob('a', 'off', 'on');
  const b = enumKnob('b', 'off', 'on');
  b.value = 'on';
  b.apply = () => Promise.reject(new Error('busy'));
  const first = await offer(a, b);
  await seen();
  assert.deepEqual(
    events.map(({ text }) => text),
    [
      'b could not be put back to off: busy',
      'a could not be put back to never: "never" is none of off, on',
      'gone could not be put back to x: there is no such knob any more',
    ],
  );
  assert.equal((await turn('a', 'on')).value, 'on');
  await first.close();
  assert.equal(existsSync(journalFile), true);
  const second = enumKnob('b', 'off', 'on');
  second.value = 'on';
  const again = await offer(enumKnob('a', 'off', 'on', 'never'), second);
  assert.equal(second.value, 'off');
  assert.equal(existsSync(journalFile), false);
  await again.close();
});
