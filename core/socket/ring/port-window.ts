// Windows of source ports (IP_LOCAL_PORT_RANGE, Linux 6.3): how they are told to a socket, and whether this kernel
// takes them, asked of a real socket.

import type { SourcePorts } from '#core/socket/reactor.ts';
import { loadLibc } from '#core/socket/ring/libc.ts';
import {
  AF_INET,
  IP_LOCAL_PORT_RANGE,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_IP,
} from '#core/socket/ring/uapi.ts';

/** The value of IP_LOCAL_PORT_RANGE, as a signed word: upper bound in the high half. */
export function portRangeWord({ min, max }: SourcePorts): number {
  return (max << 16) | min;
}

/** One clause for people; undefined when a socket here can be given a window. */
export function whyNoPortWindow(): string | undefined {
  if (process.platform !== 'linux')
    return `windows of ports are of Linux, this is ${process.platform}`;
  try {
    const libc = loadLibc();
    const fd = libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC);
    if (fd < 0) return `no socket can be made (errno ${-fd})`;
    const word = portRangeWord({ min: 32_768, max: 60_999 });
    const result = libc.setSocketOption(fd, SOL_IP, IP_LOCAL_PORT_RANGE, word);
    libc.close(fd);
    return result < 0
      ? `this kernel has no windows of ports (errno ${-result}; Linux 6.3 has)`
      : undefined;
  } catch (error) {
    return `the native interface (koffi) cannot be loaded: ${(error as Error).message}`;
  }
}
