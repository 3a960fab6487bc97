// Exit codes of every command: one list for people, scripts and CI (docs/errors.md).

export const EXIT = {
  ok: 0,
  /** Unexpected failure: a bug of wsar. */
  bug: 1,
  /** Wrong usage, or a wrong file. */
  usage: 2,
  /** This host cannot do it: limits, permissions, missing parts. */
  hostCannot: 3,
  /** A target, agent or store is unreachable or was lost. */
  unreachable: 4,
  /** A stop rule ended the run. */
  stopRule: 5,
  /** A threshold failed. */
  thresholdFailed: 10,
  /** `wsar gate` found a regression. */
  regression: 11,
  /** `wsar gate` could not decide. */
  inconclusive: 12,
  /** The run is invalid: generator saturated, host too noisy, coverage lost. */
  invalidRun: 13,
  /** SIGHUP after a clean partial report. */
  hungUp: 129,
  /** SIGINT after a clean partial report. */
  interrupted: 130,
  /** SIGTERM after a clean partial report. */
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
