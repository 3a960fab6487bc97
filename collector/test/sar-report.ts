// The numbers of a report of sar or mpstat (LC_ALL=C, S_TIME_FORMAT=ISO).

const LABELS = ['CPU', 'IFACE', 'INTR', 'DEV'];

/** Blocks of a header line and rows: by `column`, or `label column` of a CPU, a device or an interrupt. */
export function parseSarReport(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const block of text.split('\n\n')) {
    const [header, ...rows] = block
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((cells) => /^\d\d:\d\d:\d\d$/.test(cells[0]!));
    if (header === undefined) continue;
    const isLabelled = LABELS.includes(header[1]!);
    for (const row of rows) {
      for (let i = isLabelled ? 2 : 1; i < row.length; i++) {
        values.set(isLabelled ? `${row[1]} ${header[i]}` : header[i]!, Number(row[i]));
      }
    }
  }
  return values;
}
