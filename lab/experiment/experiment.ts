// An experiment as the rest of the lab sees it: every default filled in, every quantity a number with its
// unit in its name. `auto` stays `auto` until the host is known (size-to-host.ts).

import type { KnobValue } from '#core/knob/knob.ts';
import type { KernelEngineName } from '#core/socket/reactor.ts';
import type { ValidityLimits } from '#lab/statistics/validity.ts';

export const EXPERIMENT_VERSION = 1;

export interface Experiment {
  version: typeof EXPERIMENT_VERSION;
  name: string;
  question: string;
  /** Every random choice derives from it. */
  seed: number;
  server: {
    /** Worker threads; auto = one a core. */
    workers: number | 'auto';
    engine: KernelEngineName | 'auto';
    /** Port on 127.0.0.1; auto = a free one. */
    port: number | 'auto';
    /** Settings that hold for both variants. */
    knobs: Record<string, KnobValue>;
  };
  load: {
    connections: number | 'auto';
    /** Messages a second of the whole population, open loop. */
    ratePerS: number | 'auto';
    payloadBytes: number;
    /** Logins a second while the population grows. */
    rampPerS: number | 'auto';
  };
  /** Steady load before the first block. */
  warmUpMs: number;
  /** The one setting that is turned back and forth while the server works. */
  knob: { owner: 'server' | 'load'; name: string; a: KnobValue; b: KnobValue };
  design: {
    type: 'abba';
    pairs: number;
    /** Pairs that may be run again because a block of them was unfit. */
    pairsExtraMax: number;
    /** After a turn, before measuring. */
    washoutMs: number;
    measureMs: number;
  };
  validity: ValidityLimits;
  metrics: {
    primary: string;
    /** Metrics that must not become worse. */
    guardrail: string[];
    /** A change up to this ratio does not matter, by metric. */
    margin: Record<string, number>;
    /** One-sided level of the test. */
    alpha: number;
  };
  /** The run stops by itself after this time. */
  maxDurationMs: number;
}

/** An experiment and where each part of it stood. */
export interface ExperimentFile {
  /** As the person named it. */
  file: string;
  experiment: Experiment;
  /** Line of a value by its dotted path, e.g. 'load.connections'; absent when the default holds. */
  lines: Record<string, number>;
}

/** The line of `path`, or of the section it would stand in. */
export function lineOf({ lines }: Pick<ExperimentFile, 'lines'>, path: string): number {
  for (let name = path; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('.')))) {
    const line = lines[name];
    if (line !== undefined) return line;
  }
  return 1;
}

/** How long the blocks and the warm-up take when nothing has to be repeated, ms. */
export function plannedBlocksMs({ warmUpMs, design }: Experiment): number {
  return warmUpMs + design.pairs * 2 * (design.washoutMs + design.measureMs);
}
