// `wsar top --plain`: the tail of sar and the alerts as lines of text, each written once and never moved:
// for logs, pipes and screen readers. On a terminal the head comes again every 20 rows; it also comes
// again when the columns change, because another part of the lab began to report.

import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import type { Clock } from '#core/clock/clock.ts';
import { readLabEnvironment } from '#core/host/lab-environment.ts';
import { LabState, type Link } from '#tui/model/lab-state.ts';
import type { Message } from '#tui/model/message.ts';
import { Follower } from '#tui/source/follower.ts';
import { ruleAlertsOf } from '#tui/view/alert-rule.ts';
import { CellGrid } from '#tui/view/cell-grid.ts';
import {
  drawSarHead,
  drawSarRow,
  SAR_HEAD_ROWS,
  SAR_TIME_COLS,
  type TailRow,
} from '#tui/view/panel/sar-panel.ts';
import { sarColumns } from '#tui/view/sar-columns.ts';
import { type Scene, sceneOf } from '#tui/view/scene.ts';
import { type SymbolSet, themeOf } from '#tui/view/theme.ts';
import { initialView } from '#tui/view/view-state.ts';

export interface PlainOptions {
  root: string;
  signal: AbortSignal;
  clock: Clock;
  out: (text: string) => void;
  /** Width of the lines. */
  cols: number;
  /** The head comes again after so many rows; 0 for never. */
  headEvery: number;
  symbols: SymbolSet;
  /** End when the lab ends. */
  once: boolean;
}

/** The rows of one second come from several processes; its line waits this long for all of them. */
const GATHER_MS = 600;
const ALERTS_REMEMBERED_MAX = 256;

/** Prints until interrupted, or with `once` until the lab ends. */
export async function runPlain(options: PlainOptions): Promise<ExitCode> {
  const done = Promise.withResolvers<ExitCode>();
  const printer = new PlainPrinter(options);
  const follower = new Follower({
    root: options.root,
    environment: readLabEnvironment(),
    clock: options.clock,
    onMessage: (message) => printer.hear(message),
    onMalformed: () => {},
    onSwitch: (link) => printer.begin(link),
    onLink: (link) => {
      printer.tell(link);
      if (link.state === 'ended' && options.once) done.resolve(EXIT.ok);
    },
    onError: (error) => done.reject(error),
  });
  const onAbort = (): void => done.resolve(EXIT.ok);
  options.signal.addEventListener('abort', onAbort);
  try {
    await follower.start();
    return options.signal.aborted ? EXIT.ok : await done.promise;
  } finally {
    options.signal.removeEventListener('abort', onAbort);
    await follower.close();
    printer.close();
  }
}

class PlainPrinter {
  readonly #options: PlainOptions;
  readonly #state = new LabState();
  readonly #alerts = new Set<string>();
  #head = '';
  #rowsSinceHead = 0;
  #printedSecond = Number.NEGATIVE_INFINITY;
  #waitingFor: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: PlainOptions) {
    this.#options = options;
  }

  begin(link: Link): void {
    this.close();
    this.#state.reset(link);
    this.#printedSecond = Number.NEGATIVE_INFINITY;
    this.tell(link);
  }

  tell(link: Link): void {
    const run = link.runId === link.lab ? '' : link.runId;
    const what = link.mode === 'lab' ? `lab ${link.lab} ${run}`.trim() : 'host';
    const why = link.text === '' ? '' : `: ${link.text}`;
    this.#options.out(`# ${what} ${link.state}${why}\n`);
  }

  hear(message: Message): void {
    const nowUs = this.#options.clock.monoUs();
    this.#state.apply(message, nowUs);
    if (message.kind === 'event') {
      const event = this.#state.events.find(
        ({ wallMs, text }) => wallMs === message.event.wallMs && text === message.event.text,
      );
      if (event !== undefined) this.#print({ kind: 'event', event });
      return;
    }
    const second = this.#state.endSecond(nowUs);
    if (message.kind !== 'row' || !(second > this.#printedSecond)) return;
    if (this.#waitingFor !== undefined && second > this.#waitingFor) this.#flush();
    if (this.#waitingFor !== undefined) return;
    this.#waitingFor = second;
    this.#cancel = this.#options.clock.after(GATHER_MS, () => this.#flush());
  }

  close(): void {
    this.#cancel?.();
    this.#waitingFor = undefined;
  }

  #flush(): void {
    const second = this.#waitingFor;
    this.close();
    if (second === undefined) return;
    const hole = second - this.#printedSecond - 1;
    if (Number.isFinite(hole) && hole > 0) {
      this.#print({ kind: 'gap', seconds: hole, lastSecond: second - 1 });
    }
    this.#printedSecond = second;
    this.#print({ kind: 'second', second });
    this.#printAlerts();
  }

  #print(row: TailRow): void {
    const { cols, out, headEvery } = this.#options;
    const scene = this.#scene();
    const columns = sarColumns(scene, cols - SAR_TIME_COLS);
    const head = new CellGrid(cols, SAR_HEAD_ROWS);
    drawSarHead(head, columns);
    const text = `${head.lines().join('\n')}\n`;
    const isDue = headEvery > 0 && this.#rowsSinceHead >= headEvery;
    if (row.kind === 'second' && (isDue || text !== this.#head)) {
      out(text);
      this.#head = text;
      this.#rowsSinceHead = 0;
    }
    this.#rowsSinceHead++;
    const line = new CellGrid(cols, 1);
    drawSarRow(line, 0, row, columns, scene);
    out(`${line.lines()[0]}\n`);
  }

  /** Each alert of a rule once, when it rises; those of the bus are events and printed as such. */
  #printAlerts(): void {
    for (const { id, text } of ruleAlertsOf(this.#state, this.#options.clock.monoUs())) {
      if (this.#alerts.has(id)) continue;
      if (this.#alerts.size >= ALERTS_REMEMBERED_MAX) this.#alerts.clear();
      this.#alerts.add(id);
      this.#options.out(`!! ${text}\n`);
    }
  }

  #scene(): Scene {
    const { clock, symbols } = this.#options;
    const moment = { nowUs: clock.monoUs(), wallMs: clock.wallMs(), selfPercent: 0 };
    return sceneOf(this.#state, initialView(false), themeOf(symbols), moment);
  }
}
