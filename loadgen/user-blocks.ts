// Users come in blocks of neighbours: the users of one host of the seed's thirty, or of one country. A block
// can be cut off and stay away (knob load.block.down), or be cut off once (--storm 'block 3@10s'). With
// --virtual-hosts 30 or 30 agents a block is exactly one of them. Pure.

/** As many hosts as made the first million of connections. */
export const BLOCKS = 30;

/** Number of a user's block, from 1 on. */
export function blockOf(user: number, users: number): number {
  // As shareOfUsers divides them: user u is in block b when floor(users (b - 1) / BLOCKS) <= u.
  const near = Math.floor(((user + 1) * BLOCKS) / users);
  for (let block = Math.min(BLOCKS, near + 1); ; block--) {
    if (Math.floor((users * (block - 1)) / BLOCKS) <= user) return block;
  }
}
