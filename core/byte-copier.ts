// Copies short runs of bytes between the same few arrays again and again, eight bytes a step. A loop over single
// bytes takes four times as long, and TypedArray.set wants a view of the source, an object, at every call: for
// 64 bytes 20 ns beside 80 ns and 33 ns (Node 24), which a message pays three times.
//
// A copier remembers DataViews of the last two sources and targets: have one for each place that copies.
// Arrays that it does not remember cost an object; those that stay cost none.

/** From here on TypedArray.set, whose cost is its call, is the shorter way. */
const STEPS_BYTES_MAX = 256;
/** Below this the look at both arrays is not worth it. */
const LOOP_BYTES_MAX = 24;
const STEP_BYTES = 8;
/**
 * V8 keeps the bytes of typed arrays up to this length on its heap (typed_array_max_size_in_heap) and moves them
 * off it, by malloc, when somebody asks for their buffer: dearer than any copy of them.
 */
const ON_HEAP_BYTES_MAX = 64;

export class ByteCopier {
  readonly #sources = new RecentViews();
  readonly #targets = new RecentViews();

  /** Copies [start, end) of `source` to `at` of `target`, which do not overlap; returns the new end. */
  copy(target: Uint8Array, at: number, source: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (length > STEPS_BYTES_MAX) {
      target.set(source.subarray(start, end), at);
      return at + length;
    }
    let done = 0;
    if (length >= LOOP_BYTES_MAX && source.length > ON_HEAP_BYTES_MAX) {
      const from = this.#sources.of(source);
      const to = this.#targets.of(target);
      // 64 bits as they are: the compiler makes no BigInt of what is only moved.
      for (; done + STEP_BYTES <= length; done += STEP_BYTES) {
        to.setBigInt64(at + done, from.getBigInt64(start + done));
      }
    }
    for (; done < length; done++) target[at + done] = source[start + done]!;
    return at + length;
  }
}

/** [start, end) as bytes of its own: of a Buffer `slice` is none, and what is kept changes with the next receive. */
export function copied(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end));
}

/** Views of the two arrays that were asked for last. */
class RecentViews {
  #bytes: Uint8Array = new Uint8Array(0);
  #view = viewOf(this.#bytes);
  #otherBytes = this.#bytes;
  #otherView = this.#view;

  of(bytes: Uint8Array): DataView {
    if (bytes !== this.#bytes) this.#turnTo(bytes);
    return this.#view;
  }

  #turnTo(bytes: Uint8Array): void {
    const view = bytes === this.#otherBytes ? this.#otherView : viewOf(bytes);
    this.#otherBytes = this.#bytes;
    this.#otherView = this.#view;
    this.#bytes = bytes;
    this.#view = view;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
