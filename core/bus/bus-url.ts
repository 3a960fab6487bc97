// Reads the address of a bus. The user and the token are taken out of it, so that what is left can be
// shown to people.

import { WsarError } from '#core/errors.ts';

export interface BusAddress {
  /** The url without user and token. */
  bare: string;
  username: string;
  /** undefined when the url has none. */
  password: string | undefined;
}

const PROTOCOLS = ['mqtt:', 'mqtts:', 'ws:', 'wss:'];

/** @throws WsarError WSAR_ERR_USAGE, without showing the token, when it is not such a url. */
export function parseBusUrl(text: string): BusAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !PROTOCOLS.includes(url.protocol) || url.hostname === '') {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      'the address of the bus is not a url of the form mqtt://user:token@host:port',
      'correct WSAR_BUS_URL, or the file that holds the url',
    );
  }
  const username = decodeURIComponent(url.username);
  const password = url.password === '' ? undefined : decodeURIComponent(url.password);
  url.username = '';
  url.password = '';
  return { bare: url.href, username, password };
}
