// What reaches the screen, checked at the door. Whatever is on the bus was written by somebody else:
// a message of the wrong shape is counted and dropped here, so that nothing behind this file has to ask.

import type { LabEvent } from '#core/bus/topic.ts';
import type { KnobDef, KnobState } from '#core/knob/knob.ts';
import type { MetricDef, MetricValue, Row } from '#core/metric/row.ts';

export type Message =
  | { kind: 'schema'; host: string; source: string; metrics: MetricDef[] }
  | { kind: 'row'; host: string; source: string; row: Row }
  | { kind: 'event'; host: string; source: string; event: LabEvent }
  | { kind: 'knob'; owner: string; name: string; state: KnobState };

const EVENT_KINDS = new Set(['knob', 'phase', 'block', 'alert', 'gap', 'lost', 'note']);
const METRIC_KINDS = new Set(['counter', 'gauge', 'rate']);
const TEXT_LENGTH_MAX = 200;
/** Values of a row, and metrics of a schema; more is not believed. */
const VALUES_MAX = 20_000;
const ENUM_VALUES_MAX = 64;
/** Everything but ASCII, Latin letters, dashes, arrows and the comparison signs. */
const NOT_ONE_CELL =
  /[^\x20-\x7e\xa1-\xac\xae-\u02ff\u2013\u2014\u2026\u2190-\u2193\u2260\u2264\u2265]/gu;

/** Reads a message of the bus; undefined when the topic is not for the screen or the value is malformed. */
export function readBusMessage(topicName: string, value: unknown): Message | undefined {
  const parts = topicName.split('/');
  if (parts.length === 6 && parts[2] === 'knob' && parts[5] === 'state') {
    return readKnob(parts[3]!, parts[4]!, value);
  }
  if (parts.length !== 5) return undefined;
  const [host, source, kind] = [parts[2]!, parts[3]!, parts[4]!];
  if (kind === 'schema') return readSchema(host, source, value);
  if (kind === 'row') return readRow(host, source, value);
  return kind === 'event' ? readEvent(host, source, value) : undefined;
}

export function readSchema(host: string, source: string, value: unknown): Message | undefined {
  if (!isObject(value) || !Array.isArray(value['metrics'])) return undefined;
  if (value['metrics'].length > VALUES_MAX) return undefined;
  const metrics: MetricDef[] = [];
  for (const def of value['metrics'] as unknown[]) {
    if (!isObject(def) || typeof def['name'] !== 'string') return undefined;
    if (!METRIC_KINDS.has(def['kind'] as string) || typeof def['unit'] !== 'string') {
      return undefined;
    }
    metrics.push({
      name: def['name'],
      short: printable(typeof def['short'] === 'string' ? def['short'] : def['name']),
      unit: printable(def['unit']),
      kind: def['kind'] as MetricDef['kind'],
      decays: def['decays'] === true,
      help: printable(typeof def['help'] === 'string' ? def['help'] : ''),
    });
  }
  return { kind: 'schema', host: printable(host), source: printable(source), metrics };
}

export function readRow(host: string, source: string, value: unknown): Message | undefined {
  if (!isObject(value) || !isObject(value['values'])) return undefined;
  const { wallMs, tick, missedTicks, intervalUs } = value;
  if (!isCount(wallMs) || !isCount(tick) || !isCount(missedTicks)) return undefined;
  if (typeof intervalUs !== 'number' || !(intervalUs >= 0)) return undefined;
  if (Object.keys(value['values']).length > VALUES_MAX) return undefined;
  const row: Row = {
    wallMs,
    tick,
    missedTicks,
    intervalUs,
    values: value['values'] as Record<string, MetricValue>,
  };
  if (isObject(value['decays'])) row.decays = value['decays'] as NonNullable<Row['decays']>;
  return { kind: 'row', host: printable(host), source: printable(source), row };
}

export function readEvent(host: string, source: string, value: unknown): Message | undefined {
  if (!isObject(value) || !isCount(value['wallMs'])) return undefined;
  const { wallMs, kind, text, data } = value;
  if (!EVENT_KINDS.has(kind as string) || typeof text !== 'string') return undefined;
  const event: LabEvent = { wallMs, kind: kind as LabEvent['kind'], text: printable(text) };
  // Of the figures only what the charts ask for: events are kept, and some carry much.
  if (isObject(data) && isKnobValue(data['old']) && isKnobValue(data['value'])) {
    event.data = { old: data['old'], value: data['value'] };
  }
  return { kind: 'event', host: printable(host), source: printable(source), event };
}

function readKnob(owner: string, name: string, value: unknown): Message | undefined {
  if (!isObject(value) || !isObject(value['def'])) return undefined;
  const type = readKnobType(value['def']['type']);
  const { appliedWallMs, by, id, refused } = value;
  if (type === undefined || !isKnobValue(value['value']) || !isCount(appliedWallMs)) {
    return undefined;
  }
  const { unit, help } = value['def'];
  const fallback = value['def']['default'];
  const state: KnobState = {
    def: {
      name: printable(name),
      type,
      unit: printable(typeof unit === 'string' ? unit : ''),
      default: isKnobValue(fallback) ? fallback : value['value'],
      help: printable(typeof help === 'string' ? help : ''),
    },
    value: value['value'],
    appliedWallMs,
    by: printable(typeof by === 'string' ? by : '?'),
    id: typeof id === 'string' ? id : '',
  };
  if (typeof refused === 'string') state.refused = printable(refused);
  return { kind: 'knob', owner: printable(owner), name: printable(name), state };
}

function readKnobType(value: unknown): KnobDef['type'] | undefined {
  if (!isObject(value)) return undefined;
  const { kind, values, min, max } = value;
  if (kind === 'enum') {
    const isList = Array.isArray(values) && values.length > 0 && values.length <= ENUM_VALUES_MAX;
    return isList && values.every((item) => typeof item === 'string' && isKnobValue(item))
      ? { kind, values: values as string[] }
      : undefined;
  }
  if (kind === 'text') {
    const { lengthMax } = value;
    return isCount(lengthMax) ? { kind, lengthMax } : undefined;
  }
  if (kind !== 'int' && kind !== 'float') return undefined;
  if (typeof min !== 'number' || typeof max !== 'number' || !(min <= max)) return undefined;
  return { kind, min, max };
}

/**
 * Text of strangers as it may stand on a terminal: no control characters (they could move the cursor or
 * worse), nothing wider or narrower than one cell, bounded length.
 */
export function printable(text: string): string {
  return text.slice(0, TEXT_LENGTH_MAX).replace(NOT_ONE_CELL, '?');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** Words are shown and sent back as they are, so they must be printable as they are. */
function isKnobValue(value: unknown): value is string | number {
  if (typeof value === 'string') return value === printable(value);
  return typeof value === 'number' && Number.isFinite(value);
}
