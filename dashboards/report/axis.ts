// Axes of the plots: round numbers to label, and where a value lies.

export interface Axis {
  min: number;
  max: number;
  ticks: number[];
  /** Position of a value, min = 0, max = 1. */
  at(value: number): number;
}

/** An axis from zero to a round number above `highest`, with 3 to 6 labels. */
export function zeroAxis(highest: number): Axis {
  const step = roundStep(highest > 0 ? highest : 1, 4);
  const max = Math.ceil((highest > 0 ? highest : 1) / step - 1e-9) * step;
  return linear(0, max, step);
}

/** An axis around the values: not from zero, for differences between blocks. */
export function closeAxis(values: readonly number[]): Axis {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const span = high > low ? high - low : Math.abs(high) || 1;
  const step = roundStep(span * 1.1, 4);
  const min = Math.max(0, Math.floor((low - span * 0.05) / step + 1e-9) * step);
  return linear(min, Math.ceil((high + span * 0.05) / step - 1e-9) * step, step);
}

/** A time axis over `spanMs`, labelled every 10, 15, 20, 30 s, ... */
export function timeAxis(spanMs: number): Axis {
  const steps = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600].map((s) => s * 1000);
  const step = steps.find((candidate) => spanMs / candidate <= 6) ?? 7_200_000;
  return { ...linear(0, Math.max(spanMs, 1), step), max: Math.max(spanMs, 1) };
}

/** A logarithmic axis for ratios, as wide on both sides of 1. */
export function ratioAxis(farthest: number): Axis {
  const reach = Math.max(1.02, farthest * 1.05);
  const percent = (reach - 1) * 100;
  const step = roundStep(percent, 2);
  const ticks = [1];
  for (let mark = step; mark <= percent; mark += step) {
    ticks.push(1 + mark / 100, 1 / (1 + mark / 100));
  }
  const width = Math.log(reach);
  return {
    min: 1 / reach,
    max: reach,
    ticks: ticks.sort((a, b) => a - b),
    at: (ratio) => (Math.log(ratio) + width) / (2 * width),
  };
}

function linear(min: number, max: number, step: number): Axis {
  const count = Math.floor((max - min) / step + 1e-9);
  const ticks = Array.from({ length: count + 1 }, (_, index) =>
    Number((min + index * step).toPrecision(12)),
  );
  return { min, max, ticks, at: (value) => (value - min) / (max - min) };
}

/** 1, 2 or 5 times a power of ten, so that `span` has about `count` of them. */
function roundStep(span: number, count: number): number {
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= raw * 0.999) ?? 10;
  return factor * power;
}
