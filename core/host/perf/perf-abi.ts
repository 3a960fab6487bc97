// The words of perf_event_open(2) that we use: the description of an event, what a read of a group gives,
// the ioctls. Nothing here calls the kernel.
//
// struct perf_event_attr in its first published size (PERF_ATTR_SIZE_VER0, 64 bytes, every kernel takes it):
//
//    0 type u32          4 size u32           8 config u64
//   16 sample_period u64 24 sample_type u64  32 read_format u64
//   40 flags u64: bit 0 disabled, 1 inherit, 5 exclude_kernel, 6 exclude_hv
//   48 wakeup u32       52 bp_type u32       56 config1 u64
//
// A read of a group's leader with read_format GROUP | TOTAL_TIME_ENABLED | TOTAL_TIME_RUNNING:
//
//    0 nr u64   8 time_enabled ns u64   16 time_running ns u64   24 value u64, nr times
//
// Facts: include/uapi/linux/perf_event.h.

/** perf_type_id. */
export const PerfType = { hardware: 0, software: 1, tracepoint: 2, cache: 3 } as const;

export const PERF_IOC_ENABLE = 0x2400;
export const PERF_IOC_DISABLE = 0x2401;
/** The ioctl is for every event of the group. */
export const PERF_IOC_FLAG_GROUP = 1;
export const PERF_FLAG_FD_CLOEXEC = 8;

const ATTR_BYTES = 64;
const FORMAT_TIME_ENABLED = 1;
const FORMAT_TIME_RUNNING = 2;
const FORMAT_GROUP = 8;
const FLAG_DISABLED = 1;
const FLAG_INHERIT = 2;
const FLAG_EXCLUDE_KERNEL = 32;
const FLAG_EXCLUDE_HV = 64;
const READ_HEADER_BYTES = 24;

export interface EventAttr {
  type: number;
  config: number;
  /** Starts switched off; a leader of a group does, its members follow it. */
  isDisabled: boolean;
  /** Threads and children begun later count as well. */
  isInherited: boolean;
  /** Only what happens in user space; all that an ordinary user may count on many hosts. */
  isUserOnly: boolean;
}

export function encodeAttr(attr: EventAttr): Buffer {
  const bytes = Buffer.alloc(ATTR_BYTES);
  bytes.writeUInt32LE(attr.type, 0);
  bytes.writeUInt32LE(ATTR_BYTES, 4);
  bytes.writeBigUInt64LE(BigInt(attr.config), 8);
  bytes.writeBigUInt64LE(BigInt(FORMAT_GROUP | FORMAT_TIME_ENABLED | FORMAT_TIME_RUNNING), 32);
  const flags =
    (attr.isDisabled ? FLAG_DISABLED : 0) |
    (attr.isInherited ? FLAG_INHERIT : 0) |
    (attr.isUserOnly ? FLAG_EXCLUDE_KERNEL | FLAG_EXCLUDE_HV : 0);
  bytes.writeBigUInt64LE(BigInt(flags), 40);
  return bytes;
}

/** Bytes that a read of a group of so many events gives. */
export function groupReadBytes(events: number): number {
  return READ_HEADER_BYTES + 8 * events;
}

/** The config of a cache event: which cache, which operation, which result (PERF_COUNT_HW_CACHE_*). */
export function cacheConfig(cache: number, operation: number, result: number): number {
  return cache | (operation << 8) | (result << 16);
}

const WORD = 2 ** 32;

/**
 * By how much a 64 bit number in memory rose, `before` to `after`; both hold it at `offset`, little-endian. Exact
 * below 2^53, whatever the numbers are: they pass 2^53 in hours. A number that passed 2^64 rose as well.
 */
export function rise64(before: Buffer, after: Buffer, offset: number): number {
  const low = after.readUInt32LE(offset) - before.readUInt32LE(offset);
  let high = after.readUInt32LE(offset + 4) - before.readUInt32LE(offset + 4);
  // Half of the range back is a wrap; less is a number that started over, and negative.
  if (high < -(WORD / 2)) high += WORD;
  return high * WORD + low;
}

/**
 * The count of an interval in which the counter was on the hardware for `runningNs` of `enabledNs`: the kernel rotates
 * counters when there are more than the processor has. NaN when it never was.
 */
export function scaledCount(count: number, enabledNs: number, runningNs: number): number {
  if (!(runningNs > 0) || !(enabledNs >= runningNs)) {
    // Times that went back are of a counter that started over; a few ns more running than enabled are rounding.
    return runningNs > 0 && runningNs - enabledNs < 1000 && enabledNs >= 0 ? count : Number.NaN;
  }
  return count * (enabledNs / runningNs);
}
