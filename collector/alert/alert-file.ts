// Reads a file of alerts (YAML):
//
//   defaults: true                               # wsar's own alerts, too; default false
//   alerts:
//     - name: backlog
//       when: mailbox.length{stat=sum} > 500k
//       clear: mailbox.length{stat=sum} < 400k   # default: not `when`
//       for: 5s                                  # default 0s
//       clear-for: 10s                           # default 0s
//       every: 5m                                # raised again after this at the earliest; default 1m
//       severity: critical                       # info, warning or critical; default warning
//       optional: true                           # its metrics may be missing on this host; default false
//
// Every mistake is one sentence with file, line and, in a condition, column.

import {
  type AlertCondition,
  type AlertRule,
  SEVERITIES,
  type Severity,
} from '#collector/alert/alert-rule.ts';
import { ConditionMistake, parseCondition } from '#collector/alert/condition.ts';
import { parseDurationMs } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { nearestWord } from '#core/yaml/nearest-word.ts';
import {
  fileError,
  type MapNode,
  parseYamlTree,
  type ScalarNode,
  type YamlNode,
} from '#core/yaml/yaml-tree.ts';

const FILE_KIND = { name: 'alert', manual: 'docs/tools/alerts.md' };
const HINT = `${FILE_KIND.manual} describes the file`;
const ROOT_KEYS = ['defaults', 'alerts'];
const ALERT_KEYS = ['name', 'when', 'clear', 'for', 'clear-for', 'every', 'severity', 'optional'];
const EVERY_S = 60;
const ALERTS_MAX = 256;

export interface AlertFile {
  hasDefaults: boolean;
  rules: AlertRule[];
}

/** @throws WsarError WSAR_ERR_FILE */
export function readAlertFile(text: string, file: string): AlertFile {
  const root = mapOf(parseYamlTree(text, file, FILE_KIND), file, 'the file', ROOT_KEYS);
  const list = root.entries.get('alerts')?.node;
  const hasDefaults = flagOf(root, 'defaults', file);
  if (list === undefined && hasDefaults) return { hasDefaults, rules: [] };
  if (list?.kind !== 'list') {
    throw fileError(
      file,
      list?.line ?? root.line,
      "'alerts' is no list",
      `begin it with '- name:'; ${HINT}`,
    );
  }
  if (list.items.length > ALERTS_MAX) {
    throw fileError(file, list.line, `${list.items.length} alerts, at most ${ALERTS_MAX}`, HINT);
  }
  const rules = list.items.map((item) => ruleOf(item, file));
  const names = new Set<string>();
  for (const [index, { name }] of rules.entries()) {
    if (names.has(name)) {
      throw fileError(
        file,
        list.items[index]!.line,
        `there are two alerts '${name}'`,
        'name each differently',
      );
    }
    names.add(name);
  }
  return { hasDefaults, rules };
}

function ruleOf(node: YamlNode, file: string): AlertRule {
  const map = mapOf(node, file, 'an alert', ALERT_KEYS);
  const name = textOf(map, 'name', file);
  const raise = conditionOf(map, 'when', file);
  if (name === undefined || name.value === '' || raise === undefined) {
    const missing = name === undefined || name.value === '' ? 'name' : 'when';
    throw fileError(file, map.line, `an alert without '${missing}'`, HINT);
  }
  return {
    name: name.text,
    severity: severityOf(map, file),
    raise,
    clear: conditionOf(map, 'clear', file),
    forS: secondsOf(map, 'for', file, 0),
    clearForS: secondsOf(map, 'clear-for', file, 0),
    everyS: secondsOf(map, 'every', file, EVERY_S),
    isOptional: flagOf(map, 'optional', file),
  };
}

function conditionOf(map: MapNode, key: string, file: string): AlertCondition | undefined {
  const node = textOf(map, key, file);
  if (node === undefined) return undefined;
  const place = { line: node.line, column: node.column };
  try {
    return { text: node.text, tree: parseCondition(node.text), place };
  } catch (error) {
    if (!(error instanceof ConditionMistake)) throw error;
    throw placedError(file, place, error);
  }
}

/** The mistake of a condition as one of its file. */
export function placedError(
  file: string,
  { line, column }: { line: number; column: number },
  mistake: ConditionMistake,
): WsarError {
  return fileError(file, `${line}:${column + mistake.at}`, mistake.message, mistake.remedy);
}

function severityOf(map: MapNode, file: string): Severity {
  const node = textOf(map, 'severity', file);
  if (node === undefined) return 'warning';
  const severity = SEVERITIES.find((known) => known === node.text);
  if (severity !== undefined) return severity;
  throw fileError(
    file,
    node.line,
    `there is no severity '${node.text}'`,
    `use ${SEVERITIES.join(', ')}`,
  );
}

function secondsOf(map: MapNode, key: string, file: string, absent: number): number {
  const node = textOf(map, key, file);
  if (node === undefined) return absent;
  try {
    return parseDurationMs(node.text) / 1000;
  } catch (error) {
    if (!(error instanceof WsarError)) throw error;
    throw fileError(file, node.line, `${key}: ${error.message}`, error.hint);
  }
}

function flagOf(map: MapNode, key: string, file: string): boolean {
  const node = textOf(map, key, file);
  if (node === undefined) return false;
  if (typeof node.value === 'boolean') return node.value;
  throw fileError(file, node.line, `${key} is '${node.text}'`, 'write true or false');
}

function textOf(map: MapNode, key: string, file: string): ScalarNode | undefined {
  const node = map.entries.get(key)?.node;
  if (node === undefined || node.kind === 'scalar') return node;
  throw fileError(file, node.line, `${key} is a ${node.kind}`, `write one value; ${HINT}`);
}

function mapOf(node: YamlNode, file: string, what: string, keys: readonly string[]): MapNode {
  if (node.kind !== 'map') {
    throw fileError(file, node.line, `${what} has no 'key: value' lines`, HINT);
  }
  for (const [key, { line }] of node.entries) {
    if (keys.includes(key)) continue;
    const near = nearestWord(key, keys);
    const remedy = near === undefined ? `known are ${keys.join(', ')}` : `did you mean '${near}'?`;
    throw fileError(file, line, `'${key}' is not known here`, remedy);
  }
  return node;
}
