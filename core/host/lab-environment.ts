// How a process of a lab learns where the lab's bus and store are. Secrets travel in the environment or
// in files of mode 0600, never on a command line. This and core/cli are the only readers of process.env.

export interface LabEnvironment {
  /** mqtt://user:token@host:port of the live bus; undefined outside a lab. */
  busUrl: string | undefined;
  /** http://user:token@host:port of the history store. */
  storeUrl: string | undefined;
  /** Name of the lab in topics. */
  lab: string;
  /** Id of the run that rows belong to. */
  runId: string;
  /** True when the parent holds our stdin as a lifeline: its end is the parent's end. */
  hasLifeline: boolean;
}

const NAMES = {
  busUrl: 'WSAR_BUS_URL',
  storeUrl: 'WSAR_CLICKHOUSE_URL',
  lab: 'WSAR_LAB',
  runId: 'WSAR_RUN_ID',
  hasLifeline: 'WSAR_LIFELINE',
} as const;

export function readLabEnvironment(env: NodeJS.ProcessEnv = process.env): LabEnvironment {
  return {
    busUrl: env[NAMES.busUrl],
    storeUrl: env[NAMES.storeUrl],
    lab: env[NAMES.lab] ?? 'lab',
    runId: env[NAMES.runId] ?? '',
    hasLifeline: env[NAMES.hasLifeline] === '1',
  };
}

/** The environment for a child process of the lab; the inverse of `readLabEnvironment`. */
export function writeLabEnvironment(lab: LabEnvironment): Record<string, string> {
  const env: Record<string, string> = { [NAMES.lab]: lab.lab, [NAMES.runId]: lab.runId };
  if (lab.busUrl !== undefined) env[NAMES.busUrl] = lab.busUrl;
  if (lab.storeUrl !== undefined) env[NAMES.storeUrl] = lab.storeUrl;
  if (lab.hasLifeline) env[NAMES.hasLifeline] = '1';
  return env;
}

/** What a child process of the lab starts with: our own environment, and where the lab is. */
export function childEnvironment(
  lab: LabEnvironment,
  env: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  // Names of an outer lab must not shine through where this one has none.
  const outer = Object.values(NAMES) as string[];
  const own = Object.entries(env).filter(([name]) => !outer.includes(name));
  return { ...Object.fromEntries(own), ...writeLabEnvironment(lab) };
}
