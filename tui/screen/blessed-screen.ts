// The terminal screen: shows frames, reports keys and sizes, and gives the terminal back as it was. This
// folder is the only one that knows blessed and blessed-contrib; everything else sees `Screen`.
//
// Facts about the library that shape this file: it draws lines in the alternate character set unless told
// that it is broken (tmux then shows 'lqqk'); terminfo entries of some terminals hold what it cannot
// parse, so it is always told xterm-256color and the palette cares for fewer colours; on a resize it
// would first draw the old panels at the new size.

import type { ReadStream, WriteStream } from 'node:tty';
import blessed, { type Widgets } from 'blessed';
import { assert } from '#core/assert.ts';
import { paletteOf } from '#tui/screen/palette.ts';
import { PanelWidget } from '#tui/screen/panel-widget.ts';
import { TerminalOutput } from '#tui/screen/terminal-output.ts';
import type { Frame, Panel } from '#tui/view/frame.ts';
import type { Key } from '#tui/view/key-action.ts';
import type { Theme } from '#tui/view/theme.ts';

export interface ScreenOptions {
  input: ReadStream;
  output: WriteStream;
  theme: Theme;
  colours: 0 | 16 | 256;
  onKey: (key: Key) => void;
  /** The size changed; the next frame must have it. */
  onResize: () => void;
}

export interface Screen {
  readonly cols: number;
  readonly rows: number;
  /** Bytes written to the terminal so far. */
  readonly bytes: number;
  /** Shows a frame; only cells that differ from the frame before are written. */
  draw(frame: Frame): void;
  /** Forgets what the terminal shows, so that the next frame is written whole. */
  forget(): void;
  /** Gives the terminal back for a while; the returned function takes it again. */
  release(): () => void;
  /** Gives the terminal back for good. May be called again. */
  close(): void;
}

const RESIZE_QUIET_MS = 40;

/** What the library has and its type declarations lack. */
interface Undeclared {
  enter(): void;
  leave(): void;
  program: { tput: { brokenACS: boolean } };
}

export function openScreen(options: ScreenOptions): Screen {
  return new BlessedScreen(options);
}

class BlessedScreen implements Screen {
  readonly #options: ScreenOptions;
  readonly #output: TerminalOutput;
  readonly #screen: Widgets.Screen & Undeclared;
  readonly #widgets = new Map<string, PanelWidget>();
  #isClosed = false;

  constructor(options: ScreenOptions) {
    this.#options = options;
    this.#output = new TerminalOutput(options.output);
    this.#screen = blessed.screen({
      input: options.input,
      output: this.#output as never,
      terminal: 'xterm-256color',
      forceUnicode: true,
      warnings: false,
      autoPadding: false,
      resizeTimeout: RESIZE_QUIET_MS,
    }) as Widgets.Screen & Undeclared;
    const { program } = this.#screen;
    program.tput.brokenACS = true;
    program.removeAllListeners('resize');
    program.on('resize', () => {
      this.#screen.alloc();
      options.onResize();
    });
    this.#screen.on('keypress', (text: string | undefined, key: { full?: string }) => {
      // The Enter key is reported twice, as 'return' and as 'enter'.
      if (key.full !== undefined && key.full !== 'return') {
        options.onKey({ name: key.full, text: text ?? '' });
      }
    });
  }

  get cols(): number {
    return Number(this.#screen.width);
  }

  get rows(): number {
    return Number(this.#screen.height);
  }

  get bytes(): number {
    return this.#output.bytes;
  }

  draw(frame: Frame): void {
    if (this.#isClosed) return;
    assert(frame.panels.length > 0, 'a frame has a panel');
    this.#removeAbsent(frame.panels);
    for (const panel of frame.panels) this.#widgetOf(panel).show(panel);
    this.#screen.render();
  }

  forget(): void {
    this.#screen.realloc();
  }

  release(): () => void {
    this.#screen.leave();
    this.#options.input.setRawMode(false);
    return () => {
      if (this.#isClosed) return;
      this.#options.input.setRawMode(true);
      this.#options.input.resume();
      this.#screen.enter();
    };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#screen.destroy();
    this.#output.destroy();
  }

  #removeAbsent(panels: Panel[]): void {
    for (const [name, widget] of this.#widgets) {
      const panel = panels.find((candidate) => candidate.name === name);
      if (panel?.body.kind === widget.kind) continue;
      widget.remove();
      this.#widgets.delete(name);
    }
  }

  #widgetOf({ name, body }: Panel): PanelWidget {
    const known = this.#widgets.get(name);
    if (known !== undefined) return known;
    const { theme, colours } = this.#options;
    const widget = new PanelWidget(this.#screen, body.kind, paletteOf(colours), theme);
    this.#widgets.set(name, widget);
    return widget;
  }
}
