// The OpenSSL that Node carries, called through koffi: its symbols are those of this very process, so there is no
// library to install and no second version. node:tls costs a socket, a stream, a Buffer and several trips through
// libuv for each record; here a record is two calls of 50 ns and the cipher itself, and a connection is a number.
//
// All connections of one thread share two memory BIOs, since whoever reads on leaves them empty: OpenSSL keeps a
// record that came in part in the connection's own buffer, and releases that buffer when it is empty
// (SSL_MODE_RELEASE_BUFFERS). What a connection that was given up has left in them is dropped before the next one.
// Sources: OpenSSL 3 manual pages SSL_read(3), SSL_set_bio(3), BIO_s_mem(3), SSL_CTX_set_mode(3).
//
// Memory: about 29 KB a connection, OpenSSL's own (SSL, keys, the server's certificate), and until `close` 1.2 MB a
// client that trusts whom Node trusts; nothing of V8's heap.
// What it does not: sessions are not resumed, so every login is a full handshake as that of a new user is.

import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import { getCACertificates } from 'node:tls';
import { assert } from '#core/assert.ts';
import { WsarError } from '#core/errors.ts';
import type { TlsConnect } from '#core/socket/net/tls-connect.ts';
import { loadLibc, type Mapping } from '#core/socket/ring/libc.ts';

/** A connection of OpenSSL: the address of its SSL object. 0 = none. */
export type TlsHandle = number;

/** Who a server says he is: a certificate and its P-256 key, both DER. */
export interface TlsIdentity {
  certificate: Uint8Array;
  key: Uint8Array;
}

export const TLS_STATE = { done: 1, wants: 0, failed: -1 } as const;
export type TlsState = (typeof TLS_STATE)[keyof typeof TLS_STATE];
/** What `read` says where it does not say how much it read. */
export const TLS_READ = { nothing: 0, closed: -1, failed: -2 } as const;

const BIO_CTRL_RESET = 1;
const SSL_VERIFY_PEER = 1;
const SSL_CTRL_MODE = 33;
const SSL_CTRL_SESS_CACHE_MODE = 44;
const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;
const SSL_CTRL_SET_GROUPS_LIST = 92;
/**
 * One key share. OpenSSL 3.5 makes two by itself, one of them post-quantum (X25519MLKEM768): measured 38.5 instead
 * of 29 KB and 590 instead of 530 us of a shared core for a login, for a group that few servers take.
 */
const GROUPS = 'X25519:P-256';
/** ACCEPT_MOVING_WRITE_BUFFER | RELEASE_BUFFERS. */
const SSL_MODES = 0x02 | 0x10;
/** EVP_PKEY_EC. */
const KEY_EC = 408;
const SSL_ERROR_WANT_READ = 2;
const SSL_ERROR_ZERO_RETURN = 6;

/** Largest plaintext of one record (RFC 8446, 5.1). */
export const RECORD_BYTES_MAX = 16_384;
/** Scratch of plaintext and of what goes out: more than the largest send. */
const SCRATCH_BYTES = 256 * 1024;
const NAME_BYTES = 256;
/** Reads and writes up to this size are copied byte by byte: a view of them would cost more. */
const LOOP_BYTES_MAX = 192;

type Word = (...args: number[]) => number;

interface Calls {
  sslNew: Word;
  sslFree: Word;
  setBio: Word;
  setState: Word;
  sslControl: Word;
  handshake: Word;
  read: Word;
  write: Word;
  shutdown: Word;
  error: Word;
  bioRead: Word;
  bioWrite: Word;
  bioControl: Word;
  bioPending: Word;
  bioUpRef: Word;
  bioFree: Word;
  contextFree: Word;
  clearErrors: Word;
}

/** Why OpenSSL cannot be called here; undefined when it can. */
export function whyNoOpenssl(): string | undefined {
  if (process.platform !== 'linux') return 'tried on Linux only';
  try {
    load().func('void *SSL_new(uintptr_t)');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Our end of connections: of a client, or of a server that has an identity. */
export class OpensslEnd {
  /** Where `read` puts plaintext, from 0 on. */
  readonly plain: Uint8Array;
  /** What `takeOutput` took, from 0 on. */
  readonly cipher: Uint8Array;
  readonly #calls: Calls;
  readonly #areas: Mapping;
  readonly #context: number;
  readonly #in: number;
  readonly #out: number;
  readonly #scratch: Uint8Array;
  readonly #plainAt: number;
  readonly #cipherAt: number;
  readonly #scratchAt: number;
  /** Address of the name that is asked for (SNI); 0 = none. */
  readonly #nameAt: number;
  /** Bytes may be left of what was fed; and of what is to be sent, by this connection. */
  #hasInput = false;
  #outputOf: TlsHandle = 0;

  /** Throws WSAR_ERR_USAGE for an authority that cannot be read. */
  constructor(plan: TlsConnect | TlsIdentity) {
    const { mapMemory } = loadLibc();
    const areas = mapMemory(3 * SCRATCH_BYTES + NAME_BYTES);
    this.#areas = areas;
    const area = (index: number): Uint8Array =>
      new Uint8Array(areas.buffer, index * SCRATCH_BYTES, SCRATCH_BYTES);
    [this.plain, this.cipher, this.#scratch] = [area(0), area(1), area(2)];
    this.#plainAt = areas.address;
    this.#cipherAt = areas.address + SCRATCH_BYTES;
    this.#scratchAt = areas.address + 2 * SCRATCH_BYTES;
    const isServer = 'key' in plan;
    this.#calls = bind(isServer);
    const { context, input, output } = build(plan);
    this.#context = context;
    this.#in = input;
    this.#out = output;
    const serverName = isServer ? undefined : plan.serverName;
    // An address is no name to ask for (RFC 6066, 3).
    const hasName = serverName !== undefined && isIP(serverName) === 0;
    this.#nameAt = hasName ? areas.address + 3 * SCRATCH_BYTES : 0;
    if (hasName) {
      const name = new Uint8Array(areas.buffer, 3 * SCRATCH_BYTES, NAME_BYTES);
      new TextEncoder().encodeInto(serverName, name.subarray(0, NAME_BYTES - 1));
    }
  }

  /** A connection that has yet to shake hands. */
  open(): TlsHandle {
    const { sslNew, setBio, setState, sslControl, bioUpRef } = this.#calls;
    this.#dropInput();
    this.#mayOutput(0);
    const ssl = sslNew(this.#context);
    if (ssl === 0) throw outOfMemory();
    // Each connection owns a reference of both.
    bioUpRef(this.#in);
    bioUpRef(this.#out);
    setBio(ssl, this.#in, this.#out);
    setState(ssl);
    if (this.#nameAt !== 0) sslControl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, 0, this.#nameAt);
    return ssl;
  }

  free(ssl: TlsHandle): void {
    this.#calls.sslFree(ssl);
  }

  /** Bytes of the server, at most SCRATCH_BYTES, for the next `handshake` or `read` of their connection. */
  feed(bytes: Uint8Array, start: number, end: number): void {
    this.#dropInput();
    const count = copy(this.#scratch, bytes, start, end);
    this.#hasInput = true;
    this.#calls.bioWrite(this.#in, this.#scratchAt, count);
  }

  /** Goes on with the handshake; what it says to the server is in `takeOutput`. */
  handshake(ssl: TlsHandle): TlsState {
    const { handshake, error } = this.#calls;
    this.#mayOutput(ssl);
    const result = handshake(ssl);
    if (result === 1) return TLS_STATE.done;
    if (this.#isReadUp(error(ssl, result))) return TLS_STATE.wants;
    return TLS_STATE.failed;
  }

  /** Plaintext into `plain` from `at` on: its length, or TLS_READ. There must be room for a record. */
  read(ssl: TlsHandle, at: number): number {
    const { read, error } = this.#calls;
    this.#mayOutput(ssl);
    const count = read(ssl, this.#plainAt + at, SCRATCH_BYTES - at);
    if (count > 0) return count;
    const why = error(ssl, count);
    if (this.#isReadUp(why)) return TLS_READ.nothing;
    return why === SSL_ERROR_ZERO_RETURN ? TLS_READ.closed : TLS_READ.failed;
  }

  /** Encrypts for `takeOutput`; false when the connection cannot any more. */
  write(ssl: TlsHandle, bytes: Uint8Array, start: number, end: number): boolean {
    const count = copy(this.#scratch, bytes, start, end);
    this.#mayOutput(ssl);
    if (this.#calls.write(ssl, this.#scratchAt, count) === count) return true;
    this.#calls.clearErrors();
    return false;
  }

  /** Says goodbye (close_notify). */
  shutdown(ssl: TlsHandle): void {
    this.#mayOutput(ssl);
    if (this.#calls.shutdown(ssl) < 0) this.#calls.clearErrors();
  }

  /** Takes what shall be sent to the server into `cipher`; its length. */
  takeOutput(): number {
    const { bioPending, bioRead } = this.#calls;
    this.#outputOf = 0;
    if (bioPending(this.#out) === 0) return 0;
    return bioRead(this.#out, this.#cipherAt, SCRATCH_BYTES);
  }

  /** Whether OpenSSL has read all that was fed; else it has failed, and what is left is nobody's, as are its errors. */
  #isReadUp(error: number): boolean {
    if (error === SSL_ERROR_WANT_READ) {
      this.#hasInput = false;
      return true;
    }
    this.#dropInput();
    this.#calls.clearErrors();
    return false;
  }

  #dropInput(): void {
    if (!this.#hasInput) return;
    this.#hasInput = false;
    this.#calls.bioControl(this.#in, BIO_CTRL_RESET, 0, 0);
  }

  /** The next output is of this connection; what another one has left of its own is dropped. */
  #mayOutput(ssl: TlsHandle): void {
    if (this.#outputOf !== 0 && this.#outputOf !== ssl)
      this.#calls.bioControl(this.#out, BIO_CTRL_RESET, 0, 0);
    this.#outputOf = ssl;
  }

  /** When no connection is left. Nothing here may be called or read any more. */
  close(): void {
    const { contextFree, bioFree } = this.#calls;
    contextFree(this.#context);
    bioFree(this.#in);
    bioFree(this.#out);
    this.#areas.unmap();
  }
}

function copy(to: Uint8Array, bytes: Uint8Array, start: number, end: number): number {
  const count = end - start;
  if (count > LOOP_BYTES_MAX) to.set(bytes.subarray(start, end));
  else for (let i = 0; i < count; i++) to[i] = bytes[start + i]!;
  return count;
}

type Koffi = typeof import('koffi');

/** The symbols of this process; throws what koffi throws where there are none. */
function load(): ReturnType<Koffi['load']> {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  return koffi.load(null);
}

function bind(isServer: boolean): Calls {
  const library = load();
  const word = (prototype: string): Word => library.func(prototype) as Word;
  const pointer = 'uintptr_t';
  return {
    sslNew: word(`uintptr_t SSL_new(${pointer})`),
    sslFree: word(`void SSL_free(${pointer})`),
    setBio: word(`void SSL_set_bio(${pointer}, ${pointer}, ${pointer})`),
    setState: word(`void SSL_set_${isServer ? 'accept' : 'connect'}_state(${pointer})`),
    sslControl: word(`long SSL_ctrl(${pointer}, int, long, ${pointer})`),
    handshake: word(`int SSL_do_handshake(${pointer})`),
    read: word(`int SSL_read(${pointer}, ${pointer}, int)`),
    write: word(`int SSL_write(${pointer}, ${pointer}, int)`),
    shutdown: word(`int SSL_shutdown(${pointer})`),
    error: word(`int SSL_get_error(${pointer}, int)`),
    bioRead: word(`int BIO_read(${pointer}, ${pointer}, int)`),
    bioWrite: word(`int BIO_write(${pointer}, ${pointer}, int)`),
    bioControl: word(`long BIO_ctrl(${pointer}, int, long, ${pointer})`),
    bioPending: word(`size_t BIO_ctrl_pending(${pointer})`),
    bioUpRef: word(`int BIO_up_ref(${pointer})`),
    bioFree: word(`int BIO_free(${pointer})`),
    contextFree: word(`void SSL_CTX_free(${pointer})`),
    clearErrors: word('void ERR_clear_error()'),
  };
}

/** A context that trusts whom the plan trusts, or is who it says, and the two BIOs. */
function build(plan: TlsConnect | TlsIdentity): {
  context: number;
  input: number;
  output: number;
} {
  const library = load();
  const word = (prototype: string): Word => library.func(prototype) as Word;
  const method = word(`uintptr_t TLS_${'key' in plan ? 'server' : 'client'}_method()`);
  const context = word('uintptr_t SSL_CTX_new(uintptr_t)')(method());
  if (context === 0) throw outOfMemory();
  const control = word('long SSL_CTX_ctrl(uintptr_t, int, long, uintptr_t)');
  control(context, SSL_CTRL_MODE, SSL_MODES, 0);
  control(context, SSL_CTRL_SESS_CACHE_MODE, 0, 0);
  const groups = library.func('long SSL_CTX_ctrl(uintptr_t, int, long, const char *)');
  groups(context, SSL_CTRL_SET_GROUPS_LIST, 0, GROUPS);
  if ('key' in plan) identify(library, context, plan);
  else verify(library, context, plan);
  const memory = word('uintptr_t BIO_s_mem()')();
  const bio = word('uintptr_t BIO_new(uintptr_t)');
  const [input, output] = [bio(memory), bio(memory)];
  if (input === 0 || output === 0) throw outOfMemory();
  return { context, input, output };
}

function verify(
  library: ReturnType<Koffi['load']>,
  context: number,
  { ca, serverName, isInsecure }: TlsConnect,
): void {
  if (isInsecure) return;
  const word = (prototype: string): Word => library.func(prototype) as Word;
  word('void SSL_CTX_set_verify(uintptr_t, int, uintptr_t)')(context, SSL_VERIFY_PEER, 0);
  trust(library, context, ca === undefined ? getCACertificates('default') : [ca]);
  const parameters = word('uintptr_t SSL_CTX_get0_param(uintptr_t)')(context);
  const isAddress = isIP(serverName) !== 0;
  const expected = isAddress
    ? library.func('int X509_VERIFY_PARAM_set1_ip_asc(uintptr_t, const char *)')
    : library.func('int X509_VERIFY_PARAM_set1_host(uintptr_t, const char *, size_t)');
  expected(parameters, serverName, ...(isAddress ? [] : [0]));
}

function identify(
  library: ReturnType<Koffi['load']>,
  context: number,
  { certificate, key }: TlsIdentity,
): void {
  const useCertificate = library.func(
    'int SSL_CTX_use_certificate_ASN1(uintptr_t, int, const uint8_t *)',
  );
  const useKey = library.func(
    'int SSL_CTX_use_PrivateKey_ASN1(int, uintptr_t, const uint8_t *, long)',
  );
  const isTaken =
    useCertificate(context, certificate.length, certificate) === 1 &&
    useKey(KEY_EC, context, key, key.length) === 1;
  assert(isTaken, 'OpenSSL takes the certificate and its key');
}

/** Adds every certificate of some PEM texts to those that are trusted. */
function trust(
  library: ReturnType<Koffi['load']>,
  context: number,
  texts: readonly string[],
): void {
  const word = (prototype: string): Word => library.func(prototype) as Word;
  const store = word('uintptr_t SSL_CTX_get_cert_store(uintptr_t)')(context);
  const readPem = word('uintptr_t PEM_read_bio_X509(uintptr_t, uintptr_t, uintptr_t, uintptr_t)');
  const add = word('int X509_STORE_add_cert(uintptr_t, uintptr_t)');
  const freeCertificate = word('void X509_free(uintptr_t)');
  const freeBio = word('int BIO_free(uintptr_t)');
  const copyOf = library.func('int BIO_write(uintptr_t, const char *, int)');
  const newBio = word('uintptr_t BIO_new(uintptr_t)');
  const memory = word('uintptr_t BIO_s_mem()')();
  let count = 0;
  for (const text of texts) {
    // Copied: a text of ours lives only as long as one call.
    const bio = newBio(memory);
    copyOf(bio, text, Buffer.byteLength(text));
    for (let one = readPem(bio, 0, 0, 0); one !== 0; one = readPem(bio, 0, 0, 0)) {
      count += add(store, one);
      freeCertificate(one);
    }
    freeBio(bio);
  }
  word('void ERR_clear_error()')();
  if (count > 0) return;
  throw new WsarError(
    'WSAR_ERR_FILE',
    'there is no certificate in the file of --cafile',
    'name the PEM file of the authority that signed the certificate',
  );
}

function outOfMemory(): WsarError {
  return new WsarError(
    'WSAR_ERR_MEMORY',
    'OpenSSL has no memory for a connection',
    'take fewer connections, or free memory',
  );
}
