// The options of `wsar serve` that say who may log in, and the rules they stand for.

import type { OptionSpec } from '#core/cli/command.ts';
import { parseOneOf } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import {
  type AccessRules,
  CONFORMANCE,
  OWN_MAILBOX,
} from '#reference-server/access/access-rules.ts';
import { readAclFile } from '#reference-server/access/acl.ts';
import type { Exposure } from '#reference-server/access/listen-address.ts';
import { PasswordFile } from '#reference-server/access/password-file.ts';
import { readTokenKey } from '#reference-server/access/token.ts';

export const ACCESS_OPTIONS: OptionSpec[] = [
  {
    flags: '--password-file <file>',
    help: 'users log in with a password of this file (made by mosquitto_passwd)',
  },
  {
    flags: '--token-key <file>',
    help: "users log in with their token: the HMAC-SHA256 of their name under this file's key",
  },
  {
    flags: '--lab',
    help: 'a server for a lab: anonymous logins, refuses every address but loopback',
  },
  {
    flags: '--acl-file <file>',
    help: 'opens the topics that this file says (format of mosquitto); SIGHUP reads it again',
  },
  {
    flags: '--admin <name>',
    help: 'a user who may read $SYS/#; may be repeated (with --lab and --profile: everybody may)',
    repeat: true,
  },
  {
    flags: '--profile <name>',
    help: "'conformance': anonymous, every topic; for foreign test suites, on loopback only",
    parse: parseOneOf('conformance'),
  },
];

export interface Access {
  rules: AccessRules;
  /** Where `rules.acl` came from, to be read again. */
  aclFile: string | undefined;
  /** The same of each of `rules.listeners`. */
  listenerAclFiles: (string | undefined)[];
  passwords: PasswordFile | undefined;
  purpose: Exposure['purpose'];
}

/** Throws WSAR_ERR_USAGE, WSAR_ERR_FILE. */
export function readAccess(given: Record<string, unknown>): Access {
  const isLab = given['lab'] === true;
  const isConformance = given['profile'] === 'conformance';
  const purpose = isLab ? 'lab' : isConformance ? 'conformance' : undefined;
  const passwordFile = given['passwordFile'] as string | undefined;
  const tokenKeyFile = given['tokenKey'] as string | undefined;
  const hasLogin = [passwordFile, tokenKeyFile, given['clientCa']].some(
    (file) => file !== undefined,
  );
  const admins = (given['admin'] as string[] | undefined) ?? [];
  const system = isLab || isConformance ? ('all' as const) : admins;
  const aclFile = given['aclFile'] as string | undefined;
  const rules: AccessRules = { ...(isConformance ? CONFORMANCE : OWN_MAILBOX), system };
  if (aclFile !== undefined) {
    rules.acl = readAclFile(aclFile);
    rules.topics = 'any';
  }
  const files = { aclFile, listenerAclFiles: [] };
  if (!hasLogin) return { rules, ...files, passwords: undefined, purpose };
  if (purpose !== undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `a ${purpose} server lets anybody in and asks for no password, token or certificate`,
      `leave --${isLab ? 'lab' : 'profile'} away, or --password-file, --token-key and --client-ca`,
    );
  }
  const passwords = passwordFile === undefined ? undefined : PasswordFile.read(passwordFile);
  const login = {
    anonymous: false,
    tokenKey: tokenKeyFile === undefined ? undefined : readTokenKey(tokenKeyFile),
    hasPasswords: passwords !== undefined,
    idIsUserName: true,
    needsId: false,
    keepAliveMaxS: 0,
  };
  return { rules: { ...rules, login }, ...files, passwords, purpose };
}
