// The condition of an alert, as a person writes it, made into a tree. Every mistake is one sentence with the column
// where it stands and what to write instead.
//
//   condition   all { 'or' all }
//   all         one { 'and' one }             one: 'not' one | '(' condition ')' | comparison
//   comparison  sum ( > >= < <= == != ) sum
//   sum         product { ( + - ) product }   product: part { ( * / ) part }
//   part        number [unit] | metric | '-' part | '(' sum ')'
//               | decay1(sum) | decay10(sum) | decay100(sum) | change(sum) | drain(length, fill)
//   metric      as in a row: name{attribute=value}; one * in the braces stands for any instance

export interface Place {
  /** Characters of the text: where it begins and ends. */
  at: number;
  end: number;
}

export type Sum = Place &
  (
    | { kind: 'number'; value: number; unit: string }
    | { kind: 'metric'; name: string }
    | { kind: 'decay'; horizon: number; of: Sum }
    | { kind: 'change'; of: Sum }
    | { kind: 'drain'; length: Sum; fill: Sum }
    | { kind: 'minus'; of: Sum }
    | { kind: 'sum'; sign: '+' | '-' | '*' | '/'; left: Sum; right: Sum }
  );

export type Comparison = Place & { kind: 'compare'; sign: Sign; left: Sum; right: Sum };

export type Condition =
  | Comparison
  | (Place & { kind: 'and' | 'or'; parts: Condition[] })
  | (Place & { kind: 'not'; of: Condition });

export const SIGNS = ['>=', '<=', '==', '!=', '>', '<'] as const;
export type Sign = (typeof SIGNS)[number];

/** A mistake in a condition: what, where (from 0), and what to do. */
export class ConditionMistake extends Error {
  readonly at: number;
  readonly remedy: string;

  constructor(message: string, at: number, remedy: string) {
    super(message);
    this.at = at;
    this.remedy = remedy;
  }
}

const DECAYS = ['decay1', 'decay10', 'decay100'];
const FUNCTIONS = [...DECAYS, 'change', 'drain'];
/** Units behind a number: factor, and what the result is measured in ('': a plain number). */
const UNITS: Record<string, [factor: number, unit: string]> = {
  '%': [0.01, '1'],
  k: [1e3, ''],
  M: [1e6, ''],
  G: [1e9, ''],
  B: [1, 'By'],
  kB: [1e3, 'By'],
  MB: [1e6, 'By'],
  GB: [1e9, 'By'],
  KiB: [1024, 'By'],
  MiB: [1024 ** 2, 'By'],
  GiB: [1024 ** 3, 'By'],
  us: [1e-6, 's'],
  ms: [1e-3, 's'],
  s: [1, 's'],
  min: [60, 's'],
  h: [3600, 's'],
};
const TEXT_CHARS_MAX = 1000;
const DEPTH_MAX = 32;

/** @throws ConditionMistake */
export function parseCondition(text: string): Condition {
  if (text.length > TEXT_CHARS_MAX) {
    throw new ConditionMistake(
      `a condition of ${text.length} characters`,
      0,
      `write at most ${TEXT_CHARS_MAX}`,
    );
  }
  const parser = new Parser(text);
  const condition = parser.condition();
  parser.expectEnd();
  return condition;
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  condition(): Condition {
    return this.#joined('or', () => this.#joined('and', () => this.#one()));
  }

  expectEnd(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length)
      this.#fail(`'${this.#rest()}' is too much`, 'join conditions by and, or');
  }

  #joined(word: 'and' | 'or', part: () => Condition): Condition {
    const parts = [part()];
    while (this.#takeWord(word)) parts.push(part());
    if (parts.length === 1) return parts[0]!;
    return { kind: word, parts, at: parts[0]!.at, end: parts.at(-1)!.end };
  }

  #one(): Condition {
    const at = this.#next();
    if (this.#takeWord('not')) {
      const of = this.#nested(() => this.#one());
      return { kind: 'not', of, at, end: of.end };
    }
    if (this.#text[at] === '(' && this.#isConditionInBraces()) {
      this.#at++;
      const condition = this.#nested(() => this.condition());
      this.#expect(')');
      return condition;
    }
    return this.#comparison();
  }

  #comparison(): Comparison {
    const left = this.#sum();
    this.#skipSpace();
    const sign = SIGNS.find((known) => this.#text.startsWith(known, this.#at));
    if (sign === undefined) {
      this.#fail(
        this.#at === this.#text.length
          ? 'a comparison is missing'
          : `'${this.#rest()}' is no comparison`,
        `write one of ${SIGNS.join(' ')} and a limit, such as > 85 %`,
      );
    }
    this.#at += sign.length;
    const right = this.#sum();
    return { kind: 'compare', sign, left, right, at: left.at, end: right.end };
  }

  #sum(): Sum {
    return this.#chain(['+', '-'], () => this.#chain(['*', '/'], () => this.#part()));
  }

  #chain(signs: ('+' | '-' | '*' | '/')[], part: () => Sum): Sum {
    let left = part();
    for (;;) {
      const at = this.#next();
      const sign = signs.find((known) => this.#text[at] === known);
      if (sign === undefined) return left;
      this.#at++;
      const right = part();
      left = { kind: 'sum', sign, left, right, at: left.at, end: right.end };
    }
  }

  #part(): Sum {
    const at = this.#next();
    const char = this.#text[at];
    if (char === '-' || char === '(') {
      this.#at++;
      const of = this.#nested(() => (char === '-' ? this.#part() : this.#sum()));
      if (char === '-') return { kind: 'minus', of, at, end: of.end };
      this.#expect(')');
      return of;
    }
    if (/\d/.test(char ?? '')) return this.#number();
    const name = this.#match(/[A-Za-z_][\w.]*(?:\{[^{}]*\})?/y);
    if (name === undefined) {
      this.#fail(
        char === undefined ? 'it ends too early' : `'${this.#rest()}' is no metric and no number`,
        'name a metric as wsar collect --json prints it, or give a number',
      );
    }
    if (this.#text[this.#next()] === '(') return this.#call(name, at);
    if ((name.match(/\*/g)?.length ?? 0) > 1) {
      this.#at = at;
      this.#fail(`${name} has several *`, 'one * stands for the instance');
    }
    return { kind: 'metric', name, at, end: at + name.length };
  }

  #call(name: string, at: number): Sum {
    if (!FUNCTIONS.includes(name)) {
      this.#at = at;
      this.#fail(`there is no function ${name}`, `use ${FUNCTIONS.join(', ')}`);
    }
    this.#expect('(');
    const first = this.#nested(() => this.#sum());
    if (name === 'drain') {
      this.#expect(',');
      const fill = this.#nested(() => this.#sum());
      this.#expect(')');
      return { kind: 'drain', length: first, fill, at, end: this.#at };
    }
    this.#expect(')');
    const place = { at, end: this.#at };
    if (name === 'change') return { kind: 'change', of: first, ...place };
    return { kind: 'decay', horizon: DECAYS.indexOf(name), of: first, ...place };
  }

  #number(): Sum {
    const at = this.#at;
    const digits = this.#match(/\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?/y)!;
    const value = Number(digits.replaceAll('_', ''));
    const numberEnd = this.#at;
    const unit = this.#match(/\s*(%|[A-Za-z]+)?(\/s)?/y) ?? '';
    const [, word = '', perS = ''] = /^\s*(%|[A-Za-z]+)?(\/s)?$/.exec(unit)!;
    if (word === 'and' || word === 'or') {
      this.#at = numberEnd;
      return { kind: 'number', value, unit: '', at, end: numberEnd };
    }
    const known =
      word === '' ? ([1, ''] as const) : Object.hasOwn(UNITS, word) ? UNITS[word] : undefined;
    if (known === undefined) {
      this.#at = at;
      this.#fail(
        `'${digits}${unit}' has a unit that is not known`,
        `use ${Object.keys(UNITS).join(' ')}, each also with /s`,
      );
    }
    const end = unit.trim() === '' ? numberEnd : this.#at;
    this.#at = end;
    return { kind: 'number', value: value * known[0], unit: `${known[1]}${perS}`, at, end };
  }

  /** An opening parenthesis may hold a condition or a sum: a comparison before it closes tells. */
  #isConditionInBraces(): boolean {
    let depth = 0;
    for (let at = this.#at; at < this.#text.length; at++) {
      const char = this.#text[at]!;
      if (char === '{') at = Math.max(at, this.#text.indexOf('}', at));
      else if (char === '(') depth++;
      else if (char === ')' && --depth === 0) return false;
      else if (/[<>=!]/.test(char)) return true;
    }
    return false;
  }

  #nested<T>(parse: () => T): T {
    this.#depth++;
    if (this.#depth > DEPTH_MAX) this.#fail('it is nested too deeply', 'make two alerts of it');
    const result = parse();
    this.#depth--;
    return result;
  }

  #takeWord(word: string): boolean {
    const at = this.#next();
    const isWord =
      this.#text.startsWith(word, at) && !/[\w.{(]/.test(this.#text[at + word.length] ?? '');
    if (isWord || (this.#text.startsWith(`${word}(`, at) && word !== '')) {
      this.#at = at + word.length;
      return true;
    }
    return false;
  }

  #expect(char: string): void {
    if (this.#text[this.#next()] !== char) this.#fail(`'${char}' is missing`, `write ${char} here`);
    this.#at++;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    this.#at += found?.length ?? 0;
    return found;
  }

  /** Passes over space; where the next thing begins. */
  #next(): number {
    this.#skipSpace();
    return this.#at;
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #rest(): string {
    return /^\S{0,20}/.exec(this.#text.slice(this.#at))![0];
  }

  #fail(message: string, remedy: string): never {
    throw new ConditionMistake(message, this.#at, remedy);
  }
}

/** Every metric of a condition, in the order in which they stand. */
export function metricsOf(condition: Condition): (Sum & { kind: 'metric' })[] {
  if (condition.kind === 'compare') {
    return [...metricsOfSum(condition.left), ...metricsOfSum(condition.right)];
  }
  return condition.kind === 'not' ? metricsOf(condition.of) : condition.parts.flatMap(metricsOf);
}

function metricsOfSum(sum: Sum): (Sum & { kind: 'metric' })[] {
  if (sum.kind === 'metric') return [sum];
  if (sum.kind === 'number') return [];
  if (sum.kind === 'sum') return [...metricsOfSum(sum.left), ...metricsOfSum(sum.right)];
  if (sum.kind === 'drain') return [...metricsOfSum(sum.length), ...metricsOfSum(sum.fill)];
  return metricsOfSum(sum.of);
}
