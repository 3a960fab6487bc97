// What a source of rows (host, server, load, tee, lab) puts on the bus: its retained schema once, then
// rows and events. All at QoS 1: the recorder of a run must not miss one over a short break.

import type { Bus } from '#core/bus/bus.ts';
import { type LabEvent, topic } from '#core/bus/topic.ts';
import type { MetricDef, Row, SourceSchema } from '#core/metric/row.ts';

export interface SourceOptions {
  lab: string;
  host: string;
  /** 'host', 'server', 'load', 'tee' or 'lab'. */
  source: string;
  metrics: MetricDef[];
}

export interface PublishedSource {
  row(row: Row): void;
  event(event: LabEvent): void;
}

/** Publishes the schema and returns where rows and events go. Never throws; what the bus drops it counts. */
export function publishSource(bus: Bus, options: SourceOptions): PublishedSource {
  const { lab, host, source, metrics } = options;
  const schema: SourceSchema = { source, host, metrics };
  const rowTopic = topic.row(lab, host, source);
  const eventTopic = topic.event(lab, host, source);
  bus.publish(topic.schema(lab, host, source), schema, { retain: true, qos: 1 });
  return {
    row: (row) => bus.publish(rowTopic, row, { qos: 1 }),
    event: (event) => bus.publish(eventTopic, event, { qos: 1 }),
  };
}
