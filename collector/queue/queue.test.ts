import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queueArea } from '#collector/queue/queue-area.ts';
import { QueueFigures } from '#collector/queue/queue-figures.ts';
import { QueueSource } from '#collector/queue/queue-source.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import { Sampler } from '#collector/sampler.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge } from '#collector/source/metric-shape.ts';
import { Freshness, type Source } from '#collector/source/source.ts';
import { VirtualClock } from '#core/clock/clock.ts';
import type { MetricSpec } from '#core/metric/registry.ts';
import { ROOT, startWsar } from '#test/command.ts';

/** A source whose values a test sets. */
class FakeSource implements Source {
  readonly id = 'fake';
  readonly budgetUs = 1e6;
  readonly values: Record<string, number> = {};
  readonly #slots = new Map<string, number>();
  readonly #specs: MetricSpec[];
  #metrics!: MetricScope;

  constructor(specs: MetricSpec[]) {
    this.#specs = specs;
  }

  probe() {
    return { state: 'ok' } as const;
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
    for (const spec of this.#specs) this.add(spec);
  }

  add(spec: MetricSpec): void {
    this.#slots.set(spec.name, this.#metrics.declare(spec));
  }

  sample(table: SampleTable): number {
    for (const [name, slot] of this.#slots) {
      const value = this.values[name];
      if (value === undefined) continue;
      if (table.registry.spec(slot).counter === undefined) table.gauge(slot, value);
      else table.counterNumber(slot, value);
    }
    return Freshness.now;
  }

  close(): void {}
}

const length = (name: string): MetricSpec => gauge(name, '', '{job}', '');
const count = (name: string): MetricSpec => counter(name, '', '{job}/s', '');

function queuesOf(specs: MetricSpec[]) {
  const clock = new VirtualClock();
  const fake = new FakeSource(specs);
  const source = new QueueSource();
  const sampler = new Sampler(clock, [fake, source]);
  const { table } = sampler;
  return {
    fake,
    source,
    sampler,
    value: (name: string) => table.value(table.registry.slotOf(name)),
    has: (name: string) => table.registry.slotOf(name) >= 0,
    tick(seconds = 1) {
      clock.advance(seconds * 1000);
      sampler.sample();
    },
  };
}

test('the three rows of 2012: all eight figures that were printed, from lengths and counters', () => {
  const rows = [
    { messages: 606_770, deq: 40_273, fill: -14_644, delay: 15, drain: 41 },
    { messages: 367_643, deq: 46_443, fill: -20_744, delay: 7, drain: 17 },
    { messages: 159_169, deq: 48_105, fill: -22_190, delay: 3, drain: 7 },
  ];
  for (const { messages, deq, fill, delay, drain } of rows) {
    const { fake, tick, value } = queuesOf([
      length('beam.queue.length{pid=0.27.0}'),
      count('beam.queue.enqueued{pid=0.27.0}'),
      count('beam.queue.dequeued{pid=0.27.0}'),
    ]);
    const set = (second: number): void => {
      fake.values['beam.queue.length{pid=0.27.0}'] = messages - fill * (1 - second);
      fake.values['beam.queue.enqueued{pid=0.27.0}'] = second * (deq + fill);
      fake.values['beam.queue.dequeued{pid=0.27.0}'] = second * deq;
    };
    set(0);
    tick();
    set(1);
    tick();
    const of = (what: string): number => value(`wsar.queue.${what}{queue=beam:0.27.0}`);
    assert.deepEqual(
      [of('length'), of('dequeued'), of('delay'), of('fill_rate'), of('drain_time')],
      [messages, deq, delay, fill, drain],
    );
  }
  // The second fill rate of the first two rows is of a slower horizon.
  for (const { messages, slow, drain } of [
    { messages: 606_770, slow: -283, drain: 2144 },
    { messages: 367_643, slow: -7557, drain: 48 },
  ]) {
    const figures = new QueueFigures();
    for (let tick = 0; tick < 50; tick++) figures.observe(messages, 0, -slow, 1);
    assert.equal(figures.drainOverS(1), drain);
    assert.equal(figures.drainOverS(2), drain);
  }
});

test('a queue of known rates: fill, delay and drain over 1, 10, 100 s', () => {
  const { fake, tick, value } = queuesOf([
    length('jobs.queue.length'),
    count('jobs.queue.enqueued'),
    count('jobs.queue.dequeued'),
  ]);
  let [enqueued, dequeued] = [100_000, 0];
  const run = (seconds: number, inPerS: number, outPerS: number): void => {
    for (let second = 0; second < seconds; second++) {
      enqueued += inPerS;
      dequeued += outPerS;
      Object.assign(fake.values, {
        'jobs.queue.length': enqueued - dequeued,
        'jobs.queue.enqueued': enqueued,
        'jobs.queue.dequeued': dequeued,
      });
      tick();
    }
  };
  const of = (what: string): number => value(`wsar.queue.${what}`);
  run(200, 100, 100);
  assert.equal(of('fill_rate{queue=jobs}'), 0);
  assert.ok(Number.isNaN(of('drain_time{queue=jobs}')), 'it never drains');
  assert.equal(of('delay{queue=jobs}'), 1000);
  run(10, 100, 1100);
  assert.equal(of('length{queue=jobs}'), 90_000);
  assert.equal(of('drain_time{queue=jobs}'), 90);
  // Ten seconds at -1000 after 200 at 0: 1 - exp(-1) of it over 10 s, 1 - exp(-0.1) over 100 s.
  const over = (tau: number): number => {
    const seen = 1 - Math.exp(-209 / tau);
    return Math.trunc(90_000 / ((1000 * (1 - Math.exp(-10 / tau))) / seen));
  };
  assert.equal(of('drain_time{queue=jobs,decay=10s}'), over(10));
  assert.equal(of('drain_time{queue=jobs,decay=100s}'), over(100));
});

test('where one rate is missing the length gives it; where both are, only the fill rate is known', () => {
  const { fake, tick, value } = queuesOf([
    length('a.queue.length'),
    count('a.queue.dequeued'),
    length('b.queue.length'),
  ]);
  Object.assign(fake.values, { 'a.queue.length': 10, 'a.queue.dequeued': 0, 'b.queue.length': 50 });
  tick();
  Object.assign(fake.values, { 'a.queue.length': 30, 'a.queue.dequeued': 5, 'b.queue.length': 40 });
  tick(2);
  const of = (what: string, queue: string): number => value(`wsar.queue.${what}{queue=${queue}}`);
  assert.deepEqual(
    ['dequeued', 'enqueued', 'fill_rate', 'delay'].map((what) => of(what, 'a')),
    [2.5, 12.5, 10, 12],
  );
  assert.ok(Number.isNaN(of('dequeued', 'b')));
  assert.deepEqual([of('fill_rate', 'b'), of('drain_time', 'b')], [-5, 8]);
});

test('totals, longest, non-empty; queues come later, go silent, and are no more than 64', () => {
  const { fake, source, tick, value, has } = queuesOf([
    length('mailbox.length{stat=sum}'),
    length('mailbox.length{stat=max}'),
    length('mailbox.nonempty'),
    length('tcp.listen.queue.length{port=80}'),
  ]);
  tick();
  assert.equal(has('wsar.queue.total'), false, 'nobody tells of a queue');
  Object.assign(fake.values, {
    'mailbox.length{stat=sum}': 571_109,
    'mailbox.length{stat=max}': 570_833,
    'mailbox.nonempty': 16,
    'tcp.listen.queue.length{port=80}': 7,
  });
  tick();
  const totals = (): number[] =>
    ['total', 'longest', 'nonempty', 'count'].map((what) => value(`wsar.queue.${what}`));
  assert.deepEqual(totals(), [571_109, 570_833, 16, 1]);
  tick();
  delete fake.values['mailbox.length{stat=sum}'];
  tick();
  assert.deepEqual(totals(), [Number.NaN, Number.NaN, Number.NaN, 0]);
  assert.ok(Number.isNaN(value('wsar.queue.length{queue=mailboxes}')));
  for (let queue = 0; queue < 70; queue++) {
    fake.add(length(`queue.length{queue=q${queue}}`));
    fake.values[`queue.length{queue=q${queue}}`] = queue;
  }
  tick();
  tick();
  assert.deepEqual(
    [value('wsar.queue.count'), source.refused, value('wsar.queue.refused')],
    [63, 7, 7],
  );
  assert.equal(source.labels()[0], 'q62');
});

test('the table shows totals and the longest queues', async () => {
  const part = await queueArea.prepare({});
  const clock = new VirtualClock();
  const fake = new FakeSource(
    ['a', 'b', 'c'].map((queue) => length(`x.queue.length{queue=${queue}}`)),
  );
  const sampler = new Sampler(clock, [fake]);
  await part!.open({ add: (source: Source) => sampler.add(source) } as Parameters<
    NonNullable<typeof part>['open']
  >[0]);
  Object.assign(fake.values, {
    'x.queue.length{queue=a}': 1,
    'x.queue.length{queue=b}': 3,
    'x.queue.length{queue=c}': 2,
  });
  sampler.sample();
  assert.deepEqual(
    part!.groups!('queues', false).map(({ title }) => title),
    ['msgqlen', 'x:b', 'x:c'],
  );
  assert.deepEqual(
    part!.groups!('queues', true).map(({ title }) => title),
    ['msgqlen', 'x:b', 'x:c', 'x:a', 'accept'],
  );
  const width = part!.groups!('queues', false)
    .flatMap(({ columns }) => columns)
    .reduce((sum, column) => sum + column.width + 1, 8);
  assert.ok(width <= 80, `${width} columns`);
  const [, wide] = part!.groups!('queues', true);
  assert.deepEqual(
    wide!.columns.map(({ head }) => head),
    ['Messages', 'EnqRate', 'DeqRate', 'QDelay', 'QFillRate', 'ETDrain', '10s', '100s'],
  );
  assert.deepEqual(part!.groups!('other', true), []);
});

test('wsar collect --show queues: a program that tells of queues gets the columns of the queue tool', async (t) => {
  const program = `${ROOT}/docs/examples/plugins/queue-drain.sh`;
  const args = ['collect', '0.2', '6', '--exec', program];
  const table = startWsar(t, [...args, '--show', 'queues']);
  const json = startWsar(t, [...args, '--json']);
  assert.equal(await table.exit(), 0, table.stderr());
  assert.match(table.stdout(), /^time +msgqlen +queue-drain:mail +queue-drain:push$/m);
  assert.match(
    table.stdout(),
    /^ +tot nonz +len deq\/s QDly +QFill Drain +len deq\/s QDly +QFill Drain$/m,
  );
  assert.equal(await json.exit(), 0, json.stderr());
  const row = JSON.parse(json.stdout().trimEnd().split('\n').at(-1)!);
  const of = (what: string, queue: string): number =>
    row.values[`wsar.queue.${what}{queue=queue-drain:${queue}}`];
  assert.equal(of('length', 'push'), 50);
  assert.equal(of('fill_rate', 'push'), 0);
  assert.equal(of('drain_time', 'push'), null);
  assert.ok(of('length', 'mail') < 60_000 && of('length', 'mail') % 900 === 600);
  const wait = of('length', 'mail') / -of('fill_rate', 'mail');
  assert.equal(of('drain_time', 'mail'), Math.trunc(wait));
  assert.equal(row.decays['wsar.queue.dequeued{queue=queue-drain:mail}'].length, 3);
});
