// All alerts of one collector: each rule as often as it has instances, asked once a tick. A rule with `*` in a metric
// has a state for each metric that fits; others have one.

import type { AlertCondition, AlertRule } from '#collector/alert/alert-rule.ts';
import { AlertState, type Transition } from '#collector/alert/alert-state.ts';
import {
  type CompiledCondition,
  compileCondition,
  type Readings,
} from '#collector/alert/compiled-condition.ts';
import { ConditionMistake, metricsOf } from '#collector/alert/condition.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import { nearestWord } from '#core/yaml/nearest-word.ts';

/** What metrics there are. */
export interface MetricNames {
  /** Changes when they do. */
  readonly version: number;
  names(): Iterable<string>;
  unitOf(metric: string): string | undefined;
}

/** A rule that cannot be: of which part, and why. */
export class RuleMistake extends Error {
  readonly rule: AlertRule;
  readonly condition: AlertCondition;
  readonly mistake: ConditionMistake;

  constructor(rule: AlertRule, condition: AlertCondition, mistake: ConditionMistake) {
    super(mistake.message);
    this.rule = rule;
    this.condition = condition;
    this.mistake = mistake;
  }
}

interface Instance {
  /** What stands for `*`; '' where there is none. */
  name: string;
  raise: CompiledCondition;
  clear: CompiledCondition | undefined;
  state: AlertState;
  /** The units of all its metrics were known when it was compiled. */
  isComplete: boolean;
}

const INSTANCES_MAX = 256;
const VALUE_DIGITS = 6;

export class AlertEngine {
  /** Instances that found no place. */
  refused = 0;
  readonly #rules: readonly AlertRule[];
  readonly #metrics: MetricNames;
  readonly #instances = new Map<AlertRule, Map<string, Instance>>();
  #version = -1;
  #nowS = 0;

  constructor(rules: readonly AlertRule[], metrics: MetricNames) {
    this.#rules = rules;
    this.#metrics = metrics;
    for (const rule of rules) this.#instances.set(rule, new Map());
  }

  get counts(): { raised: number; suppressed: number } {
    const counts = { raised: 0, suppressed: 0 };
    for (const instances of this.#instances.values()) {
      for (const { state } of instances.values()) {
        counts.raised += state.isRaised ? 1 : 0;
        counts.suppressed += state.suppressed;
      }
    }
    return counts;
  }

  /** What is to be told of the tick. @throws RuleMistake for a rule that fits no metric, or not its unit. */
  tick(readings: Readings, wallMs: number): LabEvent[] {
    if (this.#version !== this.#metrics.version) this.#bind();
    this.#nowS += readings.dtS;
    const events: LabEvent[] = [];
    for (const [rule, instances] of this.#instances) {
      for (const instance of instances.values()) {
        const raises = instance.raise.holds(readings);
        const clears = instance.clear === undefined ? not(raises) : instance.clear.holds(readings);
        const transition = instance.state.step(raises, clears, this.#nowS);
        if (transition !== undefined) events.push(eventOf(rule, instance, transition, wallMs));
      }
    }
    return events;
  }

  #bind(): void {
    const names = [...this.#metrics.names()];
    const known = new Set(names);
    for (const rule of this.#rules) {
      const pattern = metricsOf(rule.raise.tree).find(({ name }) => name.includes('*'))?.name;
      if (this.#version < 0 && !rule.isOptional) this.#check(rule, names, known);
      const found = pattern === undefined ? [''] : instancesOf(pattern, names);
      for (const name of found) this.#add(rule, name);
    }
    this.#version = this.#metrics.version;
  }

  #add(rule: AlertRule, name: string): void {
    const instances = this.#instances.get(rule)!;
    const before = instances.get(name);
    if (before?.isComplete === true) return;
    if (before === undefined && instances.size >= INSTANCES_MAX) {
      this.refused++;
      return;
    }
    let isComplete = true;
    const context = {
      unitOf: (metric: string) => {
        const unit = this.#metrics.unitOf(metric);
        if (unit === undefined) isComplete = false;
        return unit;
      },
      nameOf: (metric: string) => metric.replace('*', name),
    };
    const compile = (condition: AlertCondition): CompiledCondition => {
      try {
        return compileCondition(condition.tree, context);
      } catch (error) {
        if (error instanceof ConditionMistake) throw new RuleMistake(rule, condition, error);
        throw error;
      }
    };
    const { raise, clear } = rule;
    const compiled = {
      raise: compile(raise),
      clear: clear === undefined ? undefined : compile(clear),
    };
    const state = before?.state ?? new AlertState(rule);
    instances.set(name, { name, ...compiled, state, isComplete });
  }

  /** A mistyped metric would be an alert that is never raised. Instances may come later, their metric must be known. */
  #check(rule: AlertRule, names: readonly string[], known: Set<string>): void {
    const bases = new Set(names.map(baseOf));
    for (const condition of [rule.raise, rule.clear]) {
      if (condition === undefined) continue;
      for (const { name, at } of metricsOf(condition.tree)) {
        if (known.has(name) || bases.has(baseOf(name))) continue;
        const near = nearestWord(name, name.includes('{') ? names : [...bases]);
        throw new RuleMistake(
          rule,
          condition,
          new ConditionMistake(
            `there is no metric ${name} on this host`,
            at,
            near === undefined
              ? 'wsar collect --json shows all; optional: true lets it be missing'
              : `did you mean ${near}? optional: true lets it be missing`,
          ),
        );
      }
    }
  }
}

function not(is: boolean | undefined): boolean | undefined {
  return is === undefined ? undefined : !is;
}

function baseOf(metric: string): string {
  return metric.replace(/\{.*$/, '');
}

/** What stands for the `*` in the metrics that fit. */
function instancesOf(pattern: string, names: readonly string[]): string[] {
  const [before, after] = pattern.split('*') as [string, string];
  return names
    .filter(
      (name) =>
        name.startsWith(before) &&
        name.endsWith(after) &&
        name.length > before.length + after.length,
    )
    .map((name) => name.slice(before.length, name.length - after.length))
    .filter((text) => !/[,{}]/.test(text));
}

function eventOf(
  rule: AlertRule,
  { name, raise, state }: Instance,
  transition: Transition,
  wallMs: number,
): LabEvent {
  const label = name === '' ? rule.name : `${rule.name} of ${name}`;
  const after = transition === 'cleared' ? ` after ${Number(state.raisedS.toFixed(1))} s` : '';
  const texts = raise.values.map(({ at, end, value }) => {
    const what = rule.raise.text.slice(at, end).replace('*', name);
    return `${what} is ${valueText(value)}`;
  });
  const value = raise.values[0]?.value ?? Number.NaN;
  return {
    wallMs,
    kind: 'alert',
    text: `${label} ${transition}${after}: ${texts.join(', ')}`,
    data: {
      alert: rule.name,
      state: transition,
      severity: rule.severity,
      ...(name === '' ? {} : { instance: name }),
      value: Number.isFinite(value) ? value : null,
      condition: rule.raise.text,
      forS: rule.forS,
    },
  };
}

function valueText(value: number): string {
  if (Number.isNaN(value)) return 'not known';
  return Number.isFinite(value) ? String(Number(value.toPrecision(VALUE_DIGITS))) : 'endless';
}
