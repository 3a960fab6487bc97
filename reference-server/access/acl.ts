// Who may read and write which topics, in the format of mosquitto's acl_file:
//
//   topic [read|write|readwrite|deny] <filter>     before the first `user`: of clients without a user name
//   user <name>                                    of that user, until the next one
//   pattern [read|write|readwrite|deny] <filter>   of everybody; %u is the user name, %c the client id
//
// What no line allows is denied, and `deny` beats what allows. A pattern is not for a client whose name (or id) has
// a wildcard or a '/' in it: it would name more than its own topics. As with mosquitto a subscription is always
// granted; what its user may not read is not delivered. The rules are plain data, because they travel to threads.

import { WsarError } from '#core/errors.ts';
import { readTextFile } from '#reference-server/access/text-file.ts';
import { isMatch } from '#reference-server/broker/topic-tree.ts';

const ACCESS = ['read', 'write', 'readwrite', 'deny'] as const;
type AclAccess = (typeof ACCESS)[number];

export interface AclLine {
  access: AclAccess;
  filter: string;
}

export interface AclRules {
  anonymous: AclLine[];
  users: Map<string, AclLine[]>;
  patterns: AclLine[];
}

const BYTES_MAX = 16 * 1024 * 1024;

/** Throws WSAR_ERR_FILE with the line. */
export function readAclFile(file: string): AclRules {
  const text = readTextFile(file);
  if (text.length > BYTES_MAX) {
    throw new WsarError('WSAR_ERR_FILE', `${file} is larger than 16 MiB`, 'use patterns');
  }
  return parseAcl(text, file);
}

/** `name` stands in what is thrown: WSAR_ERR_FILE. */
export function parseAcl(text: string, name: string): AclRules {
  const rules: AclRules = { anonymous: [], users: new Map(), patterns: [] };
  let lines = rules.anonymous;
  text.split('\n').forEach((line, index) => {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return;
    const [key, value] = cut(trimmed);
    const refuse = (what: string, remedy: string): never => {
      throw new WsarError('WSAR_ERR_FILE', `${name}, line ${index + 1}: ${what}`, remedy);
    };
    if (value === '') refuse(`${key} has no value`, 'write it behind the key');
    if (key === 'user') {
      lines = rules.users.get(value) ?? [];
      rules.users.set(value, lines);
    } else if (key === 'topic') lines.push(aclLine(value, refuse));
    else if (key === 'pattern') rules.patterns.push(aclLine(value, refuse));
    else refuse(`${key} is not known`, 'write user, topic or pattern');
  });
  return rules;
}

/** Whether a client may read or write a topic. */
export function isAllowed(
  rules: AclRules,
  wanted: 'read' | 'write',
  userName: string | undefined,
  clientId: string,
  topic: string,
): boolean {
  const own = userName === undefined ? rules.anonymous : (rules.users.get(userName) ?? []);
  let allowed = false;
  for (const { access, filter } of own) {
    if (!isMatch(filter, topic)) continue;
    if (access === 'deny') return false;
    allowed ||= access === 'readwrite' || access === wanted;
  }
  for (const { access, filter } of rules.patterns) {
    const bare = filled(filter, userName, clientId);
    if (bare === undefined || !isMatch(bare, topic)) continue;
    if (access === 'deny') return false;
    allowed ||= access === 'readwrite' || access === wanted;
  }
  return allowed;
}

/** The first word, and the rest, which may have spaces in it. */
function cut(text: string): [string, string] {
  const at = text.search(/\s/);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at).trim()];
}

function aclLine(value: string, refuse: (what: string, remedy: string) => never): AclLine {
  const [word, rest] = cut(value);
  const access = ACCESS.find((one) => one === word);
  const filter = access === undefined || rest === '' ? value : rest;
  const levels = filter.split('/');
  const isSound = levels.every(
    (level, at) =>
      level === '+' || (level === '#' && at === levels.length - 1) || !/[+#]/.test(level),
  );
  if (!isSound) refuse(`${filter} is no topic filter`, "write '+' for a level, '#' at the end");
  return { access: access !== undefined && rest !== '' ? access : 'readwrite', filter };
}

/** The filter for one client; undefined when the pattern is not for it. */
function filled(
  filter: string,
  userName: string | undefined,
  clientId: string,
): string | undefined {
  let bare = filter;
  for (const [mark, value] of [
    ['%u', userName],
    ['%c', clientId],
  ] as const) {
    if (!bare.includes(mark)) continue;
    if (value === undefined || /[+#/]/.test(value)) return undefined;
    bare = bare.replaceAll(mark, () => value);
  }
  return bare;
}
