// Whether engine epoll can run here: it needs Linux and koffi. epoll itself is in every Linux, and no seccomp
// profile of a container forbids it.

import { loadEpollCalls } from '#core/socket/epoll/epoll-calls.ts';
import { loadLibc } from '#core/socket/ring/libc.ts';

/** One clause for people; undefined when the engine can run. */
export function whyNoEpoll(): string | undefined {
  if (process.platform !== 'linux') return `it needs Linux, this is ${process.platform}`;
  try {
    const fd = loadEpollCalls().create();
    if (fd < 0) return `epoll_create1 failed with errno ${-fd}`;
    loadLibc().close(fd);
    return undefined;
  } catch (error) {
    return `the native interface (koffi) cannot be loaded: ${(error as Error).message}`;
  }
}
