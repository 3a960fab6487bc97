// Reads the text of a metrics endpoint, Prometheus 0.0.4 or OpenMetrics 1.0, line by line as it arrives: pieces of it
// may end anywhere. It makes no tree of what it reads; each sample is handed on at once.
//
//   # TYPE http_requests_total counter
//   http_requests_total{code="200",path="/a b"} 1027 1395066363000
//   foo_bucket{le="0.1"} 8 # {trace_id="x"} 0.05          (an exemplar: left out)
//
// What is no sample is counted and passed over. References: prometheus.io/docs/instrumenting/exposition_formats,
// OpenMetrics 1.0.

/** A line that is longer is no sample. */
const LINE_MAX = 8192;
/** Families whose type is remembered. */
const TYPES_MAX = 8192;
/** Endings by which the samples of one family differ, and whether such a sample only grows. */
const GROWING_ENDINGS = ['_total', '_bucket', '_count', '_sum'];
/** Name, labels, value, time stamp, exemplar. Quotes are minded: a label may hold anything. */
const SAMPLE = new RegExp(
  [
    /^([a-zA-Z_:][a-zA-Z0-9_:]*)/,
    /(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?/,
    /[ \t]+(\S+)(?:[ \t]+[-+.\d]\S*)?/,
    /[ \t]*(?:[ \t]#[ \t]*\{.*)?$/,
  ]
    .map(({ source }) => source)
    .join(''),
);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,[ \t]*|$)/y;

export interface Sample {
  /** Name and labels as they stand in the text; the same series has the same text in every page. */
  key: string;
  value: number;
  /** It only grows. */
  isCounter: boolean;
}

export class ExpositionReader {
  /** Lines that were neither a sample nor a comment, and lines that were too long. */
  malformed = 0;
  readonly #onSample: (sample: Sample) => void;
  readonly #types = new Map<string, string>();
  #rest = '';
  #isSkipping = false;

  constructor(onSample: (sample: Sample) => void) {
    this.#onSample = onSample;
  }

  /** A page begins. */
  start(): void {
    this.#rest = '';
    this.#isSkipping = false;
  }

  /** The next piece of it. */
  push(text: string): void {
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      const line = this.#rest + text.slice(from, end);
      this.#rest = '';
      from = end + 1;
      if (this.#isSkipping) this.#isSkipping = false;
      else this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
    }
    this.#rest += text.slice(from);
    if (this.#rest.length <= LINE_MAX) return;
    this.#rest = '';
    if (!this.#isSkipping) this.malformed++;
    this.#isSkipping = true;
  }

  /** The page is over; a last line without its end counts. */
  end(): void {
    if (this.#rest !== '' && !this.#isSkipping) this.#line(this.#rest);
    this.#rest = '';
  }

  #line(line: string): void {
    if (line === '') return;
    if (line.startsWith('#')) {
      this.#comment(line);
      return;
    }
    const found = SAMPLE.exec(line);
    const value = found === null ? Number.NaN : numberOf(found[3]!);
    if (found === null || value === undefined) {
      this.malformed++;
      return;
    }
    const [, name, labels] = found as unknown as [string, string, string | undefined];
    const key = labels === undefined || labels === '' ? name : `${name}{${labels}}`;
    if (Number.isFinite(value)) this.#onSample({ key, value, isCounter: this.#grows(name) });
  }

  #comment(line: string): void {
    const found = /^#[ \t]+TYPE[ \t]+(\S+)[ \t]+(\S+)/.exec(line);
    if (found === null) return;
    if (this.#types.size >= TYPES_MAX) this.#types.clear();
    this.#types.set(found[1]!, found[2]!);
  }

  /** Counters grow, and the sums, counts and buckets of histograms and summaries. */
  #grows(name: string): boolean {
    if (this.#types.get(name) === 'counter') return true;
    const ending = GROWING_ENDINGS.find((each) => name.endsWith(each));
    if (ending === undefined) return false;
    const type = this.#types.get(name.slice(0, -ending.length));
    if (ending === '_total') return type === 'counter';
    return type === 'histogram' || type === 'summary';
  }
}

/** The number of a sample; NaN and infinities are numbers of the format; undefined: none. */
function numberOf(text: string): number | undefined {
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return Number.NaN;
  return /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

/** The labels of a key: name -> value, without escapes. Text that is no list of labels has none. */
export function labelsOf(key: string): [string, string][] {
  const from = key.indexOf('{');
  if (from < 0) return [];
  const text = key.slice(from + 1, -1);
  const labels: [string, string][] = [];
  for (LABEL.lastIndex = 0; LABEL.lastIndex < text.length; ) {
    const found = LABEL.exec(text);
    if (found === null) return [];
    const value = found[2]!.replace(/\\(.)/gs, (_, escaped) => (escaped === 'n' ? '\n' : escaped));
    labels.push([found[1]!, value]);
  }
  return labels;
}
