// Foreign packet sequences as data: a folder of JSON files, each a list of groups of tests. A test is what
// one client sends, byte by byte, and what it must get back.
//
//   [{ "group": "v5.0 PUBACK", "tests": [
//      { "name": "...", "ver": 5, "connect": true, "expect_disconnect": true, "msgs": [
//        { "type": "send", "payload": "82 06 1234 0001 70 01" },
//        { "type": "recv", "payload": "90 03 1234 01" },
//        { "type": "publish", "topic": "p", "qos": 1, "payload": "text" } ] } ] }]
//
// `connect` (default true): the runner logs in first. `expect_disconnect` (default true): the server must
// have closed the connection at the end; else it must still answer a PINGREQ.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WsarError } from '#core/errors.ts';

export type Step =
  | { kind: 'send'; bytes: Buffer }
  | { kind: 'receive'; bytes: Buffer }
  /** A second client publishes this. */
  | { kind: 'publish'; topic: string; qos: 0 | 1 | 2; payload: string };

export interface Sequence {
  /** '<group> <name>': also the client id of the login. */
  name: string;
  /** Protocol level of the login: 3, 4 or 5. */
  level: number;
  logsIn: boolean;
  endsClosed: boolean;
  steps: Step[];
}

interface FileStep {
  type: string;
  payload: string;
  topic?: string;
  qos?: 0 | 1 | 2;
}

interface FileGroup {
  group: string;
  disable?: boolean;
  tests: {
    name: string;
    ver?: number;
    connect?: boolean;
    expect_disconnect?: boolean;
    msgs: FileStep[];
  }[];
}

/** Every sequence of the folder, in the order of file names. Throws WSAR_ERR_FILE. */
export function readSequences(folder: string): Sequence[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return files.sort().flatMap((name) => {
    const groups = JSON.parse(readFileSync(join(folder, name), 'utf8')) as FileGroup[];
    return groups.filter(({ disable }) => disable !== true).flatMap(sequencesOf);
  });
}

function sequencesOf({ group, tests }: FileGroup): Sequence[] {
  return tests.map((test) => {
    const name = `${group} ${test.name}`;
    return {
      name,
      level: test.ver ?? 4,
      logsIn: test.connect ?? true,
      endsClosed: test.expect_disconnect ?? true,
      steps: test.msgs.map((step) => readStep(name, step)),
    };
  });
}

function readStep(name: string, { type, payload, topic, qos }: FileStep): Step {
  if (type === 'publish') return { kind: 'publish', topic: topic ?? '', qos: qos ?? 0, payload };
  if (type !== 'send' && type !== 'recv') {
    throw new WsarError(
      'WSAR_ERR_FILE',
      `sequence '${name}' has a step '${type}', which is not known`,
      'the runner knows send, recv and publish',
    );
  }
  const hex = payload.replace(/\s/g, '');
  const bytes = Buffer.from(hex, 'hex');
  if (bytes.length * 2 !== hex.length) {
    throw new WsarError(
      'WSAR_ERR_FILE',
      `sequence '${name}' has a payload that is not hexadecimal`,
      `see '${payload}'`,
    );
  }
  return { kind: type === 'send' ? 'send' : 'receive', bytes };
}
