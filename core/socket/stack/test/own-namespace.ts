// A network namespace for one test process, with an address beside loopback. Nothing that a test does to
// routes or devices can reach the host.

import koffi from 'koffi';
import { enterNetworkNamespace } from '#core/socket/stack/network-namespace.ts';
import { whyNoStack } from '#core/socket/stack/why-no-stack.ts';
import { skipUnless } from '#test/foreign-part.ts';

const SIOCSIFADDR = 0x8916;
const SIOCSIFNETMASK = 0x891c;
const AF_INET = 2;
const SOCK_DGRAM = 2;

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
  enterNetworkNamespace();
  const libc = koffi.load('libc.so.6');
  const socket = libc.func('int socket(int, int, int)');
  const ioctl = libc.func('int ioctl(int, unsigned long, void *)');
  const close = libc.func('int close(int)');
  const fd = socket(AF_INET, SOCK_DGRAM, 0);
  const set = (call: number, value: number): void => {
    const bytes = Buffer.alloc(40);
    bytes.write('lo:lab', 'latin1');
    bytes.writeUInt16LE(AF_INET, 16);
    bytes.writeUInt32BE(value, 20);
    if (ioctl(fd, call, bytes) < 0) throw new Error(`ioctl ${call}: errno ${koffi.errno()}`);
  };
  set(SIOCSIFADDR, LAB_ADDRESS);
  set(SIOCSIFNETMASK, 0xffffffff);
  close(fd);
}
