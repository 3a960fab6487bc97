// Numbers as a person reads them: three significant digits, a unit, an exponent only below a thousandth.

/** '12.3', '1,230', '0.0123'; '-' for null. */
export function numberText(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return '-';
  const rounded = Number(value.toPrecision(3));
  const size = Math.abs(rounded);
  if (size !== 0 && size < 0.001) return rounded.toExponential(1);
  const digits = size >= 100 || Number.isInteger(rounded) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 4;
  const text = (size >= 1000 ? Math.round(value) : rounded).toFixed(digits);
  const [whole, fraction] = text.split('.');
  const grouped = whole!.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction.replace(/0+$/, '') || '0'}`;
}

/** A value with its UCUM unit, times in the unit that reads best: 12,300 us is '12.3 ms'. */
export function quantityText(value: number | null, unit: string): string {
  if (value === null) return '-';
  if (unit === 'us') {
    if (Math.abs(value) >= 1e6) return `${numberText(value / 1e6)} s`;
    return Math.abs(value) >= 1000 ? `${numberText(value / 1000)} ms` : `${numberText(value)} us`;
  }
  const word = unitText(unit);
  return word === '' ? numberText(value) : `${numberText(value)} ${word}`;
}

/** '{message}/s' to 'messages/s', '1' to ''. */
export function unitText(unit: string): string {
  return unit === '1' ? '' : unit.replace(/\{(\w+)\}/g, '$1s');
}

/** A ratio as a change: 1.052 is '+5.2 %', 0.9 is '-10 %'. */
export function changeText(ratio: number): string {
  const percent = (ratio - 1) * 100;
  const digits = Math.abs(percent) >= 10 ? 0 : 1;
  const text = percent.toFixed(digits);
  return `${percent > 0 && Number(text) !== 0 ? '+' : ''}${Number(text) === 0 ? '0' : text} %`;
}

/** A time span: '3 min 20 s', '4 s'. */
export function spanText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Wall clock in UTC: '2026-11-23 09:15:02 UTC'. */
export function wallText(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** Minutes and seconds of a time line: '1:05'. */
export function clockText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
