// A network namespace for one test process: unshare(CLONE_NEWNET) moves the test's own thread, so that
// servers, workers and child processes that start afterwards are in it; it is gone with the process.
// Nothing that a test does to routes or devices can reach the host.

import koffi from 'koffi';
import { whyNoStack } from '#core/socket/stack/why-no-stack.ts';
import { skipUnless } from '#test/foreign-part.ts';

const CLONE_NEWNET = 0x40000000;
const SIOCSIFFLAGS = 0x8914;
const SIOCSIFADDR = 0x8916;
const SIOCSIFNETMASK = 0x891c;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const IFF_UP = 1;

/** Why tests that need a TUN device are left out here; false when they run. Fails in CI. */
export function stackObstacle(): false | string {
  const obstacle = whyNoStack();
  return skipUnless(obstacle === undefined ? [] : [`a TUN device (${obstacle})`], 'run as root');
}

/** An address of the namespace that is not loopback. */
export const LAB_ADDRESS = 0x0ac80001;
export const LAB_HOST = '10.200.0.1';

/** Moves this thread into a new namespace with `lo` up, which also has LAB_ADDRESS. */
export function enterOwnNamespace(): void {
  const libc = koffi.load('libc.so.6');
  const unshare = libc.func('int unshare(int)');
  const socket = libc.func('int socket(int, int, int)');
  const ioctl = libc.func('int ioctl(int, unsigned long, void *)');
  const close = libc.func('int close(int)');
  const must = (what: string, result: number): number => {
    if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`);
    return result;
  };
  must('unshare', unshare(CLONE_NEWNET));
  const fd = must('socket', socket(AF_INET, SOCK_DGRAM, 0));
  const request = (name: string, fill: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.alloc(40);
    bytes.write(name, 'latin1');
    fill(bytes);
    return bytes;
  };
  const address = (value: number) => (bytes: Buffer) => {
    bytes.writeUInt16LE(AF_INET, 16);
    bytes.writeUInt32BE(value, 20);
  };
  must(
    'lo up',
    ioctl(
      fd,
      SIOCSIFFLAGS,
      request('lo', (bytes) => bytes.writeUInt16LE(IFF_UP, 16)),
    ),
  );
  must('address', ioctl(fd, SIOCSIFADDR, request('lo:lab', address(LAB_ADDRESS))));
  must('netmask', ioctl(fd, SIOCSIFNETMASK, request('lo:lab', address(0xffffffff))));
  close(fd);
}
