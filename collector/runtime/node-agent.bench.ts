// What the agent costs the program it is in: CPU time for the same work with and without it, in turns, and of a program
// that does nothing. `node collector/runtime/node-agent.bench.ts [rounds] [node]`

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '#test/command.ts';

const ROUNDS = Number(process.argv[2] ?? 7);
const NODE = process.argv[3] ?? process.execPath;
const AGENT = join(ROOT, 'collector/runtime/node-agent.mjs');

const SPENT =
  'const { user, system } = process.cpuUsage(start); process.stdout.write(String((user + system) / 1000));';
const PROGRAMS = {
  'event loop, 400,000 turns with garbage':
    'const start = process.cpuUsage(); let kept = [], turns = 0; function turn() { for (let i = 0; i < 200; i++)' +
    ' kept.push({ i, s: "x" + i }); if (kept.length > 20000) kept = []; if (++turns < 400000) setImmediate(turn);' +
    ` else { ${SPENT} } } turn();`,
  'idle for 5 s': `const start = process.cpuUsage(); setTimeout(() => { ${SPENT} }, 5000);`,
};

const file = join(tmpdir(), `wsar-agent-bench-${process.pid}.cjs`);
for (const [name, text] of Object.entries(PROGRAMS)) {
  writeFileSync(file, text);
  const spentMs = (args: string[]): number =>
    Number(spawnSync(NODE, [...args, file], { encoding: 'utf8' }).stdout);
  const pairs = Array.from({ length: ROUNDS }, (_, round) => {
    const order = round % 2 === 0 ? [[], ['--import', AGENT]] : [['--import', AGENT], []];
    const [first, second] = order.map(spentMs) as [number, number];
    return round % 2 === 0 ? { without: first, agent: second } : { without: second, agent: first };
  });
  const ratio = median(pairs.map(({ agent, without }) => agent / without));
  const difference = median(pairs.map(({ agent, without }) => agent - without));
  const base = median(pairs.map(({ without }) => without));
  process.stdout.write(
    `${name}: ${base.toFixed(1)} ms of CPU without the agent; with it ${difference.toFixed(1)} ms more, ratio ` +
      `${ratio.toFixed(3)} (medians of ${ROUNDS} pairs)\n`,
  );
}

function median(numbers: number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}
