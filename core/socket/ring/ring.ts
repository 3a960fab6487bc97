// One io_uring: set up, mapped into typed arrays, filled and entered. Knows nothing of connections.
//
// Submission queue entry (64 bytes, 16 words), completion queue entry (16 bytes, 4 words):
//
//   word  SQE                                      word  CQE
//   0     opcode u8, flags u8, ioprio u16          0, 1  user_data
//   1     fd, or slot of the file table            2     result: >= 0, or -errno
//   2, 3  off / addr2 / cmd_op                     3     flags; buffer id in the upper 16 bits
//   4, 5  addr / (level, optname)
//   6     len
//   7     flags of the operation
//   8, 9  user_data
//   10    buffer group u16, personality u16
//   11    file_index / optlen
//   12..  addr3 / optval, then zero
//
// Set up with DEFER_TASKRUN and SINGLE_ISSUER: the kernel makes completions only inside `enter`, on this
// thread, so nothing moves between two calls. It runs at most 20 pieces of pending work at a time
// (IO_LOCAL_TW_DEFAULT_MAX, since 6.13), or as many as the call waits for, and does not raise the TASKRUN flag
// again for the rest.

import { getSystemErrorName } from 'node:util';
import { assert } from '#core/assert.ts';
import { WsarError } from '#core/errors.ts';
import { REACTOR_STAT } from '#core/socket/reactor.ts';
import type { Libc, Mapping } from '#core/socket/ring/libc.ts';
import {
  CQ_EVENTFD_DISABLED,
  EAGAIN,
  EBUSY,
  EINTR,
  ENOMEM,
  ENTER_EXT_ARG,
  ENTER_GETEVENTS,
  ETIME,
  FEATURE,
  REGISTER,
  RSRC_REGISTER_SPARSE,
  SETUP,
  SQ_CQ_OVERFLOW,
  SQ_TASKRUN,
} from '#core/socket/ring/uapi.ts';

const SETUP_FLAGS =
  SETUP.cqSize |
  SETUP.clamp |
  SETUP.submitAll |
  SETUP.taskrunFlag |
  SETUP.singleIssuer |
  SETUP.deferTaskrun |
  SETUP.noSqArray;
const FEATURES_NEEDED = FEATURE.singleMmap | FEATURE.noDrop | FEATURE.extArg | FEATURE.cqeSkip;
const PARAMS_BYTES = 120;
const SQE_BYTES = 64;
const SQE_WORDS = 16;
const CQE_WORDS = 4;
const OFFSET_RINGS = 0;
const OFFSET_SQES = 0x10000000;
/** struct io_uring_getevents_arg, 24 bytes: min_wait_usec at byte 12, the pointer to the timeout at byte 16. */
const GETEVENTS_ARG_BYTES = 24;
const MIN_WAIT_WORD = 3;
const TIMEOUT_OFFSET = 32;
/** An enter that the kernel cannot serve for lack of memory is tried this often before it is an error. */
const ENTER_RETRIES_MAX = 1000;

export class Ring {
  readonly fd: number;
  readonly sqEntries: number;
  readonly cqEntries: number;
  /** Head and tail words, flags and completions; index with the `...Index` fields. */
  words: Int32Array;
  readonly cqMask: number;
  readonly cqesIndex: number;
  readonly cqHeadIndex: number;
  readonly cqTailIndex: number;
  /** Next submission entry, as the kernel counts: up, wrapping at 2^32. */
  tail: number;
  /** A wait may go on for a while although something came: see `wait`. */
  readonly canGather: boolean;
  /** Sends among the entries that wait for an enter, each of which completes as it is handed over. */
  quietSends = 0;
  /** Others that can be handed over by a call that waits: they complete when something happens. */
  quietOthers = 0;
  readonly #libc: Libc;
  readonly #stats: Float64Array;
  readonly #mappings: Mapping[];
  readonly #argument: Mapping;
  readonly #timeout: Int32Array;
  readonly #minWait: Int32Array;
  readonly #sqMask: number;
  readonly #sqHeadIndex: number;
  readonly #sqTailIndex: number;
  readonly #sqFlagsIndex: number;
  readonly #cqFlagsIndex: number;
  #sqes: Int32Array;
  /** How far the kernel had taken entries when that was looked at last. */
  #headSeen: number;

  /** `stats` are the reactor's: enters are counted there. Throws WSAR_ERR_ENGINE when the kernel refuses. */
  constructor(libc: Libc, sqEntries: number, cqEntries: number, stats: Float64Array) {
    this.#libc = libc;
    this.#stats = stats;
    const params = Buffer.alloc(PARAMS_BYTES);
    const word = (offset: number): number => params.readUInt32LE(offset);
    params.writeUInt32LE(cqEntries, 4);
    params.writeUInt32LE(SETUP_FLAGS, 8);
    this.fd = libc.ioUringSetup(sqEntries, params);
    if (this.fd < 0) throw ringError('io_uring_setup', -this.fd);
    const lacking = FEATURES_NEEDED & ~word(20);
    if (lacking !== 0) {
      libc.close(this.fd);
      throw ringError(`io_uring lacks feature bits 0x${lacking.toString(16)}`, 0);
    }
    this.canGather = (word(20) & FEATURE.minTimeout) !== 0;
    this.sqEntries = word(0);
    this.cqEntries = word(4);
    this.#sqMask = this.sqEntries - 1;
    this.cqMask = this.cqEntries - 1;
    this.#sqHeadIndex = word(40) >>> 2;
    this.#sqTailIndex = word(44) >>> 2;
    this.#sqFlagsIndex = word(56) >>> 2;
    this.cqHeadIndex = word(80) >>> 2;
    this.cqTailIndex = word(84) >>> 2;
    this.cqesIndex = word(100) >>> 2;
    this.#cqFlagsIndex = word(104) >>> 2;
    const ringBytes = word(100) + this.cqEntries * CQE_WORDS * 4;
    const rings = libc.mapFd(ringBytes, this.fd, OFFSET_RINGS);
    const sqes = libc.mapFd(this.sqEntries * SQE_BYTES, this.fd, OFFSET_SQES);
    this.#argument = libc.mapMemory(4096);
    this.#mappings = [rings, sqes, this.#argument];
    this.words = new Int32Array(rings.buffer, 0, ringBytes >>> 2);
    this.#sqes = new Int32Array(sqes.buffer);
    this.#timeout = new Int32Array(this.#argument.buffer, TIMEOUT_OFFSET, 4);
    this.#minWait = new Int32Array(this.#argument.buffer, MIN_WAIT_WORD * 4, 1);
    new BigUint64Array(this.#argument.buffer)[2] = BigInt(this.#argument.address + TIMEOUT_OFFSET);
    this.tail = this.words[this.#sqTailIndex]!;
    this.#headSeen = this.words[this.#sqHeadIndex]!;
  }

  /** A table of `slots` direct descriptors, empty. Each ring's table is checked against RLIMIT_NOFILE by itself. */
  registerFiles(slots: number): void {
    const argument = Buffer.alloc(32);
    argument.writeUInt32LE(slots, 0);
    argument.writeUInt32LE(RSRC_REGISTER_SPARSE, 4);
    this.#register(REGISTER.files2, argument, 32, 'a table of direct descriptors');
  }

  /** `entries` (a power of two) buffers of group `group`, described at `address`. */
  registerBufferRing(address: number, entries: number, group: number): void {
    const argument = Buffer.alloc(40);
    argument.writeBigUInt64LE(BigInt(address), 0);
    argument.writeUInt32LE(entries, 8);
    argument.writeUInt16LE(group, 12);
    this.#register(REGISTER.bufferRing, argument, 1, 'a ring of receive buffers');
  }

  /** The kernel rings `eventFd` when this ring has work, unless `muteEvents`. */
  registerEventFd(eventFd: number): void {
    const argument = Buffer.alloc(4);
    argument.writeInt32LE(eventFd, 0);
    this.#register(REGISTER.eventFd, argument, 1, 'an eventfd');
  }

  /** Entries that wait for an enter. */
  get unsubmitted(): number {
    return (this.tail - this.words[this.#sqHeadIndex]!) | 0;
  }

  /**
   * Writes one submission entry; when the queue is full, submits it first. `head` is word 0 (opcode,
   * flags, ioprio); addresses are numbers. Returns the entry's first word, for `patch`.
   */
  push(
    head: number,
    fd: number,
    offset: number,
    address: number,
    length: number,
    opFlags: number,
    dataLow: number,
    dataHigh: number,
    fileIndex: number,
  ): number {
    // The kernel's word is read only when what was seen of it last leaves no room.
    if (((this.tail - this.#headSeen) | 0) >= this.sqEntries) this.#makeRoom();
    const sqes = this.#sqes;
    const at = (this.tail & this.#sqMask) * SQE_WORDS;
    sqes[at] = head;
    sqes[at + 1] = fd;
    sqes[at + 2] = offset;
    sqes[at + 3] = 0;
    sqes[at + 4] = address;
    sqes[at + 5] = address / 0x100000000;
    sqes[at + 6] = length;
    sqes[at + 7] = opFlags;
    sqes[at + 8] = dataLow;
    sqes[at + 9] = dataHigh;
    sqes[at + 10] = 0;
    sqes[at + 11] = fileIndex;
    sqes[at + 12] = 0;
    sqes[at + 13] = 0;
    sqes[at + 14] = 0;
    sqes[at + 15] = 0;
    this.tail = (this.tail + 1) | 0;
    return at;
  }

  /** Overwrites one word of an entry that `push` just wrote. */
  patch(entry: number, word: number, value: number): void {
    this.#sqes[entry + word] = value;
  }

  #makeRoom(): void {
    if (this.unsubmitted >= this.sqEntries) this.submit();
    this.#headSeen = this.words[this.#sqHeadIndex]!;
  }

  /** True when `count` entries fit without a submission in between (a linked chain must not be cut). */
  hasRoomFor(count: number): boolean {
    return this.unsubmitted + count <= this.sqEntries;
  }

  /** Hands the entries to the kernel without looking for completions. */
  submit(): void {
    for (let attempt = 0; this.unsubmitted > 0; attempt++) {
      this.#enter(0, 0, attempt);
    }
  }

  /**
   * Hands the entries over and runs pending work. All entries are with the kernel when it returns. `ready` of them are
   * likely to complete as they are handed over: the call waits for those, for no time, because the kernel runs as
   * many pieces of work as a call waits for, where it would stop after 20.
   */
  enter(ready = 0): void {
    const count = ready + this.#completions;
    if (count > 0) this.wait(0, count, 0);
    else this.#enter(0, ENTER_GETEVENTS, 0);
    if (this.unsubmitted > 0) this.submit();
  }

  /**
   * Hands the entries over, runs pending work, and waits up to `timeoutUs` for `count` completions. With
   * `minWaitUs` (needs `canGather`) fewer are enough when that time is over: then one that came since
   * the entries were handed over ends the wait.
   */
  wait(timeoutUs: number, count: number, minWaitUs: number): void {
    this.#timeout[0] = timeoutUs / 1_000_000;
    this.#timeout[2] = (timeoutUs % 1_000_000) * 1000;
    this.#minWait[0] = minWaitUs;
    this.#enter(count, ENTER_GETEVENTS | ENTER_EXT_ARG, 0);
    if (this.unsubmitted > 0) this.submit();
  }

  /** The kernel holds work for us that only an enter brings out. */
  get hasTaskWork(): boolean {
    return (Atomics.load(this.words, this.#sqFlagsIndex) & SQ_TASKRUN) !== 0;
  }

  /** Completions did not fit and wait in the kernel; an enter brings them. */
  get hasOverflow(): boolean {
    return (Atomics.load(this.words, this.#sqFlagsIndex) & SQ_CQ_OVERFLOW) !== 0;
  }

  /** Completions lie there that were not taken. */
  get hasCompletions(): boolean {
    return this.#completions !== 0;
  }

  get #completions(): number {
    return (Atomics.load(this.words, this.cqTailIndex) - this.words[this.cqHeadIndex]!) | 0;
  }

  muteEvents(): void {
    Atomics.store(this.words, this.#cqFlagsIndex, CQ_EVENTFD_DISABLED);
  }

  unmuteEvents(): void {
    Atomics.store(this.words, this.#cqFlagsIndex, 0);
  }

  /** Ends the ring. What is still in flight is cancelled and its sockets are closed by the kernel. */
  close(): void {
    this.words = new Int32Array(0);
    this.#sqes = this.words;
    for (const mapping of this.#mappings) mapping.unmap();
    this.#libc.close(this.fd);
  }

  #enter(minComplete: number, flags: number, attempt: number): void {
    Atomics.store(this.words, this.#sqTailIndex, this.tail);
    this.#stats[REACTOR_STAT.enters]!++;
    const withArgument = (flags & ENTER_EXT_ARG) !== 0;
    const result = this.#libc.ioUringEnter(
      this.fd,
      this.unsubmitted,
      minComplete,
      flags,
      withArgument ? this.#argument.address : 0,
      withArgument ? GETEVENTS_ARG_BYTES : 0,
    );
    if (this.unsubmitted === 0) this.quietSends = this.quietOthers = 0;
    if (result >= 0 || result === -ETIME || result === -EINTR) return;
    const isPassing = result === -EBUSY || result === -EAGAIN || result === -ENOMEM;
    if (!isPassing || attempt >= ENTER_RETRIES_MAX) throw ringError('io_uring_enter', -result);
  }

  #register(opcode: number, argument: Buffer, count: number, what: string): void {
    const result = this.#libc.ioUringRegister(this.fd, opcode, argument, count);
    if (result < 0) throw ringError(`io_uring_register of ${what}`, -result);
  }
}

/** `what` failed: the error that says why this host cannot run the engine. */
export function ringError(what: string, errno: number): WsarError {
  assert(errno >= 0, 'an errno is positive');
  return new WsarError(
    'WSAR_ERR_ENGINE',
    errno === 0 ? what : `${what} failed with ${nameErrno(errno)}`,
    'Use engine net, or see `wsar doctor` for what this host lacks.',
  );
}

function nameErrno(errno: number): string {
  return `${getSystemErrorName(-errno)} (errno ${errno})`;
}
