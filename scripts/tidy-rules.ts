// The rules of STYLE.md and ARCHITECTURE.md that a machine can check, as data and pure functions.

import { importsOf, type SourceFile } from '#scripts/source-tree.ts';

/** What each folder may import beside itself. `test` and `*.test.ts` may import everything. */
const MAY_IMPORT: Record<string, string[]> = {
  core: [],
  collector: ['core'],
  'reference-server': ['core'],
  loadgen: ['core'],
  'tee-proxy': ['core'],
  dashboards: ['core'],
  lab: ['core', 'collector', 'reference-server', 'loadgen', 'tee-proxy', 'dashboards'],
  tui: ['core'],
  scripts: ['core', 'collector', 'reference-server', 'loadgen', 'tee-proxy', 'dashboards', 'lab'],
  test: ['core'],
};

/** The one folder that may import a package. Tests may import every package. */
export const PACKAGE_HOME: Record<string, string[]> = {
  koffi: [
    ...['core/socket/ring/', 'core/socket/epoll/', 'core/socket/stack/', 'core/socket/tls/'],
    'core/host/perf/',
  ],
  '@clickhouse/client': ['core/store/'],
  chdb: ['core/store/'],
  mqtt: ['core/bus/'],
  aedes: ['core/bus/'],
  commander: ['core/cli/'],
  blessed: ['tui/screen/'],
  'blessed-contrib': ['tui/screen/'],
  autocannon: ['loadgen/http/'],
  systeminformation: ['core/host/'],
  'mqtt-packet': ['scripts/fuzz/'],
  'hdr-histogram-js': ['core/metric/'],
  yaml: ['core/yaml/'],
};

const BANNED_NAMES = /(^|[/.-])(utils?|common|helpers?|misc|manager)([/.-]|$)/;

/** Calls that belong to one place, and what to use instead. */
const BANNED_CALLS: { pattern: RegExp; home: RegExp; instead: string }[] = [
  {
    pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bprocess\.hrtime/,
    home: /^core\/clock\//,
    instead: 'a Clock',
  },
  { pattern: /\bconsole\.\w+\(/, home: /^$/, instead: 'context.out or context.talk' },
  {
    pattern: /\bprocess\.env\b/,
    home: /^core\/(cli|host)\//,
    instead: 'core/host/lab-environment or an option',
  },
  {
    pattern: /\bprocess\.exit\(/,
    home: /^core\/cli\//,
    instead: 'a thrown WsarError or a returned exit code',
  },
  { pattern: /\bMath\.random\(/, home: /^$/, instead: 'a seeded generator' },
  { pattern: /\b(TODO|FIXME|XXX)\b/, home: /^$/, instead: 'an issue' },
  { pattern: /@ts-(ignore|nocheck)/, home: /^$/, instead: '@ts-expect-error with a reason' },
];

const LINE_COLUMNS_MAX = 120;
const FILE_LINES_MAX = 600;
const FILE_BYTES_MAX = 256 * 1024;

export const isCode = (path: string): boolean => /\.(ts|mjs|c)$/.test(path);
export const isTest = (path: string): boolean =>
  /\.(test|bench)\.ts$/.test(path) || path.startsWith('test/') || /\/(test|fixtures)\//.test(path);

/** Every violation, as 'path:line: sentence'. */
export function violations(files: SourceFile[]): string[] {
  return files.flatMap((file) => [
    ...nameViolations(file),
    ...(isCode(file.path)
      ? [...lengthViolations(file), ...callViolations(file), ...importViolations(file)]
      : []),
    ...textViolations(file),
  ]);
}

function nameViolations({ path, sizeBytes }: SourceFile): string[] {
  const found: string[] = [];
  if (BANNED_NAMES.test(path))
    found.push(`${path}: the name says nothing; use a noun of the field`);
  if (isCode(path) && !/^[a-z0-9./-]+$/.test(path))
    found.push(`${path}: file names are kebab-case`);
  if (sizeBytes > FILE_BYTES_MAX && path !== 'package-lock.json') {
    found.push(`${path}: ${sizeBytes} bytes; at most ${FILE_BYTES_MAX}`);
  }
  return found;
}

function lengthViolations({ path, text }: SourceFile): string[] {
  const lines = text.split('\n');
  const found = lines.flatMap((line, index) =>
    line.length > LINE_COLUMNS_MAX
      ? [`${path}:${index + 1}: ${line.length} columns; at most ${LINE_COLUMNS_MAX}`]
      : [],
  );
  if (lines.length > FILE_LINES_MAX)
    found.push(`${path}: ${lines.length} lines; at most ${FILE_LINES_MAX}`);
  if (!/^(#!.*\n)?\/[/*] ?\S/.test(text) && !isTest(path)) {
    found.push(`${path}:1: a file begins by saying what it is and why`);
  }
  return found;
}

function callViolations({ path, text }: SourceFile): string[] {
  if (isTest(path) || path.startsWith('scripts/')) return [];
  return text
    .split('\n')
    .flatMap((line, index) =>
      BANNED_CALLS.filter(({ pattern, home }) => pattern.test(line) && !home.test(path)).map(
        ({ pattern, instead }) =>
          `${path}:${index + 1}: ${pattern.source} does not belong here; use ${instead}`,
      ),
    );
}

function importViolations(file: SourceFile): string[] {
  const folder = file.path.split('/')[0]!;
  const allowed = MAY_IMPORT[folder];
  if (isTest(file.path) || allowed === undefined) return [];
  return importsOf(file).flatMap((target) => {
    if (target.startsWith('node:')) return [];
    const targetFolder = target.split('/')[0]!;
    if (MAY_IMPORT[targetFolder] !== undefined && target.includes('/')) {
      const fine = targetFolder === folder || allowed.includes(targetFolder);
      return fine ? [] : [`${file.path}: ${folder} may not import ${target}`];
    }
    const homes = PACKAGE_HOME[target];
    if (homes === undefined)
      return [`${file.path}: package ${target} has no home folder in scripts/tidy-rules.ts`];
    return homes.some((home) => file.path.startsWith(home))
      ? []
      : [`${file.path}: ${target} may only be imported in ${homes.join(', ')}`];
  });
}

function textViolations({ path, text }: SourceFile): string[] {
  if (path === 'package-lock.json' || path === 'LICENSE' || /\.(hdr|bin|png|gz)$/.test(path))
    return [];
  return text.split('\n').flatMap((line, index) => [
    ...(/[ \t]+$/.test(line) && isCode(path) ? [`${path}:${index + 1}: trailing space`] : []),
    // A path of one author's machine in the text helps nobody else.
    ...(/(^|[\s'"`(=])\/(work|root)\/\w/.test(line)
      ? [`${path}:${index + 1}: path of one machine`]
      : []),
  ]);
}
