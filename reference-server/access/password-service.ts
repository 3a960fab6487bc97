// Answers the workers' questions about passwords, on the main thread: hashing takes threads of the pool
// and no reactor waits for it. A worker asks over a port of its own, reads the answers when it is woken,
// and asks no more than `QUESTIONS_MAX` at a time.

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Waker } from '#core/socket/reactor.ts';
import { wake } from '#core/socket/waker.ts';
import type { PasswordFile } from '#reference-server/access/password-file.ts';

/** Questions of one worker that wait for an answer; a login beyond them is told to come again. */
export const QUESTIONS_MAX = 1024;

export interface PasswordQuestion {
  /** Whose login: the connection's number and generation. */
  conn: number;
  generation: number;
  userName: string;
  password: Uint8Array;
}

export interface PasswordAnswer {
  conn: number;
  generation: number;
  isRight: boolean;
}

export class PasswordService {
  readonly #file: PasswordFile;
  readonly #ports: MessagePort[] = [];

  constructor(file: PasswordFile) {
    this.#file = file;
  }

  /** A port for one more worker, to be transferred to it. */
  addWorker(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#ports.push(port1);
    return port2;
  }

  /** Answers from now on; the wakers are in the order of `addWorker`. */
  serve(wakers: readonly Waker[]): void {
    for (const [index, port] of this.#ports.entries()) {
      const waker = wakers[index]!;
      port.on('message', (question: PasswordQuestion) => void this.#answer(port, waker, question));
      port.unref();
    }
  }

  close(): void {
    for (const port of this.#ports) port.close();
  }

  async #answer(port: MessagePort, waker: Waker, question: PasswordQuestion): Promise<void> {
    const { conn, generation, userName, password } = question;
    const isRight = await this.#file.isRight(userName, password);
    port.postMessage({ conn, generation, isRight } satisfies PasswordAnswer);
    wake(waker);
  }
}
