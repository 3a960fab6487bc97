// ClickHouse's exceptions, as far as wsar makes or recognises them: the number, the name, the text in the
// form that clients take apart ('Code: N. DB::Exception: text. (NAME)'), the HTTP status. Numbers and
// names are ClickHouse's and never change (`SELECT errorCodeToName(N)`).

export const EXCEPTION_CODES = {
  CANNOT_PARSE_TEXT: 6,
  CANNOT_PARSE_QUOTED_STRING: 26,
  CANNOT_PARSE_INPUT_ASSERTION_FAILED: 27,
  CANNOT_READ_ALL_DATA: 33,
  BAD_ARGUMENTS: 36,
  CANNOT_PARSE_DATETIME: 41,
  ILLEGAL_TYPE_OF_ARGUMENT: 43,
  UNKNOWN_FUNCTION: 46,
  UNKNOWN_IDENTIFIER: 47,
  NOT_IMPLEMENTED: 48,
  UNKNOWN_TYPE: 50,
  TYPE_MISMATCH: 53,
  UNKNOWN_STORAGE: 56,
  UNKNOWN_TABLE: 60,
  SYNTAX_ERROR: 62,
  CANNOT_PARSE_NUMBER: 72,
  UNKNOWN_FORMAT: 73,
  UNKNOWN_DATABASE: 81,
  UNKNOWN_COMPRESSION_METHOD: 89,
  UNKNOWN_SETTING: 115,
  INCORRECT_DATA: 117,
  TOO_LARGE_STRING_SIZE: 131,
  TIMEOUT_EXCEEDED: 159,
  UNKNOWN_USER: 192,
  WRONG_PASSWORD: 193,
  REQUIRED_PASSWORD: 194,
  TOO_MANY_SIMULTANEOUS_QUERIES: 202,
  QUERY_IS_TOO_LARGE: 229,
  ABORTED: 236,
  CANNOT_DECOMPRESS: 271,
  UNKNOWN_QUERY_PARAMETER: 456,
  AUTHENTICATION_FAILED: 516,
  UNKNOWN_EXCEPTION: 1002,
} as const;

export type ExceptionName = keyof typeof EXCEPTION_CODES;

/** A failed statement or request; the message is what a client is shown. */
export class DbException extends Error {
  readonly exceptionCode: number;

  constructor(exceptionCode: number, message: string) {
    super(message);
    this.name = 'DbException';
    this.exceptionCode = exceptionCode;
  }
}

/** An exception of ours in ClickHouse's form. `text` is a sentence without its full stop. */
export function dbException(name: ExceptionName, text: string): DbException {
  const code = EXCEPTION_CODES[name];
  return new DbException(code, `Code: ${code}. DB::Exception: ${text}. (${name})`);
}

/** Whatever the engine threw, as an exception with a code. */
export function toDbException(error: unknown): DbException {
  if (error instanceof DbException) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = exceptionCodeIn(message);
  return code === undefined
    ? dbException('UNKNOWN_EXCEPTION', message)
    : new DbException(code, message);
}

/** The code that stands in the text of an exception of any server version, or undefined. */
export function exceptionCodeIn(text: string): number | undefined {
  const match = /^Code: (\d+)/.exec(text);
  return match === null ? undefined : Number(match[1]);
}

export function isOneOf(code: number | undefined, names: readonly ExceptionName[]): boolean {
  return names.some((name) => EXCEPTION_CODES[name] === code);
}

/** Exceptions about who asks. */
export const LOGIN_EXCEPTIONS: readonly ExceptionName[] = [
  'UNKNOWN_USER',
  'WRONG_PASSWORD',
  'REQUIRED_PASSWORD',
  'AUTHENTICATION_FAILED',
];

/** Exceptions about the data of an insert: it cannot be read, or does not fit its column. */
export const CONTENT_EXCEPTIONS: readonly ExceptionName[] = [
  'CANNOT_PARSE_TEXT',
  'CANNOT_PARSE_QUOTED_STRING',
  'CANNOT_PARSE_INPUT_ASSERTION_FAILED',
  'CANNOT_READ_ALL_DATA',
  'CANNOT_PARSE_DATETIME',
  'TYPE_MISMATCH',
  'CANNOT_PARSE_NUMBER',
  'INCORRECT_DATA',
  'TOO_LARGE_STRING_SIZE',
];

const HTTP_STATUS: [status: number, names: readonly ExceptionName[]][] = [
  [401, ['REQUIRED_PASSWORD']],
  [403, ['UNKNOWN_USER', 'WRONG_PASSWORD', 'AUTHENTICATION_FAILED']],
  [
    400,
    [
      ...CONTENT_EXCEPTIONS,
      'BAD_ARGUMENTS',
      'SYNTAX_ERROR',
      'ILLEGAL_TYPE_OF_ARGUMENT',
      'UNKNOWN_QUERY_PARAMETER',
      'UNKNOWN_COMPRESSION_METHOD',
      'CANNOT_DECOMPRESS',
    ],
  ],
  [
    404,
    [
      'UNKNOWN_FUNCTION',
      'UNKNOWN_IDENTIFIER',
      'UNKNOWN_TYPE',
      'UNKNOWN_STORAGE',
      'UNKNOWN_TABLE',
      'UNKNOWN_FORMAT',
      'UNKNOWN_DATABASE',
      'UNKNOWN_SETTING',
    ],
  ],
  [408, ['TIMEOUT_EXCEEDED']],
  [413, ['QUERY_IS_TOO_LARGE']],
  [501, ['NOT_IMPLEMENTED']],
  [503, ['TOO_MANY_SIMULTANEOUS_QUERIES', 'ABORTED']],
];

/** The HTTP status that goes with an exception, as ClickHouse chooses it; 500 for the rest. */
export function httpStatusOf(exceptionCode: number): number {
  return HTTP_STATUS.find(([, names]) => isOneOf(exceptionCode, names))?.[0] ?? 500;
}
