// Puts values into SQL as literals: `{name:Type}` as in ClickHouse's own parameters. Done here and not by
// the server, because servers before 20.x (Debian's 18.16) have no parameters.

import { assert } from '#core/assert.ts';
import { identifier, quote } from '#core/store/sql-text.ts';

export type QueryParam = string | number | boolean | readonly (string | number)[];

/**
 * Replaces each `{name:Type}` by its value, cast to that type; `{name:Identifier}` by a quoted name.
 * A missing or unused value is a programmer's error.
 */
export function bindParams(sql: string, params: Record<string, QueryParam>): string {
  const used = new Set<string>();
  const bound = sql.replace(
    /\{\s*([A-Za-z_]\w*)\s*:\s*([A-Za-z]\w*(?:\([\w\s,()']*\))?)\s*\}/g,
    (_, name: string, type: string) => {
      const value = params[name];
      assert(value !== undefined, `the query's parameter '${name}' has a value`);
      used.add(name);
      return type === 'Identifier' ? identifier(String(value)) : cast(value, type);
    },
  );
  const unused = Object.keys(params).filter((name) => !used.has(name));
  assert(unused.length === 0, `every parameter stands in the query: ${unused.join(', ')}`);
  return bound;
}

function cast(value: QueryParam, type: string): string {
  // A string needs no cast, and without one old servers use the index for it.
  return type === 'String' ? quote(String(value)) : `CAST(${literal(value)} AS ${type})`;
}

function literal(value: QueryParam): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number') {
    assert(Number.isFinite(value), 'a number in a query is finite');
    return String(value);
  }
  return `[${value.map(literal).join(', ')}]`;
}
