// Pieces of SQL text that hold something from outside.

/** A string literal. */
export function quote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&').replaceAll('\0', '\\0')}'`;
}

/** A database, table or column name; in backticks, so any name is only a name. */
export function identifier(name: string): string {
  return `\`${name.replace(/[\\`]/g, '\\$&')}\``;
}

/** First word of a statement in capitals, behind comments: what kind it is. '' when there is none. */
export function firstWord(sql: string): string {
  const match = /^(?:\s|\(|--[^\n]*(?:\n|$)|#![^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*([A-Za-z]+)/.exec(
    sql,
  );
  return match?.[1]?.toUpperCase() ?? '';
}
