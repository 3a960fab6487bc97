// What homes tell each other of messages to groups: a direct call when both are this worker, else a frame.

import { copyBytes } from '#core/wire/mqtt/encode.ts';
import type { GroupDesk } from '#reference-server/home/group-desk.ts';
import { FRAME_ARGS, type LinkOut, payloadAt } from '#reference-server/link/link-ring.ts';
import { FRAME } from '#reference-server/worker/frame-type.ts';

/** What a frame with a message says beside it: QoS, whether its body begins with properties, bytes of the topic. */
export const GROUP_MESSAGE = { qosMask: 3, hasProperties: 4, topicShift: 3 } as const;

export interface GroupExchangeOptions {
  linkTo: (home: number) => LinkOut | undefined;
  /** False, and counted, when a worker is so far behind that it gets no more messages. */
  hasRoom: (home: number) => boolean;
  begin: (
    link: LinkOut,
    type: number,
    first: number,
    second: number,
    payloadBytes: number,
  ) => number;
  desk: () => GroupDesk;
}

export class GroupExchange {
  readonly #options: GroupExchangeOptions;

  constructor(options: GroupExchangeOptions) {
    this.#options = options;
  }

  /** A message for the members at another worker; false, and counted, when that is too far behind. */
  message(
    home: number,
    entry: number,
    generation: number,
    what: number,
    bytes: Uint8Array,
    topicStart: number,
    topicEnd: number,
    start: number,
    end: number,
  ): boolean {
    const { linkTo, hasRoom, begin } = this.#options;
    const link = linkTo(home);
    if (link === undefined || !hasRoom(home)) return false;
    const topicBytes = topicEnd - topicStart;
    const size = topicBytes + end - start;
    const frame = begin(link, FRAME.groupMessage, entry, generation, size);
    link.words[frame + FRAME_ARGS + 2] = what | (topicBytes << GROUP_MESSAGE.topicShift);
    const at = copyBytes(link.bytes, payloadAt(frame), bytes, topicStart, topicEnd);
    copyBytes(link.bytes, at, bytes, start, end);
    return true;
  }

  /** So many copies are stored and refused here; [start, end) names the latter. */
  stored(
    home: number,
    entry: number,
    generation: number,
    stored: number,
    refused: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { linkTo, begin, desk } = this.#options;
    const link = linkTo(home);
    if (link === undefined) {
      desk().stored(entry, generation, stored, refused, bytes, start, end);
      return;
    }
    const frame = begin(link, FRAME.groupStored, entry, generation, end - start);
    link.words[frame + FRAME_ARGS + 2] = stored;
    link.words[frame + FRAME_ARGS + 3] = refused;
    copyBytes(link.bytes, payloadAt(frame), bytes, start, end);
  }

  /** A member has accepted its copy. */
  accepted(home: number, entry: number, generation: number): void {
    const { linkTo, begin, desk } = this.#options;
    const link = linkTo(home);
    if (link === undefined) desk().accepted(entry, generation);
    else begin(link, FRAME.groupAccepted, entry, generation, 0);
  }

  /** A member's copy was put aside; [start, end) names the member. */
  parked(
    home: number,
    entry: number,
    generation: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { linkTo, begin, desk } = this.#options;
    const link = linkTo(home);
    if (link === undefined) {
      desk().parked(entry, generation, bytes, start, end);
      return;
    }
    const frame = begin(link, FRAME.groupParked, entry, generation, end - start);
    copyBytes(link.bytes, payloadAt(frame), bytes, start, end);
  }

  /** A frame of the home `from`. */
  receive(
    from: number,
    type: number,
    words: Int32Array,
    bytes: Uint8Array,
    args: number,
    start: number,
    end: number,
  ): void {
    const desk = this.#options.desk();
    const entry = words[args]!;
    const generation = words[args + 1]! >>> 0;
    const third = words[args + 2]!;
    if (type === FRAME.groupMessage) {
      const what = third & ((1 << GROUP_MESSAGE.topicShift) - 1);
      const topicEnd = start + (third >>> GROUP_MESSAGE.topicShift);
      desk.arrived(from, -1, entry, generation, what, bytes, start, topicEnd, topicEnd, end);
    } else if (type === FRAME.groupStored) {
      desk.stored(entry, generation, third, words[args + 3]!, bytes, start, end);
    } else if (type === FRAME.groupAccepted) desk.accepted(entry, generation);
    else desk.parked(entry, generation, bytes, start, end);
  }
}
