// Elements that become markup. Everything that came from a file, a host or a person passes through here
// and is escaped: there is no way to put text into a page that bypasses it, but `trusted` for our own.

/** Markup that is safe to put into a page. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Child = Markup | string | number | null | readonly Child[];

type Attributes = Record<string, string | number | undefined>;

/** An element: `el('td', { class: 'n' }, '3 ms')`. Numbers in attributes are rounded to a tenth. */
export function el(name: string, attributes: Attributes, ...children: Child[]): Markup {
  let text = `<${name}`;
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    text += ` ${attribute}="${typeof value === 'number' ? Math.round(value * 10) / 10 : escapeText(value)}"`;
  }
  text += '>';
  return new Markup(VOID.has(name) ? text : `${text}${flat(children)}</${name}>`);
}

/** Children one after the other, without an element around them. */
export function all(...children: Child[]): Markup {
  return new Markup(flat(children));
}

/** Our own text, as it is: a style sheet, a doctype. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

const VOID: ReadonlySet<string> = new Set(['meta', 'br']);

function flat(children: readonly Child[]): string {
  let text = '';
  for (const child of children) {
    if (child === null) continue;
    if (child instanceof Markup) text += child.text;
    else if (typeof child === 'object') text += flat(child);
    else text += escapeText(String(child));
  }
  return text;
}

function escapeText(text: string): string {
  return (
    text
      .replace(/[&<>"']/g, (character) => ENTITIES[character]!)
      // Control characters have no place in a page, and some end its parsing.
      .replace(/\p{Cc}/gu, (character) => (/[\n\t]/.test(character) ? character : '\ufffd'))
  );
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
