// Numbers as the console shows them. What is not known is `-`, never 0.

export const ABSENT = '-';

/** 0.857 -> '85.7', 1 -> '100'. */
export function percentText(ratio: number): string {
  if (!Number.isFinite(ratio)) return ABSENT;
  const percent = ratio * 100;
  return Math.abs(percent) >= 99.95 ? percent.toFixed(0) : percent.toFixed(1);
}

/** 0.0547 -> '5.47': for a share that is small when all is well. */
export function finePercentText(ratio: number): string {
  return Number.isFinite(ratio) ? (ratio * 100).toFixed(2) : ABSENT;
}

/** As whole as it goes: 2649440 -> '2649440', 0.4 -> '0', and '0.04' where less than one is news. */
export function wholeText(value: number): string {
  return Number.isFinite(value) ? value.toFixed(0) : ABSENT;
}

const SUFFIXES = ['', 'k', 'M', 'G', 'T', 'P'];

/** Three digits that count, in at most five characters: 1903005 -> '1.90M', 571109 -> '571k', 9999 -> '9999'. */
export function shortText(value: number): string {
  if (!Number.isFinite(value)) return ABSENT;
  const size = Math.abs(value);
  if (size < 9999.5) return value.toFixed(0);
  let scaled = size;
  let suffix = 0;
  while (scaled >= 999.5 && suffix < SUFFIXES.length - 1) {
    scaled /= 1000;
    suffix++;
  }
  const digits = scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0;
  return `${value < 0 ? '-' : ''}${scaled.toFixed(digits)}${SUFFIXES[suffix]}`;
}

/** Seconds, with digits behind the point only where there is something: 0.35 -> '0.35', 41 -> '41'. */
export function secondsText(value: number): string {
  if (!Number.isFinite(value)) return ABSENT;
  return Number.isInteger(value) || value >= 9.5
    ? shortText(value)
    : value.toFixed(value < 0.995 ? 2 : 1);
}

/** 10:00:01 of the local time zone. */
export function timeText(wallMs: number): string {
  const time = new Date(wallMs);
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
