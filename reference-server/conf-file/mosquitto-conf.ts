// Reads a mosquitto.conf, so that users and test suites of mosquitto can start this server with the file
// they have. A key is taken, or has no meaning here and is noted, or is refused with its line and what to do
// instead: no line is silently left out.
//
//   # comment
//   key value          keys behind a `listener` line that belong to listeners are that listener's

import { dirname, resolve } from 'node:path';
import { WsarError } from '#core/errors.ts';
import { readTextFile } from '#reference-server/access/text-file.ts';
import { MOUNT_POINT_BYTES_MAX } from '#reference-server/broker/delivery-writer.ts';

/** One `listener`, or the default one that `port` makes. */
export interface ConfListener {
  port: number;
  /** As written; undefined when the line names none. */
  address: string | undefined;
  /** A port of 0 with a path is a Unix socket. */
  path: string | undefined;
  webSocket: boolean;
  certFile: string | undefined;
  keyFile: string | undefined;
  caFile: string | undefined;
  needsCertificate: boolean;
  /** Stands before all topics of its clients; '' = nothing. */
  mountPoint: string;
  /** Who may use which topics there, with per_listener_settings. */
  aclFile: string | undefined;
}

export interface MosquittoConf {
  /** Its own name. */
  file: string;
  listeners: ConfListener[];
  /** undefined: not said. */
  allowAnonymous: boolean | undefined;
  passwordFile: string | undefined;
  /** Who may read and write which topics; see access/acl.ts. */
  aclFile: string | undefined;
  /** Each listener has an `aclFile` of its own instead, or none. */
  isPerListener: boolean;
  /** Whether retained messages hide while their publisher may not write them. */
  checksRetainSource: boolean;
  /** Whether clients without an id get one. */
  allowEmptyId: boolean;
  origins: string[];
  /** Whether sessions and messages outlive the server, in which folder and file, and what its interval counts. */
  persists: boolean;
  persistenceFolder: string;
  persistenceFile: string;
  savesOnChanges: boolean;
  retains: boolean;
  upgradesQos: boolean;
  qosMax: number;
  /** Whole numbers by key; see NUMBERS. */
  numbers: Map<NumberKey, number>;
  /** What was read and has no meaning here, a sentence each. */
  notices: string[];
}

const NUMBERS = [
  'max_connections',
  'max_keepalive',
  'max_inflight_messages',
  'max_inflight_bytes',
  'message_size_limit',
  'max_queued_messages',
  'max_queued_bytes',
  'max_packet_size',
  'max_topic_alias',
  'sys_interval',
  'autosave_interval',
] as const;
export type NumberKey = (typeof NUMBERS)[number];

/** What has no meaning here, and why. */
const NO_MEANING: Record<string, string> = {
  ...Object.fromEntries(
    ['log_dest', 'log_type', 'log_facility', 'log_timestamp', 'log_timestamp_format'].map((key) => [
      key,
      'what happens is counted, not logged; see --json',
    ]),
  ),
  connection_messages: 'what happens is counted, not logged; see --json',
  pid_file: 'nothing goes into the background',
  user: 'the process stays the user who started it',
  set_tcp_nodelay: 'it is always set',
  socket_domain: 'the address says the family',
  memory_limit: 'each table has its own limit; see --connections, --users and --messages',
  queue_qos0_messages: 'QoS 0 is not queued',
  use_identity_as_username: 'the name of a required certificate is always the user name',
  tls_version: 'TLS 1.2 and 1.3 are spoken',
};

/** What is not offered, and what to do instead. */
const REFUSED: Record<string, string> = {
  plugin: 'use password_file, or --token-key',
  auth_plugin: 'use password_file, or --token-key',
  connection: 'bridge from the other broker to this one',
  include_dir: 'put everything into one file',
  psk_file: 'use certificates',
  psk_hint: 'use certificates',
  crlfile: 'use certificates that expire soon',
  bind_interface: "name the interface's address behind the port",
};

/** Throws WSAR_ERR_FILE with the line. */
export function readMosquittoConf(file: string): MosquittoConf {
  return new Reader(file).read(readTextFile(file));
}

class Reader {
  readonly #file: string;
  #line = 0;
  #listener: ConfListener | undefined;
  #default: ConfListener | undefined;
  readonly #loginValues = new Map<string, string[]>();
  readonly #conf: MosquittoConf = {
    file: '',
    listeners: [],
    allowAnonymous: undefined,
    passwordFile: undefined,
    aclFile: undefined,
    isPerListener: false,
    checksRetainSource: true,
    allowEmptyId: true,
    origins: [],
    persists: false,
    persistenceFolder: '',
    persistenceFile: 'mosquitto.db',
    savesOnChanges: false,
    retains: true,
    upgradesQos: false,
    qosMax: 2,
    numbers: new Map(),
    notices: [],
  };

  constructor(file: string) {
    this.#file = this.#conf.file = file;
    this.#conf.persistenceFolder = this.#path('.');
  }

  read(text: string): MosquittoConf {
    for (const line of text.split('\n')) {
      this.#line++;
      const trimmed = line.trim();
      if (trimmed === '' || trimmed.startsWith('#')) continue;
      const [key = '', ...words] = trimmed.split(/\s+/);
      this.#take(key, words.join(' '));
    }
    if (this.#default !== undefined) this.#conf.listeners.unshift(this.#default);
    this.#checkLogins();
    return this.#conf;
  }

  #take(key: string, value: string): void {
    const conf = this.#conf;
    if (Object.hasOwn(NO_MEANING, key)) {
      conf.notices.push(`${this.#file}, line ${this.#line}: ${key}: ${NO_MEANING[key]}`);
      return;
    }
    if (Object.hasOwn(REFUSED, key)) this.#refuse(`${key} is not offered`, REFUSED[key]!);
    if (value === '') this.#refuse(`${key} has no value`, 'write it behind the key');
    if (key === 'listener') this.#addListener(value);
    else if (this.#takeListenerKey(this.#listener ?? this.#defaultListener(key), key, value))
      return;
    else if (key === 'per_listener_settings') conf.isPerListener = this.#flag(key, value);
    else if (this.#takeLoginKey(key, value) || this.#takePersistenceKey(key, value)) return;
    else if (key === 'check_retain_source') conf.checksRetainSource = this.#flag(key, value);
    else if (key === 'retain_available') conf.retains = this.#flag(key, value);
    else if (key === 'upgrade_outgoing_qos') conf.upgradesQos = this.#flag(key, value);
    else if (key === 'max_qos' || key === 'maximum_qos') conf.qosMax = this.#qos(key, value);
    else if (key === 'websockets_origin') conf.origins.push(value);
    else if (isNumberKey(key)) conf.numbers.set(key, this.#number(key, value));
    else this.#refuse(`${key} is not known here`, 'see docs/tools/serve.md for the keys that are');
  }

  /** Who may log in is one setting for all listeners here: a file that means several is refused. */
  #takeLoginKey(key: string, value: string): boolean {
    const conf = this.#conf;
    if (key === 'allow_anonymous') conf.allowAnonymous = this.#flag(key, value);
    else if (key === 'allow_zero_length_clientid') conf.allowEmptyId = this.#flag(key, value);
    else if (key === 'password_file') conf.passwordFile = this.#path(value);
    else if (key === 'acl_file') return this.#takeAclFile(value);
    else return false;
    const said = this.#loginValues.get(key) ?? [];
    this.#loginValues.set(key, [...said, value]);
    return true;
  }

  #takeAclFile(value: string): true {
    const file = this.#path(value);
    if (!this.#conf.isPerListener) this.#conf.aclFile = file;
    else {
      const listener = this.#listener ?? this.#default;
      if (listener === undefined) this.#refuse('acl_file of no listener', 'write it behind one');
      listener.aclFile = file;
    }
    return true;
  }

  #takePersistenceKey(key: string, value: string): boolean {
    const conf = this.#conf;
    if (key === 'persistence') conf.persists = this.#flag(key, value);
    else if (key === 'persistence_location') conf.persistenceFolder = this.#path(value);
    else if (key === 'persistence_file') conf.persistenceFile = value;
    else if (key === 'autosave_on_changes') conf.savesOnChanges = this.#flag(key, value);
    else return false;
    return true;
  }

  #checkLogins(): void {
    if (!this.#conf.isPerListener) return;
    const { listeners } = this.#conf;
    for (const [key, said] of this.#loginValues) {
      const isSame = said.length >= listeners.length && new Set(said).size === 1;
      if (!isSame)
        this.#refuse(`${key} is not the same for all listeners`, 'start a server for each');
    }
  }

  #qos(key: string, value: string): number {
    const qos = this.#number(key, value);
    if (qos < 0 || qos > 2) this.#refuse(`${key} ${value}`, 'write 0, 1 or 2');
    return qos;
  }

  #addListener(value: string): void {
    const [port = '', address] = value.split(' ');
    const isPath = port === '0' && address?.startsWith('/') === true;
    this.#listener = plainListener(this.#number('listener', port));
    this.#listener.address = isPath ? undefined : address;
    this.#listener.path = isPath ? address : undefined;
    this.#conf.listeners.push(this.#listener);
  }

  /** Keys of listeners before the first `listener` line mean the default one. */
  #defaultListener(key: string): ConfListener | undefined {
    if (key !== 'port' && key !== 'bind_address') return this.#default;
    this.#default ??= plainListener(1883);
    return this.#default;
  }

  #takeListenerKey(of: ConfListener | undefined, key: string, value: string): boolean {
    if (key === 'port' && this.#default !== undefined) {
      this.#default.port = this.#number(key, value);
      return true;
    }
    if (of === undefined) return false;
    if (key === 'bind_address') of.address = value;
    else if (key === 'certfile') of.certFile = this.#path(value);
    else if (key === 'keyfile') of.keyFile = this.#path(value);
    else if (key === 'cafile') of.caFile = this.#path(value);
    else if (key === 'require_certificate') of.needsCertificate = this.#flag(key, value);
    else if (key === 'mount_point') of.mountPoint = this.#mountPoint(value);
    else if (key === 'protocol') {
      if (value !== 'mqtt' && value !== 'websockets') {
        this.#refuse(`protocol ${value} is not known`, 'write mqtt or websockets');
      }
      of.webSocket = value === 'websockets';
    } else return false;
    return true;
  }

  /** Relative to the file, as this server may run anywhere. */
  #path(value: string): string {
    return resolve(dirname(this.#file), value);
  }

  /** A part of topic names that means nothing else here. */
  #mountPoint(value: string): string {
    const isOwn = /^(\$|[mrgp](\/|$))/.test(value);
    const isPart = !/[+#]/.test(value) && Buffer.byteLength(value) <= MOUNT_POINT_BYTES_MAX;
    if (isOwn || !isPart) {
      this.#refuse(
        `mount_point ${value} means something else here`,
        `write at most ${MOUNT_POINT_BYTES_MAX} bytes without + and #, not $, m/, r/, g/ or p/ first`,
      );
    }
    return value;
  }

  #flag(key: string, value: string): boolean {
    if (value !== 'true' && value !== 'false')
      this.#refuse(`${key} ${value}`, 'write true or false');
    return value === 'true';
  }

  #number(key: string, value: string): number {
    if (!/^-?\d{1,10}$/.test(value)) this.#refuse(`${key} ${value}`, 'write a whole number');
    return Number(value);
  }

  #refuse(what: string, remedy: string): never {
    throw new WsarError('WSAR_ERR_FILE', `${this.#file}, line ${this.#line}: ${what}`, remedy);
  }
}

function isNumberKey(key: string): key is NumberKey {
  return (NUMBERS as readonly string[]).includes(key);
}

/** A listener of which only the port is said. */
export function plainListener(port: number): ConfListener {
  return {
    port,
    address: undefined,
    path: undefined,
    webSocket: false,
    certFile: undefined,
    keyFile: undefined,
    caFile: undefined,
    needsCertificate: false,
    mountPoint: '',
    aclFile: undefined,
  };
}
