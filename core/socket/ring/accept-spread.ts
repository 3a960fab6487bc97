// Which of the threads that listen on one port (SO_REUSEPORT) gets a new connection: as the kernel spreads them, by the
// addresses, or at random among the first few, by a program of classic BPF (three instructions) that the kernel runs
// for each SYN (socket(7), SO_ATTACH_REUSEPORT_CBPF). Threads count in the order in which they listened. It is one
// program for the port, whichever socket it is attached to, and is replaced while connections come.
//
//   sock_filter (8 bytes): code u16, jump if true u8, jump if false u8, operand u32
//   sock_fprog (16 bytes): instructions u16, 6 bytes nothing, address u64

import type { Libc } from '#core/socket/ring/libc.ts';
import {
  SO_ATTACH_REUSEPORT_CBPF,
  SO_DETACH_REUSEPORT_BPF,
  SOL_SOCKET,
} from '#core/socket/ring/uapi.ts';

/** A = a random number: ld [SKF_AD_OFF + SKF_AD_RANDOM], linux/filter.h. */
const LOAD_RANDOM = { code: 0x20, operand: 0xffff_f000 + 56 };
/** A = A mod operand. */
const MODULO = 0x94;
/** Returns A. */
const RETURN = 0x16;
const FILTER_BYTES = 8;
const PROGRAM_BYTES = 16;

/** Returns 0 or -errno: a socket that listens alone has no program. `threads` 0 = as the kernel does. */
export function spreadAccepts(libc: Libc, fd: number, threads: number): number {
  if (threads === 0) {
    const result = libc.setSocketOption(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
    // There was none.
    return result === -2 ? 0 : result;
  }
  const instructions = libc.mapMemory(3 * FILTER_BYTES);
  try {
    const filter = new DataView(instructions.buffer);
    [LOAD_RANDOM, { code: MODULO, operand: threads }, { code: RETURN, operand: 0 }].forEach(
      ({ code, operand }, index) => {
        filter.setUint16(index * FILTER_BYTES, code, true);
        filter.setUint32(index * FILTER_BYTES + 4, operand, true);
      },
    );
    const program = new DataView(new ArrayBuffer(PROGRAM_BYTES));
    program.setUint16(0, 3, true);
    program.setBigUint64(8, BigInt(instructions.address), true);
    const bytes = new Uint8Array(program.buffer);
    return libc.setSocketOptionBytes(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, bytes);
  } finally {
    instructions.unmap();
  }
}
