// Free memory as fixture trees and this host say it.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readFreeBytes } from '#core/host/free-memory.ts';
import { pageBytes } from '#core/host/page-bytes.ts';
import { temporaryFolder } from '#test/command.ts';

test('the host, and the tightest control group from our own up to the root', (t) => {
  const proc = temporaryFolder(t);
  const groups = temporaryFolder(t);
  assert.equal(readFreeBytes(proc, groups), undefined);
  const host =
    'MemTotal: 9000 kB\nMemFree: 3000 kB\nMemAvailable: 8000 kB\nInactive(file): 500 kB\n';
  writeFileSync(join(proc, 'meminfo'), host);
  assert.equal(readFreeBytes(proc, groups), 3500 * 1024);
  const lists = [12, 30].map(
    (pages, cpu) =>
      `    cpu: ${cpu}\n              count:    ${pages}\n              high:     900\n`,
  );
  const zone = `  pages free     750\n      nr_free_pages 750\n  pagesets\n${lists.join('')}`;
  writeFileSync(
    join(proc, 'zoneinfo'),
    `Node 0, zone    DMA32\n${zone}Node 1, zone   Normal\n${zone}`,
  );
  assert.equal(readFreeBytes(proc, groups), 3500 * 1024 + 84 * pageBytes());
  writeFileSync(join(proc, 'zoneinfo'), '');
  mkdirSync(join(proc, 'self'));
  writeFileSync(join(proc, 'self/cgroup'), '1:cpu:/else\n0::/box/serve\n');
  mkdirSync(join(groups, 'box/serve'), { recursive: true });
  writeFileSync(join(groups, 'box/serve/memory.max'), 'max\n');
  writeFileSync(join(groups, 'box/serve/memory.current'), '123\n');
  assert.equal(readFreeBytes(proc, groups), 3500 * 1024);
  writeFileSync(join(groups, 'box/memory.max'), '1000000\n');
  writeFileSync(join(groups, 'box/memory.current'), '900000\n');
  assert.equal(readFreeBytes(proc, groups), 100_000);
  writeFileSync(join(groups, 'box/memory.stat'), 'anon 5\ninactive_file 50000\nactive_file 7\n');
  assert.equal(readFreeBytes(proc, groups), 150_000);
  writeFileSync(join(groups, 'box/memory.current'), '2000000\n');
  assert.equal(readFreeBytes(proc, groups), 0);
});

test('this host', { skip: process.platform !== 'linux' }, () => {
  const total = /^MemTotal:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1];
  const free = readFreeBytes('/proc', '/sys/fs/cgroup')!;
  assert.ok(free > 0 && free <= Number(total) * 1024, String(free));
});
