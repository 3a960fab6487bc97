// A strict reader of OpenMetrics 1.0 text, written from the specification's grammar, for tests: throws at the first
// thing that a conforming reader may refuse.

export interface Sample {
  family: string;
  type: string;
  name: string;
  labels: Record<string, string>;
  value: number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

export function parseOpenMetrics(text: string): Sample[] {
  if (!text.endsWith('# EOF\n')) throw new Error('does not end with # EOF');
  const samples: Sample[] = [];
  const seen = new Set<string>();
  const families = new Set<string>();
  let family = '';
  let type = '';
  for (const line of text.slice(0, -'# EOF\n'.length).split('\n').slice(0, -1)) {
    const meta = new RegExp(`^# (TYPE|HELP|UNIT) (${NAME}) (.*)$`).exec(line);
    if (meta !== null) {
      const [, what, name, rest] = meta as unknown as [string, string, string, string];
      if (what === 'TYPE') {
        if (families.has(name)) throw new Error(`family ${name} is there twice`);
        if (!['counter', 'gauge'].includes(rest)) throw new Error(`type ${rest}`);
        families.add(name);
        family = name;
        type = rest;
      } else if (name !== family) throw new Error(`${what} of ${name} inside ${family}`);
      continue;
    }
    const found = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (-?\\d[\\d.e+-]*)$`).exec(line);
    if (found === null) throw new Error(`not a sample: ${line}`);
    const [, name, labelText = '', number] = found as unknown as [string, string, string, string];
    if (name !== (type === 'counter' ? `${family}_total` : family)) {
      throw new Error(`${name} inside ${type} ${family}`);
    }
    const labels = parseLabels(labelText);
    const key = `${name}${JSON.stringify(Object.entries(labels).sort())}`;
    if (seen.has(key)) throw new Error(`${key} is there twice`);
    seen.add(key);
    const value = Number(number);
    if (!Number.isFinite(value) || (type === 'counter' && value < 0)) throw new Error(line);
    samples.push({ family, type, name, labels, value });
  }
  return samples;
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (LABEL.lastIndex = 0; LABEL.lastIndex < text.length; ) {
    const found = LABEL.exec(text);
    if (found === null) throw new Error(`labels ${text}`);
    labels[found[1]!] = found[2]!.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
  }
  return labels;
}
