// The agent of `wsar collect --node`: tells once a second how this Node thread is doing. It is loaded into a program
// that knows nothing of it: `node --import /path/to/node-agent.mjs app.js` (Node 18.18 and later, Linux). Workers and
// forked children inherit the option, so each thread tells of itself.
//
// It writes one small text file in memory, /dev/shm/wsar-node-<uid>/<pid namespace>-<pid>.<thread>, over and over in
// place. Whoever wants reads it; nobody has to: the program never waits for a reader, sends nothing, and opens no
// port. A line is `<key> <number>`; the first and the last carry the same count, so a reader sees a torn text.
//
// It does not keep the program alive, prints nothing, throws nothing, and touches no global. When anything it needs is
// missing it does nothing at all. Cost: about 0.1 ms a second, and 50 wake-ups a second of an idle event loop (the
// histogram of delays); docs/internals/runtimes.md has the measurement.

import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';
import v8 from 'node:v8';
import { threadId } from 'node:worker_threads';

// The global, and not `import process`: that one reads every property, also stdin, and so opens it.
const { process } = globalThis;

const PERIOD_MS = 1000;
const RESOLUTION_MS = 20;
const NS_PER_MS = 1e6;
/** A pause of at least this long is counted as a long one. */
const LONG_GC_MS = 10;
/** Collections in one period up to which every period is profiled; a profile costs 14 us a collection. */
const PROFILED_MAX = 50;
const STALE_FILES_MAX = 256;
/** The text has a fixed length, so that a shorter one leaves nothing of a longer one behind. */
const TEXT_BYTES = 2048;
const GC_KINDS = new Map([
  [constantsOfGc('NODE_PERFORMANCE_GC_MINOR', 1), 'minor'],
  [constantsOfGc('NODE_PERFORMANCE_GC_MAJOR', 4), 'major'],
  [constantsOfGc('NODE_PERFORMANCE_GC_INCREMENTAL', 8), 'incremental'],
  [constantsOfGc('NODE_PERFORMANCE_GC_WEAKCB', 16), 'weakcb'],
]);

try {
  if (process.platform === 'linux') start();
} catch {
  // No /dev/shm, a folder of somebody else, a sandbox: the program runs as if the agent were not there.
}

function start() {
  const folder = openFolder();
  const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))[0];
  removeStale(folder, `${namespace}-`);
  const pathOf = (id) => `${folder}/${namespace}-${process.pid}.${id}`;
  const path = pathOf(threadId);
  unlinkQuietly(path);
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  const publish = createPublisher(fd);
  publish();
  setInterval(publish, PERIOD_MS).unref();
  process.on('exit', () => unlinkQuietly(path));
  // A worker that is terminated has no event `exit` of its own.
  process.on('worker', (worker) => {
    const workerPath = pathOf(worker.threadId);
    worker.once('exit', () => unlinkQuietly(workerPath));
  });
}

/** The folder of this user; throws when it belongs to somebody else or is open to others. */
function openFolder() {
  const uid = process.getuid();
  const folder = `/dev/shm/wsar-node-${uid}`;
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & 0o077) !== 0) throw new Error(folder);
  return folder;
}

/** Programs that were killed leave their file: the next one removes it. */
function removeStale(folder, prefix) {
  for (const name of readdirSync(folder).slice(0, STALE_FILES_MAX)) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : 0;
    if (!(pid > 0)) continue;
    try {
      process.kill(pid, 0);
    } catch (error) {
      if (error.code === 'ESRCH') unlinkQuietly(`${folder}/${name}`);
    }
  }
}

function createPublisher(fd) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const gc = observeGc();
  const scheduler = openSchedstat();
  const bytes = Buffer.alloc(TEXT_BYTES, '\n');
  let sequence = 0;
  return () => {
    try {
      sequence++;
      const lines = [`wsar-node ${sequence}`, `pid ${process.pid}`, `period_ms ${PERIOD_MS}`];
      addLoop(lines);
      addDelay(lines, delay);
      scheduler(lines);
      gc(lines);
      addMemory(lines);
      lines.push(`end ${sequence}`, '');
      const text = lines.join('\n');
      bytes.fill('\n');
      if (text.length < TEXT_BYTES) bytes.write(text, 'latin1');
      writeSync(fd, bytes, 0, TEXT_BYTES, 0);
    } catch {
      // The disk in memory is full, or a descriptor was closed by the program: this second is not told.
    }
  };
}

/** Milliseconds since the loop began; their sum is its age, which is the clock of the other numbers. */
function addLoop(lines) {
  const { idle, active } = performance.eventLoopUtilization();
  lines.push(`loop_idle_ms ${fixed(idle)}`, `loop_active_ms ${fixed(active)}`);
}

/** How late the loop came back to a timer in this period. The histogram holds the time between two calls of it. */
function addDelay(lines, delay) {
  const late = (ns) => fixed(Math.max(0, ns / NS_PER_MS - RESOLUTION_MS));
  if (delay.count > 0) {
    lines.push(
      `delay_p50_ms ${late(delay.percentile(50))}`,
      `delay_p90_ms ${late(delay.percentile(90))}`,
      `delay_p99_ms ${late(delay.percentile(99))}`,
      `delay_max_ms ${late(delay.max)}`,
    );
  }
  delay.reset();
}

/** Nanoseconds that this thread ran, and that it waited for a CPU, as the kernel counts them. */
function openSchedstat() {
  let fd = -1;
  const bytes = Buffer.alloc(128);
  try {
    fd = openSync('/proc/thread-self/schedstat', 'r');
  } catch {
    // A kernel without it, or a sandbox: nothing is told.
  }
  return (lines) => {
    if (fd < 0) return;
    try {
      const [run, wait] = bytes.toString('latin1', 0, readSync(fd, bytes, 0, 128, 0)).split(' ');
      lines.push(`run_ns ${run}`, `wait_ns ${wait}`);
    } catch {
      try {
        closeSync(fd);
      } catch {
        // The program closed it.
      }
      fd = -1;
    }
  };
}

/** Counts collections by kind. Bytes collected come from a profile of each period, or of some when there are many. */
function observeGc() {
  const kinds = new Map([...GC_KINDS.values()].map((kind) => [kind, { count: 0, ms: 0 }]));
  const total = { count: 0, longCount: 0, longMs: 0, bytes: 0 };
  let pauseMaxMs = 0;
  new PerformanceObserver((list) => {
    for (const { detail, duration } of list.getEntries()) {
      const kind = kinds.get(GC_KINDS.get(detail?.kind) ?? 'minor');
      kind.count++;
      kind.ms += duration;
      total.count++;
      pauseMaxMs = Math.max(pauseMaxMs, duration);
      if (duration < LONG_GC_MS) continue;
      total.longCount++;
      total.longMs += duration;
    }
  }).observe({ entryTypes: ['gc'] });
  const collected = profileGc();
  return (lines) => {
    total.bytes += collected(total.count);
    for (const [kind, { count, ms }] of kinds) {
      lines.push(`gc_${kind}_count ${count}`, `gc_${kind}_ms ${fixed(ms)}`);
    }
    lines.push(
      `gc_pause_max_ms ${fixed(pauseMaxMs)}`,
      `gc_long_count ${total.longCount}`,
      `gc_long_ms ${fixed(total.longMs)}`,
      `gc_collected_bytes ${Math.round(total.bytes)}`,
    );
    pauseMaxMs = 0;
  };
}

/** A function that gives the bytes collected since it was called last, from the number of all collections. */
function profileGc() {
  if (typeof v8.GCProfiler !== 'function') return () => 0;
  let profiler = startedProfiler();
  let bytesPerCollection = 0;
  let countBefore = 0;
  let toSkip = 0;
  return (count) => {
    const rise = count - countBefore;
    countBefore = count;
    let bytes = rise * bytesPerCollection;
    if (profiler !== undefined) {
      const { statistics } = profiler.stop();
      bytes = 0;
      for (const { beforeGC, afterGC } of statistics) {
        const freed = beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize;
        bytes += Math.max(0, freed);
      }
      if (statistics.length > 0) bytesPerCollection = bytes / statistics.length;
      toSkip = Math.floor(statistics.length / PROFILED_MAX);
    } else toSkip--;
    profiler = toSkip > 0 ? undefined : startedProfiler();
    return bytes;
  };
}

function startedProfiler() {
  const profiler = new v8.GCProfiler();
  profiler.start();
  return profiler;
}

function addMemory(lines) {
  const heap = v8.getHeapStatistics();
  lines.push(
    `heap_used_bytes ${heap.used_heap_size}`,
    `heap_total_bytes ${heap.total_heap_size}`,
    `heap_limit_bytes ${heap.heap_size_limit}`,
    `external_bytes ${heap.external_memory}`,
  );
  if (threadId === 0) lines.push(`rss_bytes ${process.memoryUsage.rss()}`);
}

function fixed(number) {
  return number.toFixed(3);
}

function constantsOfGc(name, otherwise) {
  return performance.constants?.[name] ?? otherwise;
}

function unlinkQuietly(path) {
  try {
    unlinkSync(path);
  } catch {
    // It was not there.
  }
}
