// Only these two widgets are loaded, each by its own path: the package's index would bring maps, pictures
// and markdown along (179 modules instead of 59).

declare module 'blessed-contrib/lib/widget/table.js' {
  import type { Widgets } from 'blessed';

  /** A head line above a list of rows in columns of fixed widths. */
  class Table extends Widgets.BoxElement {
    constructor(
      options: Widgets.BoxOptions & {
        columnWidth: number[];
        columnSpacing: number;
        interactive: boolean;
        wrap: boolean;
      },
    );
    rows: Widgets.ListElement & { parseTags: boolean };
    options: { columnWidth: number[]; columnSpacing: number };
    setData(data: { headers: string[]; data: string[][] }): void;
  }
  export = Table;
}

declare module 'blessed-contrib/lib/widget/log.js' {
  import type { Widgets } from 'blessed';

  /** A list of lines, the newest at the bottom. */
  class Log extends Widgets.ListElement {
    constructor(options: Widgets.BoxOptions & { bufferLength: number });
    logLines: string[];
  }
  export = Log;
}
