// The system calls of engine epoll, through koffi, beside those that it shares with engine ring. All return
// -errno when they fail. Buffers are given by address, which costs less than handing an array over.

import { createRequire } from 'node:module';

export interface EpollCalls {
  create(): number;
  /** `event` is the address of a struct epoll_event. */
  control(epollFd: number, operation: number, fd: number, event: number): number;
  wait(epollFd: number, events: number, countMax: number, timeoutMs: number): number;
  /** As `wait`, with a struct timespec at `timeout`; Linux 5.11 and later. */
  waitFine(epollFd: number, events: number, countMax: number, timeout: number): number;
  /** The new descriptor does not block and closes on exec. */
  accept(fd: number): number;
  connect(fd: number, address: number, bytes: number): number;
  bind(fd: number, address: number, bytes: number): number;
  receive(fd: number, address: number, bytes: number): number;
  send(fd: number, address: number, bytes: number): number;
  /** `header` is the address of a struct msghdr. */
  sendMessage(fd: number, header: number): number;
  shutdown(fd: number, how: number): number;
  /** setsockopt with `bytes` at `value`. */
  setOption(fd: number, level: number, name: number, value: number, bytes: number): number;
  /** getsockopt; `bytes` is the address of the length. */
  getOption(fd: number, level: number, name: number, value: number, bytes: number): number;
}

const SYS_EPOLL_PWAIT2 = 441;
const EPOLL_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;
/** MSG_NOSIGNAL; the sockets themselves do not block. */
const SEND_FLAGS = 0x4000;
/** Size of the kernel's signal set, which a null set is given with. */
const SIGNAL_SET_BYTES = 8;

let loaded: EpollCalls | undefined;

/** Throws what koffi throws where it cannot be loaded. */
export function loadEpollCalls(): EpollCalls {
  loaded ??= bindCalls();
  return loaded;
}

function bindCalls(): EpollCalls {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const library = koffi.load('libc.so.6');
  const create = library.func('int epoll_create1(int)');
  const control = library.func('int epoll_ctl(int, int, int, uintptr_t)');
  const wait = library.func('int epoll_wait(int, uintptr_t, int, int)');
  const pwait2 = library.func(
    'long syscall(long, int, uintptr_t, int, uintptr_t, uintptr_t, size_t)',
  );
  const accept4 = library.func('int accept4(int, uintptr_t, uintptr_t, int)');
  const connect = library.func('int connect(int, uintptr_t, uint32_t)');
  const bind = library.func('int bind(int, uintptr_t, uint32_t)');
  const recv = library.func('long recv(int, uintptr_t, size_t, int)');
  const send = library.func('long send(int, uintptr_t, size_t, int)');
  const sendmsg = library.func('long sendmsg(int, uintptr_t, int)');
  const shutdown = library.func('int shutdown(int, int)');
  const setsockopt = library.func('int setsockopt(int, int, int, uintptr_t, uint32_t)');
  const getsockopt = library.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)');
  const told = (result: number): number => (result < 0 ? -koffi.errno() : result);
  return {
    create: () => told(create(EPOLL_CLOEXEC)),
    control: (epollFd, operation, fd, event) => told(control(epollFd, operation, fd, event)),
    wait: (epollFd, events, countMax, timeoutMs) =>
      told(wait(epollFd, events, countMax, timeoutMs)),
    waitFine: (epollFd, events, countMax, timeout) =>
      told(pwait2(SYS_EPOLL_PWAIT2, epollFd, events, countMax, timeout, 0, SIGNAL_SET_BYTES)),
    accept: (fd) => told(accept4(fd, 0, 0, SOCK_NONBLOCK_CLOEXEC)),
    connect: (fd, address, bytes) => told(connect(fd, address, bytes)),
    bind: (fd, address, bytes) => told(bind(fd, address, bytes)),
    receive: (fd, address, bytes) => told(recv(fd, address, bytes, 0)),
    send: (fd, address, bytes) => told(send(fd, address, bytes, SEND_FLAGS)),
    sendMessage: (fd, header) => told(sendmsg(fd, header, SEND_FLAGS)),
    shutdown: (fd, how) => told(shutdown(fd, how)),
    setOption: (fd, level, name, value, bytes) => told(setsockopt(fd, level, name, value, bytes)),
    getOption: (fd, level, name, value, bytes) => told(getsockopt(fd, level, name, value, bytes)),
  };
}
