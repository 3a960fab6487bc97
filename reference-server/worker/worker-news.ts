// What the main thread tells a worker while its reactor runs: news on a port of its own, read when it is woken, and
// what the worker answers. At most one piece of figures is on its way to a worker: one that has not read the last is
// left alone, because a worker that is behind has better things to do ($SYS is the first thing that is shed).

import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { assert } from '#core/assert.ts';
import { WsarError } from '#core/errors.ts';
import type { AclRules } from '#reference-server/access/acl.ts';
import type { SnapshotChunk } from '#reference-server/snapshot/snapshot-frames.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';

export type News =
  /** Topics under $SYS/ and their new texts. */
  | { kind: 'system'; topics: [string, string][] }
  /** Where users shall go; see edge/departures.ts. */
  | { kind: 'reference'; reference: string }
  /** The file of topics was read again. */
  | { kind: 'acl'; acl: AclRules | undefined; listenerAcls: (AclRules | undefined)[] }
  /** The first records of a snapshot are wanted, or those that follow. */
  | { kind: 'capture'; isFirst: boolean }
  /** No more of them: the snapshot was given up. */
  | { kind: 'release' }
  /** After the reactor has ended: take in what other workers have sent. */
  | { kind: 'settle' }
  /** After that: the worker may go. */
  | { kind: 'end' };

export type FromNews =
  /** undefined: there is no more. */
  | { kind: 'captured'; chunk: SnapshotChunk | undefined }
  | { kind: 'stopped' }
  | { kind: 'settled'; isQuiet: boolean };

/** The main thread's end. */
export class NewsDesk {
  /** To be transferred to the worker. */
  readonly workerPort: MessagePort;
  readonly #port: MessagePort;
  readonly #stats: WorkerStats;
  readonly #answers: FromNews[] = [];
  #isHeard: (() => void) | undefined;
  /** By us, or because the worker has ended. */
  #isClosed = false;
  #told = 0;

  constructor(stats: WorkerStats) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#port.on('message', (answer: FromNews) => {
      this.#answers.push(answer);
      this.#isHeard?.();
    });
    this.#port.on('close', () => {
      this.#isClosed = true;
      this.#isHeard?.();
    });
    this.#port.unref();
    this.workerPort = port2;
    this.#stats = stats;
  }

  /** The worker has read all that it was told. */
  get isUpToDate(): boolean {
    return this.#stats[STAT.newsRead]! >= this.#told;
  }

  /** The caller wakes the worker afterwards. */
  tell(news: News): void {
    this.#told++;
    this.#port.postMessage(news);
  }

  /** The worker's next answer, which is of this kind. Throws WSAR_ERR_SYSTEM when it has ended without one. */
  async hear<K extends FromNews['kind']>(kind: K): Promise<Extract<FromNews, { kind: K }>> {
    while (this.#answers.length === 0) {
      if (this.#isClosed) throw workerEnded();
      await new Promise<void>((resolve) => {
        this.#isHeard = resolve;
      });
    }
    const answer = this.#answers.shift()!;
    assert(answer.kind === kind, `a worker answers '${kind}' now`);
    return answer as Extract<FromNews, { kind: K }>;
  }

  close(): void {
    this.#port.close();
  }
}

function workerEnded(): WsarError {
  return new WsarError(
    'WSAR_ERR_SYSTEM',
    'a worker ended before it had handed over what a snapshot needs of it',
    'the older snapshot stays; what the worker said before it ended tells why',
  );
}

/** The worker's end: calls `read` for each piece that came. */
export function readNews(port: MessagePort, stats: WorkerStats, read: (news: News) => void): void {
  for (let at = receiveMessageOnPort(port); at; at = receiveMessageOnPort(port)) {
    read(at.message as News);
    stats[STAT.newsRead]!++;
  }
}
