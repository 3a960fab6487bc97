// One line of `perf stat -I <ms> -x,`: what it says, or nothing when it is none of those.
//
//   <seconds since start>,<count>,<unit>,<event>,<ns on the hardware>,<% of the time on it>,<derived>,<its unit>
//   1.004332037,870192,,raw_syscalls:sys_enter,1002502297,100.00,,
//   1.004332037,<not supported>,,cycles,0,100.00,,
//   1.004332037,1000.52,msec,task-clock,1000521000,100.00,1.0,CPUs utilized
//
// perf scales the count by the share itself. Facts: perf-stat(1), CSV FORMAT.

export interface PerfStatLine {
  /** Since perf was started. */
  seconds: number;
  /** As in `perf list`, without the modifier that perf adds for an ordinary user (`cycles:u`). */
  event: string;
  /** Of this interval; NaN: not counted. Times are in ns. */
  count: number;
  /** Share of the interval on the hardware, 0..1. */
  share: number;
  /** Why there is no count. */
  refusal: 'not supported' | 'not counted' | undefined;
  /** Only what happened in user space was counted: perf's way where the kernel is closed to an ordinary user. */
  isUserOnly: boolean;
}

const FIELDS_MIN = 6;
const MODIFIER = /^([\w-]+):([ukhGHIpPSDW]+)$/;
const NS_PER_MS = 1e6;

export function parsePerfStatLine(line: string): PerfStatLine | undefined {
  const fields = line.split(',');
  if (fields.length < FIELDS_MIN) return undefined;
  const seconds = Number(fields[0]);
  const [, text, unit, event, , percent] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  if (fields[0]!.trim() === '' || !(seconds >= 0) || event === '') return undefined;
  const refusal = /^<(not supported|not counted)>$/.exec(text)?.[1] as PerfStatLine['refusal'];
  if (refusal === undefined && !/^\d+(\.\d+)?$/.test(text)) return undefined;
  const count =
    refusal === undefined ? Number(text) * (unit === 'msec' ? NS_PER_MS : 1) : Number.NaN;
  const [, bare, modifier] = MODIFIER.exec(event) ?? [];
  return {
    seconds,
    event: bare ?? event,
    isUserOnly: modifier === 'u',
    count,
    share: Number(percent) / 100,
    refusal,
  };
}
