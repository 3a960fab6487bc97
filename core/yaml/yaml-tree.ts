// Reads YAML (or JSON, which is YAML) into a small tree in which every key and value knows its place, so
// that a sentence about a wrong value can name it. The yaml package is imported here and nowhere else.
//
// Deliberately less than YAML: one document, text keys, no anchors, aliases or tags. Our files
// are meant to be read by a person from top to bottom; what they say stands where they say it.

import { isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument } from 'yaml';
import { WsarError } from '#core/errors.ts';

export interface ScalarNode {
  kind: 'scalar';
  line: number;
  /** Where its text begins, from 1; behind a quote. */
  column: number;
  /** As written, without quotes. */
  text: string;
  value: string | number | boolean | null;
}

export interface ListNode {
  kind: 'list';
  line: number;
  items: YamlNode[];
}

export interface MapNode {
  kind: 'map';
  line: number;
  entries: Map<string, { line: number; node: YamlNode }>;
}

export type YamlNode = ScalarNode | ListNode | MapNode;

/** Largest file, and deepest nesting. */
const FILE_BYTES_MAX = 256 * 1024;
const DEPTH_MAX = 16;

/** What a file is, for sentences about it. */
export interface FileKind {
  /** 'experiment', 'alert' ... */
  name: string;
  /** Where it is described. */
  manual: string;
}

/** The tree of `text`; `file` names it in messages. Throws WSAR_ERR_FILE with the line. */
export function parseYamlTree(text: string, file: string, { name, manual }: FileKind): YamlNode {
  const mistake = (line: number, message: string): WsarError =>
    fileError(file, line, message, `${manual} describes the file`);
  if (text.length > FILE_BYTES_MAX) {
    throw mistake(1, `the file has ${text.length} bytes, at most ${FILE_BYTES_MAX}`);
  }
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, uniqueKeys: true, prettyErrors: false });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) {
    const { line } = lineCounter.linePos(problem.pos[0]);
    throw mistake(
      line,
      problem.code === 'MULTIPLE_DOCS'
        ? `a second document begins here, a file holds one ${name}`
        : `not valid YAML: ${oneSentence(problem.message)}`,
    );
  }
  const lineOf = (node: ParsedNode | null): number =>
    node === null ? 1 : Math.max(1, lineCounter.linePos(node.range[0]).line);
  return toTree(document.contents as ParsedNode | null, 1, 0);

  function toTree(node: ParsedNode | null, lineWhenEmpty: number, depth: number): YamlNode {
    if (node === null) {
      return { kind: 'scalar', line: lineWhenEmpty, column: 1, text: '', value: null };
    }
    const line = lineOf(node);
    if (depth > DEPTH_MAX) throw mistake(line, `nested deeper than ${DEPTH_MAX} levels`);
    if (isAlias(node) || node.anchor !== undefined || (node.tag ?? '').startsWith('!')) {
      throw mistake(line, `anchors, aliases and tags are not used in ${name} files`);
    }
    if (isSeq(node)) {
      const items = node.items.map((item) => toTree(item as ParsedNode, line, depth + 1));
      return { kind: 'list', line, items };
    }
    if (isMap(node)) {
      const entries: MapNode['entries'] = new Map();
      for (const { key, value } of node.items) {
        const keyLine = lineOf(key);
        if (!isScalar(key) || typeof key.value !== 'string') {
          throw mistake(keyLine, `the key ${JSON.stringify(key)} is not a word`);
        }
        const child = toTree(value as ParsedNode | null, keyLine, depth + 1);
        entries.set(key.value, { line: keyLine, node: child });
      }
      return { kind: 'map', line, entries };
    }
    const value = node.value as ScalarNode['value'];
    const isQuoted = node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE';
    const column = lineCounter.linePos(node.range[0]).col + (isQuoted ? 1 : 0);
    return { kind: 'scalar', line, column, text: node.source ?? String(value ?? ''), value };
  }
}

/** A sentence about a place in a file: `line`, or `line:column`. */
export function fileError(
  file: string,
  place: number | string,
  message: string,
  hint: string,
): WsarError {
  return new WsarError('WSAR_ERR_FILE', `${file}:${place}: ${message}`, hint);
}

function oneSentence(message: string): string {
  return message.split('\n')[0]!.replace(/[.:]\s*$/, '');
}
