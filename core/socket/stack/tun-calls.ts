// The system calls of the TUN device, through koffi. Those that return a number return -errno when they
// fail. Buffers on the hot path are given by address, which costs less than handing an array over.

import { createRequire } from 'node:module';

export interface TunCalls {
  open(path: string, flags: number): number;
  close(fd: number): void;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  /** ioctl whose argument is a plain number. */
  ioctlNumber(fd: number, request: number, argument: number): number;
  socket(family: number, type: number): number;
  bind(fd: number, address: Uint8Array): number;
  read(fd: number, address: number, bytes: number): number;
  write(fd: number, address: number, bytes: number): number;
  /** ppoll; both arguments by address. */
  poll(descriptors: number, count: number, timeSpec: number): number;
}

let loaded: TunCalls | undefined;

/** Throws what koffi throws where it cannot be loaded. */
export function loadTunCalls(): TunCalls {
  loaded ??= bindCalls();
  return loaded;
}

function bindCalls(): TunCalls {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const library = koffi.load('libc.so.6');
  const open = library.func('int open(const char *, int)');
  const close = library.func('int close(int)');
  const ioctl = library.func('int ioctl(int, unsigned long, void *)');
  const ioctlNumber = library.func('int ioctl(int, unsigned long, unsigned long)');
  const socket = library.func('int socket(int, int, int)');
  const bind = library.func('int bind(int, void *, uint32_t)');
  const read = library.func('long read(int, uintptr_t, size_t)');
  const write = library.func('long write(int, uintptr_t, size_t)');
  const ppoll = library.func('int ppoll(uintptr_t, unsigned long, uintptr_t, uintptr_t)');
  const failed = (result: number): number => (result < 0 ? -koffi.errno() : result);
  return {
    open: (path, flags) => failed(open(path, flags)),
    close: (fd) => void close(fd),
    ioctl: (fd, request, argument) => failed(ioctl(fd, request, argument)),
    ioctlNumber: (fd, request, argument) => failed(ioctlNumber(fd, request, argument)),
    socket: (family, type) => failed(socket(family, type, 0)),
    bind: (fd, address) => failed(bind(fd, address, address.length)),
    read: (fd, address, bytes) => failed(read(fd, address, bytes) as number),
    write: (fd, address, bytes) => failed(write(fd, address, bytes) as number),
    poll: (descriptors, count, timeSpec) => failed(ppoll(descriptors, count, timeSpec, 0)),
  };
}
