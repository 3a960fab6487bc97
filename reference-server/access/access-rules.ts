// Who may do what, as the workers are told it. Plain data, because it travels to their threads.

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

export interface AccessRules {
  /**
   * Which topics a client may use. 'own': publish to m/<any uid>, subscribe to its own m/, r/ and p/; 'any':
   * every topic, retained messages and wildcards too, as general brokers and their test suites have it.
   */
  topics: 'own' | 'any';
  /** Filters that nobody may subscribe to, as they stand. */
  denied: readonly string[];
  /** undefined: anybody may be anybody. */
  login: LoginRules | undefined;
}

/** A messaging server on loopback: nobody reads another user's mail, and who one is, one says. */
export const OWN_MAILBOX: AccessRules = { topics: 'own', denied: [], login: undefined };

/** `--profile conformance`: what foreign suites take for granted. Loopback only. */
export const CONFORMANCE: AccessRules = {
  topics: 'any',
  // Paho's suites want to see one refusal and agree with their broker on this name.
  denied: ['test/nosubscribe'],
  login: undefined,
};
