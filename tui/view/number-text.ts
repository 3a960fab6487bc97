// Numbers as they stand on the screen: short, right to three or four digits, always with their unit or
// in a column whose head names it. What could not be measured is '-', never 0.

const UNIT_WORDS: Record<string, string> = {
  packet: 'pkt',
  connection: 'conn',
  message: 'msg',
  operation: 'op',
  interrupt: 'int',
  context_switch: 'csw',
  segment: 'seg',
  switch: 'sw',
  socket: 'sock',
  process: 'proc',
  event: 'ev',
  datagram: 'dgram',
};

/** A UCUM unit in the words of the console: '{packet}/s' is 'pkt/s', 'By' is 'B', '1' is ''. */
export function unitText(ucum: string): string {
  if (ucum === '1') return '';
  return ucum
    .replace(/\{([^}]*)\}/g, (_, word: string) => UNIT_WORDS[word] ?? word)
    .replace(/By\b/g, 'B');
}

/** A number in at most `width` cells (at least 5). */
export function numberText(value: number, width = 7): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size < 1e15) {
    const text = plainText(value, size);
    if (text.length <= width) return text;
  }
  return scaledText(value, size, width);
}

/** Digits in groups of three from ten thousand on; fractions only where they say something. */
function plainText(value: number, size: number): string {
  if (Number.isInteger(value) || size >= 100) {
    const digits = String(Math.round(value));
    return size < 10_000 ? digits : digits.replace(/\B(?=(\d{3})+$)/g, ' ');
  }
  if (size >= 10) return value.toFixed(1);
  return size >= 0.005 ? value.toFixed(2) : '0';
}

const SCALES = [
  { size: 1e3, letter: 'k' },
  { size: 1e6, letter: 'M' },
  { size: 1e9, letter: 'G' },
  { size: 1e12, letter: 'T' },
  { size: 1e15, letter: 'P' },
];

function scaledText(value: number, size: number, width: number): string {
  if (size >= 1e18) return value < 0 ? '<-1e18' : '>1e18';
  for (const scale of SCALES) {
    if (size >= scale.size * 1000) continue;
    const scaled = value / scale.size;
    for (const digits of [2, 1, 0]) {
      const text = scaled.toFixed(digits) + scale.letter;
      if (text.length <= width) return text;
    }
  }
  return value.toExponential(0);
}

/** Microseconds in the unit a person would use: '812 us', '48.2 ms', '3.1 s'. */
export function durationText(us: number): string {
  if (!Number.isFinite(us)) return '-';
  const size = Math.abs(us);
  if (size < 1000) return `${Math.round(us)} us`;
  if (size < 999_500) return `${threeDigits(us / 1000)} ms`;
  if (size < 600e6) return `${threeDigits(us / 1e6)} s`;
  return clockText(us / 1e6);
}

/** Seconds as '3 s', '5 m 0 s', '2 h 10 m', '4 d 3 h'. */
export function clockText(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  const s = Math.round(seconds);
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} m ${s % 60} s`;
  if (s < 172_800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** Bytes in binary units: '512 B', '1.50 GiB'. */
export function bytesText(bytes: number): string {
  if (!Number.isFinite(bytes)) return '-';
  let scaled = bytes;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB', 'TiB']) {
    if (Math.abs(scaled) < 1024 || unit === 'TiB') {
      return `${unit === 'B' ? Math.round(scaled) : threeDigits(scaled)} ${unit}`;
    }
    scaled /= 1024;
  }
  return '-';
}

/** A value with its unit: durations and bytes are scaled, everything else is a number and its word. */
export function quantityText(value: number, ucum: string, width = 7): string {
  if (!Number.isFinite(value)) return '-';
  if (ucum === 'us') return durationText(value);
  if (ucum === 'ms') return durationText(value * 1e3);
  if (ucum === 's') return durationText(value * 1e6);
  if (ucum === 'By') return bytesText(value);
  if (ucum === 'By/s') return `${bytesText(value)}/s`;
  const unit = unitText(ucum);
  return unit === '' ? numberText(value, width) : `${numberText(value, width)} ${unit}`;
}

/** 'HH:MM:SS' of a wall time, UTC like every label of wsar. */
export function timeText(wallMs: number): string {
  if (!Number.isFinite(wallMs) || Math.abs(wallMs) > 8.64e15) return '--:--:--';
  return new Date(wallMs).toISOString().slice(11, 19);
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  if (size >= 99.95) return value.toFixed(0);
  return size >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
