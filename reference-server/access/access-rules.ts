// Who may do what, as the workers are told it. Plain data, because it travels to their threads.

export interface AccessRules {
  /**
   * Which topics a client may use. 'own': publish to m/<any uid>, subscribe to its own m/, r/ and p/; 'any':
   * every topic, retained messages and wildcards too, as general brokers and their test suites have it.
   */
  topics: 'own' | 'any';
}

/** A messaging server: nobody reads another user's mail. */
export const OWN_MAILBOX: AccessRules = { topics: 'own' };

/** `--profile conformance`: what foreign suites take for granted. Loopback only. */
export const CONFORMANCE: AccessRules = { topics: 'any' };
