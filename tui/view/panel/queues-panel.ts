// Queues: the length is the first sign of health. Each row says how fast a queue fills and empties, how
// long a message waits in it, and when it will be empty, with the last second's fill rate and with that
// of the last ten. Below, what the length did.

import { queueDelayS, queueDrainS } from '#core/metric/queue-drain.ts';
import type { SourceState } from '#tui/model/source-state.ts';
import { CellGrid, type Span, span } from '#tui/view/cell-grid.ts';
import { SERVER } from '#tui/view/metric-names.ts';
import { clockText, numberText } from '#tui/view/number-text.ts';
import { drawTimeline } from '#tui/view/panel/chart-panel.ts';
import { isFreshIn, type Scene, slopeAt, sumAt } from '#tui/view/scene.ts';
import { fittingColumns, paintTable, type TableColumn } from '#tui/view/table.ts';
import { ROLE } from '#tui/view/theme.ts';

/** The names of the figures that one kind of source gives of its queue. */
interface QueueNames {
  length: string;
  in: string;
  out: string;
  longest?: string;
  nonempty?: string;
  /** Of what the queue is: messages unless told. */
  unit?: string;
}

interface QueueColumn extends TableColumn {
  cell(queue: Queue): Span;
}

interface Queue {
  owner: string;
  length: number;
  inPerS: number;
  outPerS: number;
  longest: number;
  nonempty: number;
  delayS: number;
  drain1S: number;
  drain10S: number;
  isStale: boolean;
}

const NAMES: Record<string, QueueNames> = {
  server: {
    length: SERVER.queueLength,
    in: SERVER.enqueued,
    out: SERVER.dequeued,
    longest: SERVER.queueLongest,
    nonempty: SERVER.queueNonempty,
  },
  // What waits for the shadows.
  tee: {
    length: 'wsar.tee.shadow.queued_bytes',
    in: 'wsar.tee.shadow.offered_bytes',
    out: 'wsar.tee.shadow.sent_bytes',
    unit: 'B',
  },
};

const DRAIN_SECONDS = 10;
const CHART_ROWS_MIN = 4;

const COLUMNS: QueueColumn[] = [
  { head: 'queue', cols: 6, align: 'left', cell: ({ owner }) => span(owner) },
  { head: 'length', cols: 7, align: 'right', cell: ({ length }) => span(numberText(length)) },
  { head: 'in /s', cols: 6, align: 'right', cell: ({ inPerS }) => span(numberText(inPerS, 6)) },
  { head: 'out /s', cols: 6, align: 'right', cell: ({ outPerS }) => span(numberText(outPerS, 6)) },
  { head: 'drain', cols: 7, align: 'right', cell: (queue) => drainCell(queue, queue.drain1S) },
  { head: 'drain10', cols: 8, align: 'right', cell: (queue) => drainCell(queue, queue.drain10S) },
  { head: 'delay', cols: 8, align: 'right', cell: ({ delayS }) => span(clockText(delayS)) },
  { head: 'longest', cols: 7, align: 'right', cell: ({ longest }) => span(numberText(longest)) },
  {
    head: 'nonempty',
    cols: 8,
    align: 'right',
    cell: ({ nonempty }) => span(numberText(nonempty)),
  },
];

export function queuesPanel(scene: Scene, cols: number, rows: number): CellGrid {
  const grid = new CellGrid(cols, rows);
  const queues = scene.state.sources
    .flatMap((source) => queueOf(scene, source) ?? [])
    .sort((a, b) => (b.length || 0) - (a.length || 0));
  if (queues.length === 0) {
    grid.put(1, 0, 'no part with a queue reports', ROLE.dim);
    return grid;
  }
  const columns = fittingColumns(COLUMNS, cols);
  const tableRows = Math.min(rows, 1 + queues.length);
  const cells = queues.map((queue) =>
    columns.map(({ cell }) => {
      const { text, role } = cell(queue);
      return span(text, queue.isStale ? ROLE.stale : role);
    }),
  );
  grid.paste(0, 0, paintTable({ columns, rows: cells }, cols, tableRows, scene.theme.signs));
  if (rows - tableRows >= CHART_ROWS_MIN) drawLength(grid, scene, tableRows);
  return grid;
}

function drawLength(grid: CellGrid, scene: Scene, y: number): void {
  const { servers } = scene;
  const at = (second: number): number => sumAt(servers, SERVER.queueLength, second);
  const series = [{ name: 'msgs', letter: 'q', role: ROLE.seriesA, at }];
  const area = { x: 0, y, cols: grid.cols, rows: grid.rows - y };
  drawTimeline(grid, area, scene, { series, scale: 'linear', unit: '{message}' });
}

function queueOf(scene: Scene, source: SourceState): Queue | undefined {
  const names = NAMES[source.source];
  if (names === undefined || !Number.isFinite(source.last(names.length))) return undefined;
  const second = source.lastSecond;
  const length = source.at(names.length, second);
  const outPerS = source.at(names.out, second);
  const slope = (seconds: number): number => slopeAt([source], names.length, second, seconds);
  return {
    owner: `${scene.servers.length > 1 ? source.host : source.source} ${names.unit ?? ''}`.trim(),
    length,
    inPerS: source.at(names.in, second),
    outPerS,
    longest: names.longest === undefined ? Number.NaN : source.at(names.longest, second),
    nonempty: names.nonempty === undefined ? Number.NaN : source.at(names.nonempty, second),
    delayS: queueDelayS(length, outPerS),
    drain1S: queueDrainS(length, slope(1)),
    drain10S: queueDrainS(length, slope(DRAIN_SECONDS)),
    isStale: !isFreshIn(scene, source),
  };
}

function drainCell(queue: Queue, drainS: number): Span {
  if (queue.length === 0) return span('empty', ROLE.good);
  // What is gone within the second is no backlog, whichever way it moved last.
  if (queue.delayS === 0) return span('<1 s', ROLE.good);
  return Number.isFinite(drainS) ? span(clockText(drainS)) : span('never', ROLE.warn);
}
