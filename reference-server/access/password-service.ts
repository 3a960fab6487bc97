// Answers the workers' questions about passwords, on the main thread: hashing takes threads of the pool
// and no reactor waits for it. A worker asks over a port of its own, reads the answers when it is woken,
// and asks no more than `QUESTIONS_MAX` at a time. A client that has left by the time its turn comes is not
// looked at: else a crowd that asks and leaves would have those who stay wait behind it.

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Waker } from '#core/socket/reactor.ts';
import { wake } from '#core/socket/waker.ts';
import type { PasswordFile } from '#reference-server/access/password-file.ts';

/** Hashes at a time: the pool has four threads, and files are read there too. */
const HASHES_MAX = 3;

/** Questions of one worker that wait for an answer; a login beyond them is told to come again. */
export const QUESTIONS_MAX = 1024;

/** The first message of a worker: the generation of each of its connections, which changes when a client leaves. */
export interface PasswordGreeting {
  generations: Uint32Array<SharedArrayBuffer>;
}

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

interface Asker {
  port: MessagePort;
  waker: Waker;
  generations: Uint32Array<SharedArrayBuffer> | undefined;
}

export class PasswordService {
  readonly #file: PasswordFile;
  readonly #ports: MessagePort[] = [];
  /** Bounded by `QUESTIONS_MAX` of each worker. */
  readonly #waiting: { asker: Asker; question: PasswordQuestion }[] = [];
  #hashes = 0;

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
      const asker: Asker = { port, waker: wakers[index]!, generations: undefined };
      port.on('message', (message: PasswordGreeting | PasswordQuestion) => {
        if ('generations' in message) {
          asker.generations = message.generations;
          return;
        }
        this.#waiting.push({ asker, question: message });
        this.#work();
      });
      port.unref();
    }
  }

  close(): void {
    for (const port of this.#ports) port.close();
  }

  #work(): void {
    while (this.#hashes < HASHES_MAX && this.#waiting.length > 0) {
      const { asker, question } = this.#waiting.shift()!;
      const { conn, generation } = question;
      const { generations } = asker;
      if (generations !== undefined && Atomics.load(generations, conn) !== generation) {
        this.#tell(asker, question, false);
      } else {
        this.#hashes++;
        void this.#hash(asker, question);
      }
    }
  }

  async #hash(asker: Asker, question: PasswordQuestion): Promise<void> {
    const isRight = await this.#file.isRight(question.userName, question.password);
    this.#hashes--;
    this.#tell(asker, question, isRight);
    this.#work();
  }

  #tell({ port, waker }: Asker, { conn, generation }: PasswordQuestion, isRight: boolean): void {
    port.postMessage({ conn, generation, isRight } satisfies PasswordAnswer);
    wake(waker);
  }
}
