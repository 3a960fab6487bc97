// Queues: the table `queues` of `wsar collect --show`, and the metrics wsar.queue.* in every row where somebody
// tells of a queue.

import type { AreaHost, AreaPart, CollectArea } from '#collector/collect-area.ts';
import { QueueSource } from '#collector/queue/queue-source.ts';
import type { Column, Group } from '#collector/report/layout.ts';
import { percentText, secondsText, shortText, wholeText } from '#collector/report/number-text.ts';

const TABLE = 'queues';
const OWN = 'wsar.queue';
/** Queues with columns of their own, the longest first; the rest is in the row. */
const NARROW_MAX = 2;
const WIDE_MAX = 4;

export const queueArea: CollectArea = {
  options: [],
  tables: [TABLE],
  async prepare() {
    return new QueuePart();
  },
};

/** The kernel's queues of connections. */
const ACCEPT: Group = {
  title: 'accept',
  columns: [
    { head: 'longest', metric: 'tcp.listen.queue.longest', width: 7, text: wholeText },
    { head: '%full', metric: 'tcp.listen.queue.utilization', width: 5, text: percentText },
    { head: 'ovflw', metric: 'tcp.listen.overflows', width: 5, text: wholeText },
  ],
};

class QueuePart implements AreaPart {
  readonly #source = new QueueSource();

  open(host: AreaHost): void {
    host.add(this.#source);
  }

  groups(name: string, isWide: boolean): Group[] {
    if (name !== TABLE) return [];
    const labels = this.#source.labels().slice(0, isWide ? WIDE_MAX : NARROW_MAX);
    const queues = labels.map((label) => queueGroup(label, isWide));
    return [totals(isWide), ...queues, ...(isWide ? [ACCEPT] : [])];
  }
}

function number(head: string, metric: string, isWide: boolean, width: number): Column {
  return { head, metric, width, text: isWide ? wholeText : shortText };
}

function totals(isWide: boolean): Group {
  const width = isWide ? 8 : 5;
  return {
    title: 'msgqlen',
    columns: [
      number('tot', `${OWN}.total`, isWide, width),
      ...(isWide ? [number('max', `${OWN}.longest`, isWide, width)] : []),
      number('nonz', `${OWN}.nonempty`, isWide, isWide ? 7 : 4),
    ],
  };
}

/** The columns of wsar's queue tool. */
function queueGroup(label: string, isWide: boolean): Group {
  const of = (what: string): string => `${OWN}.${what}{queue=${label}}`;
  const seconds = (head: string, metric: string, width: number): Column => ({
    head,
    metric,
    width,
    text: secondsText,
  });
  const drain = (decay: string): string => `${OWN}.drain_time{queue=${label},decay=${decay}}`;
  return {
    title: label,
    columns: isWide
      ? [
          number('Messages', of('length'), true, 8),
          number('EnqRate', of('enqueued'), true, 7),
          number('DeqRate', of('dequeued'), true, 7),
          seconds('QDelay', of('delay'), 6),
          number('QFillRate', of('fill_rate'), true, 9),
          seconds('ETDrain', of('drain_time'), 7),
          seconds('10s', drain('10s'), 5),
          seconds('100s', drain('100s'), 5),
        ]
      : [
          number('len', of('length'), false, 5),
          number('deq/s', of('dequeued'), false, 5),
          seconds('QDly', of('delay'), 4),
          number('QFill', of('fill_rate'), false, 6),
          seconds('Drain', of('drain_time'), 5),
        ],
  };
}
