// How long a crowd may take to say goodbye: for the process whose users they are, and for the controller that waits
// for what such a process tells at its end.

/** A reactor that cannot close its connections in this time is ended with its thread. */
const LOGOUT_MS = 10_000;
/** Every user may take so long on top: a server beside other work takes 40,000 a second. */
const GOODBYES_PER_S_MIN = 10_000;

export function logoutMs(connections: number): number {
  return LOGOUT_MS + connections * (1000 / GOODBYES_PER_S_MIN);
}
