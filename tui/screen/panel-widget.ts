// One panel on the screen: a box of cells for the border and, where the body is a table or a log, the
// widget of blessed-contrib inside it.

import type { Widgets } from 'blessed';
import ContribLog from 'blessed-contrib/lib/widget/log.js';
import ContribTable from 'blessed-contrib/lib/widget/table.js';
import { CellBox } from '#tui/screen/cell-box.ts';
import type { Palette } from '#tui/screen/palette.ts';
import type { Line, Span } from '#tui/view/cell-grid.ts';
import { type Body, inside, type Panel } from '#tui/view/frame.ts';
import { paintBorder, paintPanel } from '#tui/view/frame-text.ts';
import type { Rect } from '#tui/view/layout.ts';
import { TABLE_GAP, type Table, tableCells } from '#tui/view/table.ts';
import type { Theme } from '#tui/view/theme.ts';

/** Nothing of the libraries' own colours: roles decide, and with NO_COLOR there is no colour at all. */
const PLAIN_STYLE = { fg: 'default', bg: 'default' };
const RESET = '\x1b[m';

export class PanelWidget {
  readonly kind: Body['kind'];
  readonly #screen: Widgets.Screen;
  readonly #box: CellBox;
  readonly #palette: Palette;
  readonly #theme: Theme;
  #table: PanelTable | undefined;
  #log: PanelLog | undefined;

  constructor(screen: Widgets.Screen, kind: Body['kind'], palette: Palette, theme: Theme) {
    this.kind = kind;
    this.#screen = screen;
    this.#palette = palette;
    this.#theme = theme;
    this.#box = new CellBox({ screen }, palette);
    screen.append(this.#box);
  }

  show(panel: Panel): void {
    const { body, rect } = panel;
    if (body.kind === 'cells') {
      this.#box.showCells(rect, paintPanel(panel, this.#theme));
      return;
    }
    this.#box.showCells(rect, paintBorder(panel, this.#theme));
    if (body.kind === 'table') this.#showTable(body.table, inside(rect));
    else this.#showLog(body.lines, inside(rect));
  }

  remove(): void {
    this.#table?.destroy();
    this.#log?.destroy();
    this.#box.destroy();
  }

  #showTable(table: Table, rect: Rect): void {
    if (this.#table === undefined) {
      this.#table = new PanelTable(this.#screen);
      this.#screen.append(this.#table);
    }
    this.#table.place(rect);
    const [head, ...rows] = tableCells(table, this.#theme.signs).map((cells) =>
      cells.map((cell) => this.#text(cell)),
    );
    this.#table.showTable(
      table.columns.map(({ cols }) => cols),
      head!,
      rows.slice(0, Math.max(0, rect.rows - 1)),
    );
  }

  #showLog(lines: Line[], rect: Rect): void {
    if (this.#log === undefined) {
      this.#log = new PanelLog({
        screen: this.#screen,
        style: { ...PLAIN_STYLE },
        bufferLength: 1,
      });
      this.#screen.append(this.#log);
    }
    place(this.#log, rect);
    this.#log.showLines(lines.map((line) => line.map((piece) => this.#text(piece)).join('')));
  }

  #text({ text, role }: Span): string {
    const sequence = this.#palette.sequence(role);
    return sequence === '' ? text : sequence + text + RESET;
  }
}

/** contrib's table without the border it expects, and with the columns of each frame. */
class PanelTable extends ContribTable {
  constructor(screen: Widgets.Screen) {
    const style = { ...PLAIN_STYLE };
    const columnSpacing = TABLE_GAP + 1;
    super({ screen, style, wrap: false, interactive: false, columnWidth: [], columnSpacing });
    this.rows.parseTags = false;
    this.rows.style.item = style;
    this.rows.top = 1;
    this.rows.left = 0;
  }

  showTable(columns: number[], head: string[], rows: string[][]): void {
    this.options.columnWidth = columns;
    this.setData({ headers: head, data: rows });
  }

  /** Moving a widget clears its old place, so all of it moves before anything of a frame is painted. */
  place(rect: Rect): void {
    place(this, rect);
    this.rows.width = rect.cols;
    this.rows.height = Math.max(0, rect.rows - 1);
  }

  /** Not contrib's own render, which leaves room for a border that is not here. */
  override render(): Widgets.Coords {
    return Object.getPrototypeOf(ContribTable.prototype).render.call(this);
  }
}

/** contrib's log, given all its lines at once: what to keep is decided by the view. */
class PanelLog extends ContribLog {
  showLines(lines: string[]): void {
    this.logLines = lines;
    this.setItems(lines as never);
  }
}

function place(widget: Widgets.BoxElement, { x, y, cols, rows }: Rect): void {
  widget.left = x;
  widget.top = y;
  widget.width = cols;
  widget.height = rows;
}
