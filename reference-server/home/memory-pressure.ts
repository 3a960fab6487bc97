// Whether new messages are refused for want of memory: while those that wait take 60 % of the worker's budget
// (`--memory`), until it is 50 %, and while the host has too little (memory/memory-guard.ts). Each question that is
// answered with yes is a message refused, and counted.

import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';

/** Parts of the budget at which messages are refused, and are taken again. */
const HIGH = 0.6;
const LOW = 0.5;

export class MemoryPressure {
  /** The memory of the host is short. */
  isHostShort = false;
  /** The last answer. */
  wasPressed = false;
  readonly #budgetBytes: number;
  readonly #used: () => number;
  #isOver = false;
  readonly #stats: WorkerStats;

  /** `budgetBytes` 0 = no budget; `used`: bytes of messages that wait. */
  constructor(budgetBytes: number, used: () => number, stats: WorkerStats) {
    this.#budgetBytes = budgetBytes;
    this.#used = used;
    this.#stats = stats;
  }

  refuses(): boolean {
    this.wasPressed = this.#isOverBudget() || this.isHostShort;
    if (this.wasPressed) this.#stats[STAT.memoryRefused]!++;
    return this.wasPressed;
  }

  #isOverBudget(): boolean {
    if (this.#budgetBytes === 0) return false;
    this.#isOver = this.#used() >= this.#budgetBytes * (this.#isOver ? LOW : HIGH);
    return this.#isOver;
  }
}
