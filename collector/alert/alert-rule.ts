// What an alert is: when it is raised, when it is cleared, how long each has to hold, how often it may be told.

import type { Condition } from '#collector/alert/condition.ts';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface AlertCondition {
  text: string;
  tree: Condition;
  /** Where it stands in its file, for mistakes that show only with the metrics; undefined: built in. */
  place: { line: number; column: number } | undefined;
}

export interface AlertRule {
  name: string;
  severity: Severity;
  raise: AlertCondition;
  /** undefined: it is cleared when it would not be raised. */
  clear: AlertCondition | undefined;
  /** The condition has to hold this long before it is raised, and the other one before it is cleared. */
  forS: number;
  clearForS: number;
  /** It is raised again this long after the last time at the earliest. */
  everyS: number;
  /** Its metrics may be missing on this host. */
  isOptional: boolean;
}
