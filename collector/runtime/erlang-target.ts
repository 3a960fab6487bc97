// Which Erlang node is looked at, and the cookie that opens it, from the command line.

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ErlangTarget } from '#collector/runtime/erlang-probe.ts';
import { WsarError } from '#core/errors.ts';

const PORT_MAX = 65_535;

type ErlangNode = Pick<ErlangTarget, 'node' | 'port'>;

/** `name@host` or `name@host:port`. */
export function parseErlangNode(text: string): ErlangNode {
  const found = /^([\w-]+@[\w.-]+)(?::(\d+))?$/.exec(text);
  const port = found?.[2] === undefined ? undefined : Number(found[2]);
  if (found !== null && (port ?? 1) > 0 && (port ?? 1) <= PORT_MAX)
    return { node: found[1]!, port };
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--erlang ${text} names no node`,
    'give NAME@HOST as the node calls itself, such as ejabberd@localhost',
  );
}

/** The node and its cookie; undefined when none was asked for. Throws WSAR_ERR_USAGE without a cookie. */
export function erlangTarget(options: Readonly<Record<string, unknown>>): ErlangTarget | undefined {
  const asked = options['erlang'] as ErlangNode | undefined;
  if (asked === undefined) {
    if (options['erlangCookieFile'] === undefined) return undefined;
    throw new WsarError(
      'WSAR_ERR_USAGE',
      '--erlang-cookie-file is a detail of --erlang',
      'give both',
    );
  }
  const file =
    (options['erlangCookieFile'] as string | undefined) ?? join(homedir(), '.erlang.cookie');
  try {
    const cookie = readFileSync(file, 'latin1').trim();
    if (!/^[\x21-\x7e]{1,255}$/.test(cookie)) throw new Error('it holds no cookie');
    return { ...asked, cookie };
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `the cookie of --erlang cannot be read from ${file}`,
      'name the file .erlang.cookie of the user that runs the node with --erlang-cookie-file',
      error,
    );
  }
}
