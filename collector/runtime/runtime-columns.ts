// Columns of the runtime table when a runtime was chosen, in wsar's order, and of each Node thread.

import type { Column, Group } from '#collector/report/layout.ts';
import { percentText, secondsText, shortText, wholeText } from '#collector/report/number-text.ts';

const KIB = 1024;
const MIB = 1024 * 1024;
/** wsar counted in thousands of words of 8 bytes. */
const KILOWORD = 8000;

const run = (name: string): string => `wsar.runtime.${name}`;
const util = (part?: string): string =>
  run(`sched.utilization${part === undefined ? '' : `{part=${part}}`}`);
const memory = (kind: string): string => run(`memory{kind=${kind}}`);

function share(head: string, metric: string, width = 5): Column {
  return { head, metric, width, text: percentText };
}

function short(head: string, metric: string, unit = 1, width = 5): Column {
  return { head, metric, width, unit, text: shortText };
}

function whole(head: string, metric: string, width: number, unit = 1): Column {
  return { head, metric, width, unit, text: wholeText };
}

function seconds(head: string, metric: string, width = 5): Column {
  return { head, metric, width, text: secondsText };
}

const QUEUES: Group = {
  title: 'msgqlen',
  columns: [
    short('tot', 'mailbox.length{stat=sum}'),
    short('max', 'mailbox.length{stat=max}'),
    short('nonz', 'mailbox.nonempty', 1, 4),
  ],
};

const NARROW: Record<'erlang' | 'node', Group[]> = {
  erlang: [
    QUEUES,
    {
      title: 'schedulers',
      columns: [
        short('runq', run('sched.run_queue'), 1, 4),
        share('%util', util()),
        short('csw', run('sched.switches')),
      ],
    },
    {
      title: 'gc',
      columns: [short('/s', run('gc.count')), short('kw/s', run('gc.collected'), KILOWORD)],
    },
    {
      title: 'MiB',
      columns: [short('tot', memory('total'), MIB), short('proc', memory('process'), MIB)],
    },
    { title: '', columns: [short('nproc', run('processes'))] },
  ],
  node: [
    {
      title: 'event loops',
      columns: [
        seconds('load', run('sched.load'), 4),
        share('%util', util()),
        share('%gc', util('system'), 4),
        share('%stal', util('stall')),
        seconds('lag99', run('lag{quantile=0.99}')),
        seconds('max', run('lag{quantile=1}')),
      ],
    },
    {
      title: 'gc',
      columns: [short('/s', run('gc.count')), short('kw/s', run('gc.collected'), KILOWORD)],
    },
    {
      title: 'MiB',
      columns: [short('rss', memory('total'), MIB), short('heap', memory('process'), MIB)],
    },
    { title: '', columns: [short('thr', run('processes'), 1, 3)] },
  ],
};

const WIDE: Group[] = [
  { title: '', columns: [whole('nodes', run('nodes'), 5)] },
  {
    title: 'msgqlen',
    columns: [
      whole('tot', 'mailbox.length{stat=sum}', 8),
      whole('max', 'mailbox.length{stat=max}', 8),
      whole('nonz', 'mailbox.nonempty', 6),
      seconds('age', 'mailbox.age', 4),
    ],
  },
  {
    title: 'dist/s',
    columns: [
      whole('msgin', run('dist.messages{direction=in}'), 7),
      whole('msgout', run('dist.messages{direction=out}'), 7),
    ],
  },
  {
    title: 'io KiB/s',
    columns: [
      whole('in', run('io{direction=in}'), 7, KIB),
      whole('out', run('io{direction=out}'), 7, KIB),
    ],
  },
  {
    title: 'sched',
    columns: [
      seconds('load', run('sched.load')),
      whole('runq', run('sched.run_queue'), 5),
      share('%util', util()),
      share('%proc', util('process')),
      share('%sys', util('system')),
      share('%port', util('port')),
      share('%stall', util('stall'), 6),
      whole('csw', run('sched.switches'), 7),
      whole('kred', run('sched.reductions'), 7, 1000),
      seconds('lag99', run('lag{quantile=0.99}')),
      seconds('lagmx', run('lag{quantile=1}')),
    ],
  },
  {
    title: 'gc',
    columns: [
      whole('/s', run('gc.count'), 7),
      whole('kwrd/s', run('gc.collected'), 7, KILOWORD),
      whole('long', run('gc.long.count'), 4),
      whole('longms', run('gc.long.time'), 6),
    ],
  },
  {
    title: 'mem MiB',
    columns: [
      whole('tot', memory('total'), 6, MIB),
      whole('sys', memory('system'), 6, MIB),
      whole('proc', memory('process'), 6, MIB),
    ],
  },
  { title: '', columns: [whole('nproc', run('processes'), 8)] },
];

/** The table `runtime` of a chosen runtime. */
export function runtimeGroups(runtime: 'erlang' | 'node', isWide: boolean): Group[] {
  return isWide ? WIDE : NARROW[runtime];
}

/** Columns of one Node thread; `label` is `pid=7,thread=0`. */
export function nodeThreadGroup(label: string, isWide: boolean): Group {
  const of = (name: string): string => `${name}{${label}}`;
  const [, pid, thread] = /^pid=(\d+),thread=(\d+)$/.exec(label)!;
  const few = [
    share('%util', of('nodejs.eventloop.utilization')),
    share('%stal', of('nodejs.linux.stall')),
    seconds('lag99', of('nodejs.eventloop.delay.p99')),
  ];
  const more = [
    share('%cpu', of('nodejs.linux.cpu')),
    share('%wait', of('nodejs.linux.runqueue.wait')),
    seconds('lag50', of('nodejs.eventloop.delay.p50')),
    seconds('lagmx', of('nodejs.eventloop.delay.max')),
    seconds('gcmax', of('v8js.gc.pause.max')),
    short('gcB/s', of('v8js.gc.collected')),
    short('heap', of('v8js.memory.heap.used'), MIB),
    seconds('age', of('nodejs.agent.age'), 4),
  ];
  return { title: `node ${pid}.${thread}`, columns: isWide ? [...few, ...more] : few };
}
