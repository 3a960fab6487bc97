// Why the kernel refused a counter, as a sentence for a person.

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { PerfType } from '#core/host/perf/perf-abi.ts';

const { EACCES, EBUSY, EINVAL, EMFILE, ENFILE, ENODEV, ENOENT, ENOSYS, EOPNOTSUPP, EPERM, ESRCH } =
  constants.errno;
const PARANOID_FILE = '/proc/sys/kernel/perf_event_paranoid';

/** What `errno` of perf_event_open means for an event of this type. Facts: perf_event_open(2), ERRORS. */
export function refusalText(errno: number, type: number): string {
  const isHardware = type === PerfType.hardware || type === PerfType.cache;
  switch (errno) {
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
      return isHardware
        ? `this machine has no such counter${isVirtual() ? ' (it is virtual and shows no counter unit)' : ''}`
        : 'this kernel has no such event';
    case EACCES:
    case EPERM:
      return `not allowed: needs CAP_PERFMON or a lower kernel.perf_event_paranoid (is ${paranoid()})`;
    case ENOSYS:
      return 'this kernel has no perf events, or a seccomp filter hides them';
    case EMFILE:
    case ENFILE:
      return 'no descriptors are left';
    case ESRCH:
      return 'the process is gone';
    case EBUSY:
      return 'another program holds the counters exclusively';
    case EINVAL:
      return 'this kernel does not take the event (EINVAL)';
    default:
      return `perf_event_open failed with errno ${errno}`;
  }
}

function paranoid(): string {
  try {
    return readFileSync(PARANOID_FILE, 'latin1').trim();
  } catch {
    return 'hidden';
  }
}

/** The processor says that a hypervisor is under it. */
function isVirtual(): boolean {
  try {
    return /^flags\s*:.*\bhypervisor\b/m.test(readFileSync('/proc/cpuinfo', 'latin1'));
  } catch {
    return false;
  }
}
