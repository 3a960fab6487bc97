// Who may do what, as the workers are told it. Plain data, because it travels to their threads.

import type { AclRules } from '#reference-server/access/acl.ts';

/** How clients prove who they are. */
export interface LoginRules {
  /** Who shows nothing may in all the same. */
  anonymous: boolean;
  /** Key of tokens; see access/token.ts. */
  tokenKey: Uint8Array | undefined;
  /** The main thread has a password file. */
  hasPasswords: boolean;
  /** A client's id, its uid, has to be its user name (or empty, for a name of the server's choice). */
  idIsUserName: boolean;
  /** An empty client id is refused. */
  needsId: boolean;
  /** A client of MQTT 3, which cannot be told a shorter one, is refused with a longer keep-alive, s; 0 = never. */
  keepAliveMaxS: number;
}

/** What holds for the clients of one listener. */
export interface ListenerRules {
  /** What a retained message remembers of it, over a restart too: its port or path. */
  name: string;
  /** Stands before every topic of its clients, who do not see it; '' = nothing. */
  mountPoint: string;
  /** In the place of `AccessRules.acl`. */
  acl: AclRules | undefined;
}

export interface AccessRules {
  /**
   * Which topics a client may use. 'own': publish to m/<any uid>, subscribe to its own m/, r/ and p/; 'any':
   * every topic, retained messages and wildcards too, as general brokers and their test suites have it.
   */
  topics: 'own' | 'any';
  /** Filters that nobody may subscribe to, as they stand. */
  denied: readonly string[];
  /** Who may read what the server says about itself ($SYS/...): everybody, or the users of these names. */
  system: 'all' | readonly string[];
  /** Who may read and write which topics; undefined: as `topics` says. Of mailboxes it decides nothing. */
  acl: AclRules | undefined;
  /** By number of the listener; none where what is above holds for all. */
  listeners: readonly ListenerRules[];
  /** undefined: anybody may be anybody. */
  login: LoginRules | undefined;
}

/** A messaging server on loopback: nobody reads another user's mail, and who one is, one says. */
export const OWN_MAILBOX: AccessRules = {
  topics: 'own',
  denied: [],
  system: [],
  acl: undefined,
  listeners: [],
  login: undefined,
};

/** `--profile conformance`: what foreign suites take for granted. Loopback only. */
export const CONFORMANCE: AccessRules = {
  topics: 'any',
  // Paho's suites want to see one refusal and agree with their broker on this name.
  denied: ['test/nosubscribe'],
  system: 'all',
  acl: undefined,
  listeners: [],
  login: undefined,
};

/** Whether what a user may do hangs on its user name, which then has to be known at its home. */
export function needsUserName(access: AccessRules, userName: string): boolean {
  const { system } = access;
  return hasAcl(access) || (system !== 'all' && system.includes(userName));
}

/** Whether there is any such name. */
export function needsUserNames(access: AccessRules): boolean {
  const { system } = access;
  return hasAcl(access) || (system !== 'all' && system.length > 0);
}

/** For clients of a listener that is no more: no line allows anything. */
const NOTHING: AclRules = { anonymous: [], users: new Map(), patterns: [] };

/** Who may use which topics among the clients of a listener; undefined: everybody may use all. */
export function aclOf({ acl, listeners }: AccessRules, listener: number): AclRules | undefined {
  if (listeners.length === 0) return acl;
  const rules = listeners[listener];
  return rules === undefined ? NOTHING : rules.acl;
}

function hasAcl({ acl, listeners }: AccessRules): boolean {
  return acl !== undefined || listeners.some((one) => one.acl !== undefined);
}
