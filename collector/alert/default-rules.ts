// The alerts that wsar has of its own: what WhatsApp's operators woke up for, and what ends a server with very many
// connections. Their metrics may be missing; then they say nothing.

import type { AlertRule, Severity } from '#collector/alert/alert-rule.ts';
import { parseCondition } from '#collector/alert/condition.ts';

interface Written {
  name: string;
  when: string;
  clear?: string;
  forS: number;
  severity: Severity;
}

const CLEAR_FOR_S = 5;
const EVERY_S = 300;

const WRITTEN: Written[] = [
  {
    name: 'backlog',
    when: 'wsar.queue.total > 500k',
    clear: 'wsar.queue.total < 400k',
    forS: 0,
    severity: 'critical',
  },
  {
    name: 'never-drains',
    when:
      'wsar.queue.length{queue=*} > 10k and ' +
      'drain(wsar.queue.length{queue=*}, decay10(wsar.queue.fill_rate{queue=*})) > 10 min',
    forS: 30,
    severity: 'warning',
  },
  { name: 'listen-overflow', when: 'tcp.listen.overflows > 0', forS: 0, severity: 'critical' },
  {
    name: 'hash-load',
    when: 'tcp.hash.load_factor > 16',
    clear: 'tcp.hash.load_factor < 12',
    forS: 5,
    severity: 'warning',
  },
  {
    name: 'tcp-memory',
    when: 'network.linux.tcp.memory > 0.8 * network.linux.tcp.memory_limit',
    clear: 'network.linux.tcp.memory < 0.7 * network.linux.tcp.memory_limit',
    forS: 5,
    severity: 'critical',
  },
  {
    name: 'open-files',
    when: 'linux.file_descriptors{state=used} > 0.9 * linux.file_descriptors.limit',
    clear: 'linux.file_descriptors{state=used} < 0.85 * linux.file_descriptors.limit',
    forS: 5,
    severity: 'critical',
  },
  {
    name: 'conntrack',
    when: 'network.linux.conntrack.utilization > 90 %',
    clear: 'network.linux.conntrack.utilization < 85 %',
    forS: 5,
    severity: 'critical',
  },
  {
    name: 'memory',
    when: 'system.memory.utilization > 85 %',
    clear: 'system.memory.utilization < 80 %',
    forS: 10,
    severity: 'warning',
  },
  {
    name: 'missed-ticks',
    when: 'decay100(wsar.collector.tick.missed) > 0.01',
    forS: 10,
    severity: 'warning',
  },
  {
    name: 'sleepy-scheduler',
    when: 'system.linux.runqueue.wait > 20 % and system.cpu.utilization < 50 %',
    forS: 10,
    severity: 'warning',
  },
  {
    name: 'stalled-loop',
    when: 'wsar.runtime.loop.utilization > 90 % and wsar.runtime.cpu_us < 500 ms/s',
    forS: 10,
    severity: 'warning',
  },
];

export function defaultRules(): AlertRule[] {
  return WRITTEN.map(({ name, when, clear, forS, severity }) => {
    const condition = (text: string) => ({ text, tree: parseCondition(text), place: undefined });
    return {
      name,
      severity,
      raise: condition(when),
      clear: clear === undefined ? undefined : condition(clear),
      forS,
      clearForS: CLEAR_FOR_S,
      everyS: EVERY_S,
      isOptional: true,
    };
  });
}
