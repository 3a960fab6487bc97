// A network namespace for the calling thread: servers, workers and child processes that start afterwards
// are in it, sockets that were there before stay where they were made. It has routes, ports, counters, a
// table of connections and settings (net.*) of its own, and is gone with the last process in it: whatever
// was set there needs no restoring, and nothing there can reach the host.
//
// The size of its table of connections is what `tcp_child_ehash_entries` of the namespace before it said
// (Documentation/networking/ip-sysctl.rst). So that nothing of the host is touched, there is a namespace in
// between, which lives for the moment in which the second one is made. Needs CAP_SYS_ADMIN.

import { closeSync, openSync, readlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { WsarError } from '#core/errors.ts';

const CLONE_NEWNET = 0x40000000;
const SIOCSIFFLAGS = 0x8914;
const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const IFF_UP = 1;
const IFREQ_BYTES = 40;
const IFNAME_BYTES = 16;
const OWN = '/proc/thread-self/ns/net';

export interface NetworkNamespace {
  /** 'net:[4026532201]' */
  readonly name: string;
  /** The calling thread is again where it was. Child processes stay where they are. */
  leave(): void;
}

export interface NamespaceOptions {
  /** Buckets of its table of TCP connections, a power of two; undefined = the host's. */
  connectionBuckets?: number;
  /** Settings by their name below /proc/sys/net, like 'core/somaxconn'. */
  settings?: Readonly<Record<string, number | string>>;
}

/**
 * Moves the calling thread into a new namespace whose loopback is up.
 * @throws WsarError WSAR_ERR_LIMIT when the kernel does not let us.
 */
export function enterNetworkNamespace(options: NamespaceOptions = {}): NetworkNamespace {
  const calls = load();
  const home = openSync(OWN, 'r');
  try {
    must('unshare', calls.unshare(CLONE_NEWNET));
    if (options.connectionBuckets !== undefined) {
      setNetwork('ipv4/tcp_child_ehash_entries', options.connectionBuckets);
      must('unshare', calls.unshare(CLONE_NEWNET));
    }
    raiseLoopback(calls);
    for (const [name, value] of Object.entries(options.settings ?? {})) setNetwork(name, value);
  } catch (error) {
    calls.setns(home, CLONE_NEWNET);
    closeSync(home);
    throw error;
  }
  return {
    name: readlinkSync(OWN),
    leave() {
      must('setns', calls.setns(home, CLONE_NEWNET));
      closeSync(home);
    },
  };
}

/** Sets one of the calling thread's namespace. */
function setNetwork(name: string, value: number | string): void {
  try {
    writeFileSync(`/proc/sys/net/${name}`, String(value));
  } catch (error) {
    throw refused(`setting net/${name} to ${value}: ${(error as Error).message}`, error);
  }
}

function raiseLoopback(calls: NamespaceCalls): void {
  const fd = must('socket', calls.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0));
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write('lo', 'latin1');
  request.writeUInt16LE(IFF_UP, IFNAME_BYTES);
  const result = calls.ioctl(fd, SIOCSIFFLAGS, request);
  calls.close(fd);
  must('raising lo', result);
}

interface NamespaceCalls {
  unshare(flags: number): number;
  setns(fd: number, kind: number): number;
  socket(family: number, type: number, protocol: number): number;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  close(fd: number): number;
}

function load(): NamespaceCalls {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const library = koffi.load('libc.so.6');
    return {
      unshare: library.func('int unshare(int)'),
      setns: library.func('int setns(int, int)'),
      socket: library.func('int socket(int, int, int)'),
      ioctl: library.func('int ioctl(int, unsigned long, void *)'),
      close: library.func('int close(int)'),
    };
  } catch (error) {
    throw refused(`koffi cannot be loaded: ${(error as Error).message.split('\n')[0]}`, error);
  }
}

function must(what: string, result: number): number {
  if (result < 0) throw refused(`${what} is not allowed`);
  return result;
}

function refused(what: string, cause?: unknown): WsarError {
  return new WsarError(
    'WSAR_ERR_LIMIT',
    `a network namespace cannot be made: ${what}`,
    'run as root on Linux, or without a namespace of its own',
    cause,
  );
}
