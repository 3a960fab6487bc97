// Finds out whether this host can run engine stack: says in one sentence why not.

import { accessSync, constants, readFileSync } from 'node:fs';
import { loadTunCalls } from '#core/socket/stack/tun-calls.ts';
import { TUN_PATH } from '#core/socket/stack/tun-device.ts';

/** Bit of CAP_NET_ADMIN in the effective capabilities (linux/capability.h). */
const CAP_NET_ADMIN = 12n;

/** Undefined when engine stack works here, else the reason why it does not. */
export function whyNoStack(): string | undefined {
  if (process.platform !== 'linux') return `TUN devices are Linux's; this is ${process.platform}`;
  try {
    loadTunCalls();
  } catch (error) {
    return `koffi cannot be loaded: ${String(error).split('\n')[0]}`;
  }
  const effective = /^CapEff:\s+([0-9a-f]+)/m.exec(
    readFileSync('/proc/thread-self/status', 'utf8'),
  );
  if (((BigInt(`0x${effective?.[1] ?? '0'}`) >> CAP_NET_ADMIN) & 1n) === 0n) {
    return 'the capability CAP_NET_ADMIN is missing';
  }
  try {
    accessSync(TUN_PATH, constants.R_OK | constants.W_OK);
    return undefined;
  } catch {
    return `${TUN_PATH} cannot be opened`;
  }
}
