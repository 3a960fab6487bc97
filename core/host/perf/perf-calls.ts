// perf_event_open(2) and what goes with it, through koffi, loaded at the first use. Only what a counter is opened,
// switched and closed with: it is read with fs.readSync, as any file.

import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { PERF_FLAG_FD_CLOEXEC } from '#core/host/perf/perf-abi.ts';

/** perf_event_open in the table of system calls (arch/x86/entry/syscalls, include/uapi/asm-generic/unistd.h). */
const SYS_PERF_EVENT_OPEN: Partial<Record<NodeJS.Architecture, number>> = {
  x64: 298,
  arm64: 241,
  riscv64: 241,
};
const RLIMIT_NOFILE = 7;
const RLIMIT_BYTES = 16;

/** Calls that return a number return -errno when they fail. */
export interface PerfCalls {
  /** A counter of the event that `attr` describes; `pid` -1 is every process, `cpu` -1 every processor. */
  open(attr: Buffer, pid: number, cpu: number, groupFd: number): number;
  ioctl(fd: number, request: number, argument: number): number;
  /** Not fs.closeSync: a worker of Node minds only the descriptors that its fs module opened. */
  close(fd: number): void;
  /** Soft limit of open descriptors. */
  descriptorsMax(): number;
}

let loaded: PerfCalls | undefined;

/** The calls, or the reason why there are none on this host. */
export function loadPerfCalls(): PerfCalls | string {
  if (loaded !== undefined) return loaded;
  const number = SYS_PERF_EVENT_OPEN[process.arch];
  if (process.platform !== 'linux') return `perf events are Linux's; this is ${process.platform}`;
  if (number === undefined || endianness() !== 'LE') {
    return `the number of perf_event_open is not known for ${process.arch}`;
  }
  try {
    loaded = bindCalls(number);
  } catch (error) {
    return `koffi cannot be loaded: ${(error as Error).message.split('\n')[0]}`;
  }
  return loaded;
}

function bindCalls(number: number): PerfCalls {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const library = koffi.load('libc.so.6');
  const failed = (result: number): number => (result < 0 ? -koffi.errno() : result);
  const open = library.func('long syscall(long, void *, int, int, int, unsigned long)');
  const ioctl = library.func('int ioctl(int, unsigned long, unsigned long)');
  const close = library.func('int close(int)');
  const getrlimit = library.func('int getrlimit(int, void *)');
  return {
    open: (attr, pid, cpu, groupFd) =>
      failed(open(number, attr, pid, cpu, groupFd, PERF_FLAG_FD_CLOEXEC)),
    ioctl: (fd, request, argument) => failed(ioctl(fd, request, argument)),
    close: (fd) => void close(fd),
    descriptorsMax() {
      const limit = Buffer.alloc(RLIMIT_BYTES);
      return getrlimit(RLIMIT_NOFILE, limit) === 0 ? Number(limit.readBigUInt64LE(0)) : 0;
    },
  };
}
