// The words of --tcp: what the TCP of engine stack offers its peers and does by itself, like
// 'sack off timestamps on keepalive 60s'. What is not said is as usual.

import { parseDurationMs } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { KEEP_ALIVE_S_MAX } from '#core/socket/stack/silence-watch.ts';
import type { TcpKeepAlive, TcpKnobs } from '#core/socket/stack/tcp-knobs.ts';

/** As Linux: net.ipv4.tcp_keepalive_intvl and tcp_keepalive_probes. */
const INTERVAL_S = 75;
const QUESTIONS_MAX = 9;
const SWITCHES = ['sack', 'scaling', 'timestamps'] as const;

/** Throws WSAR_ERR_USAGE or WSAR_ERR_QUANTITY for what is no such text. */
export function parseTcpWords(text: string): Partial<TcpKnobs> {
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (words.length === 0 || words.length % 2 === 1) {
    throw usage(`'${text}' is no list of words with their values`);
  }
  const knobs: Partial<TcpKnobs> = {};
  for (let at = 0; at < words.length; at += 2) {
    const [word, value] = [words[at]!, words[at + 1]!];
    const name = SWITCHES.find((one) => one === word);
    if (name !== undefined) knobs[name] = parseSwitch(word, value);
    else if (word === 'keepalive') knobs.keepAlive = parseKeepAlive(value);
    else throw usage(`'${word}' is nothing that the TCP of engine stack has`);
  }
  return knobs;
}

function parseSwitch(word: string, value: string): boolean {
  if (value !== 'on' && value !== 'off') throw usage(`${word} is 'on' or 'off', not '${value}'`);
  return value === 'on';
}

/** Silence before the first question; the next ones come as soon, at most Linux's 75 s apart. */
function parseKeepAlive(text: string): TcpKeepAlive {
  const idleS = Math.round(parseDurationMs(text) / 1000);
  if (idleS < 1 || idleS > KEEP_ALIVE_S_MAX) {
    throw usage(`keepalive is 1 s to ${KEEP_ALIVE_S_MAX / 3600} h, not ${text}`);
  }
  return { idleS, intervalS: Math.min(idleS, INTERVAL_S), questionsMax: QUESTIONS_MAX };
}

function usage(message: string): WsarError {
  return new WsarError(
    'WSAR_ERR_USAGE',
    message,
    "write it like 'timestamps on keepalive 60s'; there are sack, scaling, timestamps, keepalive",
  );
}
