// The embedded store as a whole: folder, lock, token, endpoint, engine, in the order in which they must
// come and go.
//
//   <folder>/lock.json   the process that has it open
//   <folder>/url         http://user:token@127.0.0.1:port, mode 0600; the token is kept over restarts
//   <folder>/engine/     the data, chDB's own

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WsarError } from '#core/errors.ts';
import { lockFolder } from '#core/host/folder-lock.ts';
import { makeFolder } from '#core/host/make-folder.ts';
import { writeWhole } from '#core/host/whole-file.ts';
import { startEndpoint } from '#core/store/embedded/endpoint.ts';
import { openEngine } from '#core/store/embedded/engine.ts';
import type { Credentials } from '#core/store/embedded/http-request.ts';
import { parseStoreUrl } from '#core/store/store-url.ts';

export interface EmbeddedStoreOptions {
  folder: string;
  /** 0 for any free one. */
  port?: number;
  /** When neither `port` nor `givenUrl` tells one. */
  portByDefault: number;
  /** WSAR_CLICKHOUSE_URL: when it names this machine, its user, token and port are ours. */
  givenUrl: string | undefined;
}

export interface EmbeddedStore {
  port: number;
  /** File of mode 0600 that holds the url with its token. */
  urlFile: string;
  /** Finishes what is asked, closes the data and frees port and folder. */
  close(): Promise<void>;
}

const USER = 'wsar';

/**
 * Opens the store of a folder and serves it on 127.0.0.1.
 * @throws WsarError WSAR_ERR_PART_MISSING without chDB, WSAR_ERR_PORT_IN_USE, WSAR_ERR_SYSTEM when another
 * process has the folder open or it cannot be written.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const { folder } = options;
  makeStoreFolder(folder);
  const lock = lockFolder(folder, 'store');
  const urlFile = join(folder, 'url');
  try {
    const given = givenAccess(options.givenUrl);
    const credentials = given?.credentials ?? { user: USER, password: keptToken(urlFile) };
    const port = options.port ?? given?.port ?? options.portByDefault;
    // The port first: a taken one is told before the engine costs its half second.
    const endpoint = await startEndpoint(port, credentials);
    try {
      const engine = await openEngine(join(folder, 'engine'));
      endpoint.attach(engine);
      writeUrl(urlFile, credentials, endpoint.port);
      return {
        port: endpoint.port,
        urlFile,
        async close() {
          await endpoint.close();
          await engine.close();
          lock.release();
        },
      };
    } catch (error) {
      await endpoint.close();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

function makeStoreFolder(folder: string): void {
  try {
    makeFolder(folder);
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_SYSTEM',
      `the folder of the store cannot be made: ${(error as Error).message}`,
      'choose one that you may write with --folder',
      error,
    );
  }
}

/** User, token and port of a url that names this machine; a url of another machine is not about us. */
function givenAccess(
  url: string | undefined,
): { credentials: Credentials; port: number | undefined } | undefined {
  if (url === undefined) return undefined;
  const { bare, username, password } = parseStoreUrl(url);
  const { hostname, port } = new URL(bare);
  const isHere = hostname === '127.0.0.1' || hostname === 'localhost';
  if (!isHere || password === '') return undefined;
  return {
    credentials: { user: username, password },
    port: port === '' ? undefined : Number(port),
  };
}

/** The token of the last time, so that a stored url stays right; else a new one. */
function keptToken(urlFile: string): string {
  try {
    const { password } = parseStoreUrl(readFileSync(urlFile, 'utf8').trim());
    if (password !== '') return password;
  } catch {
    // No file yet, or not one of ours: a new token.
  }
  return randomBytes(24).toString('hex');
}

function writeUrl(file: string, { user, password }: Credentials, port: number): void {
  const url = `http://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}`;
  try {
    writeWhole(file, `${url}\n`);
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_SYSTEM',
      `the store cannot write ${file}: ${(error as Error).message}`,
      'make room or rights there, or choose another folder with --folder',
      error,
    );
  }
}
