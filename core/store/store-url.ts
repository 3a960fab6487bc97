// Reads the address of the history store. User and token are taken out, so that what is left can be
// shown to people.

import { WsarError } from '#core/errors.ts';

export interface StoreAddress {
  /** http://host:port without user, token and database. */
  bare: string;
  username: string;
  password: string;
  /** From the path of the url; DEFAULT_DATABASE when it has none. */
  database: string;
}

export const DEFAULT_DATABASE = 'wsar';

/** @throws WsarError WSAR_ERR_USAGE, without showing the token, when it is not such a url. */
export function parseStoreUrl(text: string): StoreAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  const database = decodeURIComponent(url?.pathname.slice(1) ?? '') || DEFAULT_DATABASE;
  if (url === undefined || !isHttp || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(database)) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      'the address of the store is not a url of the form http://user:token@host:port[/database]',
      'correct WSAR_CLICKHOUSE_URL or leave it out',
    );
  }
  return {
    bare: url.origin,
    username: decodeURIComponent(url.username) || 'default',
    password: decodeURIComponent(url.password),
    database,
  };
}
