// The C library through koffi: the only place where this engine calls native code. koffi is loaded at
// the first use, so that a host without it still has engine net.
//
// Addresses are numbers: user space ends below 2^47, so they are exact. One call costs about 0.15 us over
// the bare system call.

import { createRequire } from 'node:module';
import { assert } from '#core/assert.ts';
import { WsarError } from '#core/errors.ts';
import {
  SYS_IO_URING_ENTER,
  SYS_IO_URING_REGISTER,
  SYS_IO_URING_SETUP,
} from '#core/socket/ring/uapi.ts';

const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
/** Private, anonymous, no reservation of swap: pages cost memory when they are first written. */
const MAP_PRIVATE_ANONYMOUS = 0x4022;
/** Blocking, so that a read through a ring waits; a write to it never does in practice. */
const EFD_CLOEXEC = 0o2000000;
const RLIMIT_NOFILE = 7;
const CLOCK_THREAD_CPUTIME_ID = 3;

/** Memory outside of V8's heap, at an address that the kernel may be told. */
export interface Mapping {
  readonly address: number;
  readonly buffer: ArrayBuffer;
  /** The buffer must not be touched afterwards. */
  unmap(): void;
}

/** System calls; those that return a number return -errno when they fail. */
export interface Libc {
  ioUringSetup(entries: number, params: Uint8Array): number;
  ioUringEnter(
    fd: number,
    toSubmit: number,
    minComplete: number,
    flags: number,
    argument: number,
    argumentBytes: number,
  ): number;
  ioUringRegister(fd: number, opcode: number, argument: Uint8Array, count: number): number;
  /** Maps a region of a ring's descriptor. Throws WSAR_ERR_MEMORY. */
  mapFd(bytes: number, fd: number, offset: number): Mapping;
  /** Maps zeroed memory. Throws WSAR_ERR_MEMORY. */
  mapMemory(bytes: number): Mapping;
  eventFd(): number;
  /** Not fs.closeSync: a worker of Node counts the descriptors that its fs module opened. */
  close(fd: number): void;
  socket(family: number, type: number): number;
  setSocketOption(fd: number, level: number, name: number, value: number): number;
  /** The same with a structure as its value. */
  setSocketOptionBytes(fd: number, level: number, name: number, value: Uint8Array): number;
  bind(fd: number, address: Uint8Array): number;
  listen(fd: number, backlog: number): number;
  /** Fills `address`. */
  socketName(fd: number, address: Uint8Array): number;
  /** Soft limit of open descriptors. */
  descriptorLimit(): number;
  /** Fills a struct timespec with the CPU time of the calling thread; allocates nothing. */
  threadTime(timespec: Uint8Array): number;
}

let loaded: Libc | undefined;

/** The C library; throws what koffi throws where it cannot be loaded. */
export function loadLibc(): Libc {
  loaded ??= bindLibc();
  return loaded;
}

type Koffi = typeof import('koffi');

function bindLibc(): Libc {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  const library = koffi.load('libc.so.6');
  const failed = (result: number): number => (result < 0 ? -koffi.errno() : result);
  const setup = library.func('long syscall(long, uint32_t, void *)');
  const enter = library.func(
    'long syscall(long, int, uint32_t, uint32_t, uint32_t, uintptr_t, size_t)',
  );
  const register = library.func('long syscall(long, int, uint32_t, void *, uint32_t)');
  const eventfd = library.func('int eventfd(unsigned int, int)');
  const close = library.func('int close(int)');
  const getrlimit = library.func('int getrlimit(int, void *)');
  const gettime = library.func('int clock_gettime(int, void *)');
  return {
    ...bindSocketCalls(library, failed),
    ioUringSetup: (entries, params) => failed(setup(SYS_IO_URING_SETUP, entries, params)),
    ioUringEnter: (fd, toSubmit, minComplete, flags, argument, argumentBytes) => {
      const result = enter(
        SYS_IO_URING_ENTER,
        fd,
        toSubmit,
        minComplete,
        flags,
        argument,
        argumentBytes,
      ) as number;
      return result < 0 ? -koffi.errno() : result;
    },
    ioUringRegister: (fd, opcode, argument, count) =>
      failed(register(SYS_IO_URING_REGISTER, fd, opcode, argument, count)),
    ...bindMappings(koffi, library),
    eventFd: () => failed(eventfd(0, EFD_CLOEXEC)),
    close: (fd) => void close(fd),
    descriptorLimit() {
      const limit = Buffer.alloc(16);
      assert(getrlimit(RLIMIT_NOFILE, limit) === 0, 'getrlimit answers');
      return Number(limit.readBigUInt64LE(0));
    },
    threadTime: (timespec) => failed(gettime(CLOCK_THREAD_CPUTIME_ID, timespec)),
  };
}

type Library = ReturnType<Koffi['load']>;

function bindSocketCalls(
  library: Library,
  failed: (result: number) => number,
): Pick<
  Libc,
  'socket' | 'setSocketOption' | 'setSocketOptionBytes' | 'bind' | 'listen' | 'socketName'
> {
  const socket = library.func('int socket(int, int, int)');
  const setsockopt = library.func('int setsockopt(int, int, int, void *, uint32_t)');
  const bind = library.func('int bind(int, void *, uint32_t)');
  const listen = library.func('int listen(int, int)');
  const getsockname = library.func('int getsockname(int, void *, void *)');
  return {
    socket: (family, type) => failed(socket(family, type, 0)),
    setSocketOption: (fd, level, name, value) =>
      failed(setsockopt(fd, level, name, new Int32Array([value]), 4)),
    setSocketOptionBytes: (fd, level, name, value) =>
      failed(setsockopt(fd, level, name, value, value.length)),
    bind: (fd, address) => failed(bind(fd, address, address.length)),
    listen: (fd, backlog) => failed(listen(fd, backlog)),
    socketName: (fd, address) =>
      failed(getsockname(fd, address, new Uint32Array([address.length]))),
  };
}

function bindMappings(koffi: Koffi, library: Library): Pick<Libc, 'mapFd' | 'mapMemory'> {
  const mmap = library.func('void *mmap(uintptr_t, size_t, int, int, int, size_t)');
  const munmap = library.func('int munmap(uintptr_t, size_t)');
  const map = (bytes: number, flags: number, fd: number, offset: number): Mapping => {
    const pointer: unknown = mmap(0, bytes, PROT_READ_WRITE, flags, fd, offset);
    const address = Number(koffi.address(pointer));
    // MAP_FAILED is (void *)-1.
    if (address <= 0 || address > Number.MAX_SAFE_INTEGER) {
      throw new WsarError(
        'WSAR_ERR_MEMORY',
        `mmap of ${bytes} bytes failed with errno ${koffi.errno()}`,
        'Ask for fewer connections or a smaller outputBytesTotalMax, or free memory.',
      );
    }
    return {
      address,
      buffer: koffi.view(pointer, bytes),
      unmap: () => void munmap(address, bytes),
    };
  };
  return {
    mapFd: (bytes, fd, offset) => map(bytes, MAP_SHARED_POPULATE, fd, offset),
    mapMemory: (bytes) => map(bytes, MAP_PRIVATE_ANONYMOUS, -1, 0),
  };
}
