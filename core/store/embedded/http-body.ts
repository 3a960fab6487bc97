// Reads the body of a request: bounded and unpacked.

import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, type ZlibOptions } from 'node:zlib';
import { type DbException, dbException } from '#core/store/exception.ts';

type Unpack = (packed: Buffer, options: ZlibOptions) => Promise<Buffer>;

const UNPACK: Record<string, Unpack> = {
  gzip: promisify(gunzip) as Unpack,
  deflate: promisify(inflate) as Unpack,
  br: promisify(brotliDecompress) as Unpack,
};

export interface BodyBudget {
  /** Bytes of one body, packed and unpacked. */
  readonly bodyBytesMax: number;
  /** Bytes of all bodies that are being read or worked on. */
  readonly allBytesMax: number;
  /** Bytes in use now. */
  usedBytes: number;
}

/**
 * Reads the whole body. Its bytes count in the budget until `done` is called.
 * @throws DbException when it is too large or cannot be unpacked.
 */
export async function readBody(
  request: IncomingMessage,
  budget: BodyBudget,
): Promise<{ bytes: Buffer; done: () => void }> {
  let held = 0;
  const hold = (bytes: number): void => {
    held += bytes;
    budget.usedBytes += bytes;
    if (held > budget.bodyBytesMax) throw tooLarge(budget.bodyBytesMax);
    if (budget.usedBytes > budget.allBytesMax) throw overloaded();
  };
  const done = (): void => {
    budget.usedBytes -= held;
    held = 0;
  };
  try {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) {
      hold(part.length);
      parts.push(part);
    }
    const body = Buffer.concat(parts);
    const plain = await unpack(body, request.headers['content-encoding'] ?? '', budget);
    if (plain !== body) hold(plain.length);
    return { bytes: plain, done };
  } catch (error) {
    done();
    throw error;
  }
}

async function unpack(body: Buffer, encoding: string, budget: BodyBudget): Promise<Buffer> {
  const name = encoding.trim().toLowerCase();
  if (name === '' || name === 'identity') return body;
  const unpackOne = UNPACK[name];
  if (unpackOne === undefined) {
    throw dbException(
      'UNKNOWN_COMPRESSION_METHOD',
      `Unknown content encoding ${JSON.stringify(encoding)}; gzip, deflate and br are known`,
    );
  }
  try {
    return await unpackOne(body, { maxOutputLength: budget.bodyBytesMax });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw tooLarge(budget.bodyBytesMax);
    }
    throw dbException('CANNOT_DECOMPRESS', `The body is not ${name}: ${(error as Error).message}`);
  }
}

function tooLarge(bytesMax: number): DbException {
  return dbException(
    'QUERY_IS_TOO_LARGE',
    `The body is larger than ${bytesMax} bytes; send it in parts`,
  );
}

function overloaded(): DbException {
  return dbException('TOO_MANY_SIMULTANEOUS_QUERIES', 'Too many large requests at once; try again');
}
