// What a mosquitto.conf means for this server: its listeners, who may log in, and limits. All topics are open,
// as its users expect; addresses beyond loopback need the same as everywhere (access/listen-address.ts),
// and a `listener` without an address listens on 127.0.0.1, not on all.

import { join } from 'node:path';
import { WsarError } from '#core/errors.ts';
import type { Access } from '#reference-server/access/access-options.ts';
import type { AccessRules, ListenerRules } from '#reference-server/access/access-rules.ts';
import { type AclRules, readAclFile } from '#reference-server/access/acl.ts';
import { type Exposure, listenHost } from '#reference-server/access/listen-address.ts';
import { PasswordFile } from '#reference-server/access/password-file.ts';
import {
  type ConfListener,
  type MosquittoConf,
  type NumberKey,
  plainListener,
} from '#reference-server/conf-file/mosquitto-conf.ts';
import { MOSQUITTO } from '#reference-server/dialect.ts';
import { outputBytesFor, type ServerLimits } from '#reference-server/limits.ts';
import { SYS_INTERVAL_S_MAX } from '#reference-server/server-knobs.ts';
import {
  SNAPSHOT_INTERVAL_S,
  type SnapshotOptions,
} from '#reference-server/snapshot/snapshot-desk.ts';
import type { ListenerPlan } from '#reference-server/transport/listener.ts';
import type { Listening } from '#reference-server/transport/listener-options.ts';
import { readTlsMaterial, type TlsMaterial } from '#reference-server/transport/tls-material.ts';
import { DEFAULT_SETTINGS } from '#reference-server/worker/worker-control.ts';

/** Mosquitto's own bounds. */
const LEVELS_MAX = 201;
const INT32_MAX = 0x7fff_ffff;

/** Throws WSAR_ERR_FILE. */
export function confAccess(conf: MosquittoConf): Access {
  const { allowAnonymous, passwordFile, aclFile, allowEmptyId, listeners, numbers } = conf;
  const passwords =
    passwordFile === undefined ? undefined : PasswordFile.read(passwordFile, conf.notices);
  // Without any listener mosquitto serves this host only, and lets anybody in.
  const anonymous = allowAnonymous ?? listeners.length === 0;
  const keepAliveMaxS = numbers.get('max_keepalive');
  const isOpen = anonymous && passwords === undefined && allowEmptyId && !keepAliveMaxS;
  const login = {
    anonymous,
    tokenKey: undefined,
    hasPasswords: passwords !== undefined,
    idIsUserName: false,
    needsId: !allowEmptyId,
    keepAliveMaxS: keepAliveMaxS ?? 0,
  };
  const globalAcl = aclFile === undefined ? undefined : readAclFile(aclFile);
  const own = conf.isPerListener ? listeners.map((one) => one.aclFile) : [];
  const rules: AccessRules = {
    topics: 'any',
    denied: [],
    system: 'all',
    acl: globalAcl,
    listeners: hasOwnRules(conf) ? listeners.map((one) => listenerRules(one, conf, globalAcl)) : [],
    login: isOpen ? undefined : login,
  };
  const listenerAclFiles = rules.listeners.map((_, at) => (conf.isPerListener ? own[at] : aclFile));
  return { rules, aclFile, listenerAclFiles, passwords, purpose: undefined };
}

function hasOwnRules({ listeners, isPerListener }: MosquittoConf): boolean {
  return listeners.some(
    ({ mountPoint, aclFile }) => mountPoint !== '' || (isPerListener && aclFile !== undefined),
  );
}

function listenerRules(
  { port, path, mountPoint, aclFile }: ConfListener,
  { isPerListener }: MosquittoConf,
  globalAcl: AclRules | undefined,
): ListenerRules {
  const own = aclFile === undefined ? undefined : readAclFile(aclFile);
  return { name: path ?? String(port), mountPoint, acl: isPerListener ? own : globalAcl };
}

/** How often $SYS is told, s; 0 = never. */
export function confSysIntervalS(conf: MosquittoConf): number {
  const seconds = conf.numbers.get('sys_interval') ?? DEFAULT_SETTINGS.sysIntervalS;
  return Math.min(SYS_INTERVAL_S_MAX, Math.max(0, seconds));
}

/** Where sessions and messages outlive the server, if `persistence` asks for it. */
export function confSnapshot(conf: MosquittoConf): SnapshotOptions | undefined {
  const { persists, persistenceFolder, persistenceFile, savesOnChanges, numbers } = conf;
  if (!persists) return undefined;
  return {
    file: join(persistenceFolder, persistenceFile),
    intervalS: Math.max(0, numbers.get('autosave_interval') ?? SNAPSHOT_INTERVAL_S),
    countsChanges: savesOnChanges,
  };
}

/** Throws WSAR_ERR_USAGE, WSAR_ERR_FILE. */
export function confListening(
  conf: MosquittoConf,
  hasLogin: boolean,
  flags: Pick<Exposure, 'mayBeOpen' | 'mayBePlain'>,
): Listening {
  const all = conf.listeners.length > 0 ? conf.listeners : [plainListener(1883)];
  const listeners = all.map((one): ListenerPlan => {
    const { port, path, webSocket } = one;
    const carrier = path !== undefined ? 'unix' : one.certFile !== undefined ? 'tls' : 'tcp';
    const isEncrypted = carrier === 'tls';
    const exposure = { purpose: undefined, hasLogin, isEncrypted, ...flags };
    const host = listenHost(one.address ?? '127.0.0.1', exposure);
    const plan = { carrier, host, port, webSocket, proxied: false } as const;
    return path === undefined ? plan : { ...plan, path };
  });
  return { listeners, tls: confTls(all), proxyFrom: [], origins: conf.origins };
}

/** All TLS listeners show the same certificates. */
function confTls(listeners: ConfListener[]): TlsMaterial | undefined {
  const encrypted = listeners.filter(({ certFile }) => certFile !== undefined);
  if (encrypted.length === 0) return undefined;
  const [first] = encrypted as [ConfListener];
  const isSame = encrypted.every(
    ({ needsCertificate, caFile }) =>
      needsCertificate === first.needsCertificate && caFile === first.caFile,
  );
  if (!isSame) {
    throw new WsarError(
      'WSAR_ERR_FILE',
      'TLS listeners with different cafile or require_certificate are not offered',
      'give all of them the same, or start two servers',
    );
  }
  const pairs = new Map(encrypted.map((one) => [one.certFile!, one.keyFile]));
  const keys = [...pairs.values()].filter((key) => key !== undefined);
  const clientCa = first.needsCertificate ? first.caFile : undefined;
  return readTlsMaterial([...pairs.keys()], keys, clientCa);
}

/** `limits` with those that the file sets; where 0 or -1 means "none" to mosquitto, it is the largest here. */
export function confLimits(conf: MosquittoConf, limits: ServerLimits): ServerLimits {
  const given = (key: NumberKey, otherwise: number, most: number): number => {
    const value = conf.numbers.get(key);
    if (value === undefined) return otherwise;
    return value <= 0 ? most : Math.min(value, most);
  };
  const { broker } = limits;
  const most = MOSQUITTO.untoldPacketBytes;
  const inflightMax = given('max_inflight_messages', broker.inflightMax, 65_535);
  return {
    ...limits,
    // A client id may be as long as a packet.
    connectBytesMax: most,
    acceptedMax: given('max_connections', limits.connectionsMax, limits.connectionsMax),
    payloadBytesMax: given('message_size_limit', most, most),
    outputBytesMax: outputBytesFor(most),
    keepAliveMaxS: given('max_keepalive', 65_535, 65_535),
    packetBytesMax: given('max_packet_size', most, most),
    broker: {
      ...broker,
      levelsMax: LEVELS_MAX,
      inflightMax,
      inflightBytesMax: given('max_inflight_bytes', Number.POSITIVE_INFINITY, INT32_MAX),
      receiveMaximum: inflightMax,
      // Bytes bound what is kept of them.
      topicLengthMax: 65_535,
      checksRetainSource: conf.checksRetainSource,
      dialect: MOSQUITTO,
      qosMax: conf.qosMax,
      retains: conf.retains,
      upgradesQos: conf.upgradesQos,
      queueMessagesMax: given('max_queued_messages', broker.queueMessagesMax, 1_000_000),
      queueBytesMax: given('max_queued_bytes', broker.queueBytesMax, INT32_MAX),
      aliasesMax: conf.numbers.get('max_topic_alias') ?? broker.aliasesMax,
    },
  };
}
