// A comparison as a table for a person, and as one object for a program.

import { changeText, quantityText } from '#dashboards/report/number-text.ts';
import type { Comparison } from '#lab/compare/compare-runs.ts';

const HEADS = ['metric', 'BASE', 'HEAD', 'change', 'interval', 'judgement'];

export function comparisonText({ base, head, metrics, objections }: Comparison): string {
  const rows = metrics.map(({ name, unit, medianBase, medianHead, estimate }) => [
    name,
    quantityText(medianBase, unit),
    quantityText(medianHead, unit),
    estimate === null ? '-' : changeText(estimate.ratio),
    estimate === null ? '-' : `${changeText(estimate.low)} .. ${changeText(estimate.high)}`,
    estimate === null ? 'no blocks to match' : estimate.judgement,
  ]);
  const widths = HEADS.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const isNumber = column > 0 && column < HEADS.length - 1;
        return isNumber ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
      })
      .join('  ')
      .trimEnd();
  const notes = objections.map((objection) => `void: ${objection}\n`).join('');
  return `BASE ${base}\nHEAD ${head}\n\n${[HEADS, ...rows].map(line).join('\n')}\n\n${notes}`;
}

export function comparisonJson({ base, head, metrics, objections }: Comparison): object {
  return {
    kind: 'comparison',
    base,
    head,
    is_void: objections.length > 0,
    objections,
    metrics: metrics.map(({ name, unit, role, medianBase, medianHead, estimate }) => ({
      name,
      unit,
      role,
      base: medianBase,
      head: medianHead,
      ratio: estimate?.ratio ?? null,
      ratio_low: estimate?.low ?? null,
      ratio_high: estimate?.high ?? null,
      coverage: estimate?.coverage ?? null,
      pairs: estimate?.pairs ?? 0,
      judgement: estimate?.judgement ?? null,
    })),
  };
}
