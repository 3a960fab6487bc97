// Who published a retained message, which is asked again before it is given to a new subscription: who has lost the
// right to write a topic has lost it for what stands there too (mosquitto's check_retain_source, CVE-2018-12546).

export interface MessageSource {
  clientId: string;
  userName: string | undefined;
  /** Name of its listener; see ListenerRules. */
  listener: string;
}

/** As it travels to other workers behind a message. */
export function writeSource({ clientId, userName, listener }: MessageSource): Uint8Array {
  return Buffer.from(JSON.stringify([clientId, userName ?? null, listener]));
}

/** The source in [start, end), which `writeSource` has written. */
export function readSource(bytes: Uint8Array, start: number, end: number): MessageSource {
  const text = Buffer.from(bytes.subarray(start, end)).toString('utf8');
  const [clientId, userName, listener] = JSON.parse(text) as [string, string | null, string];
  return { clientId, userName: userName ?? undefined, listener };
}
