// The format of a result, as the headers of its answer name it.

/** The format that a statement names at its end, or undefined. */
export function formatOf(sql: string): string | undefined {
  const tail = sql.slice(-TAIL_LENGTH_MAX);
  return /\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[^;]*)?;?\s*$/i.exec(tail)?.[1];
}

const TAIL_LENGTH_MAX = 4096;

const CONTENT_TYPES: Record<string, string> = {
  JSON: 'application/json',
  JSONCompact: 'application/json',
  JSONStrings: 'application/json',
  JSONColumns: 'application/json',
  JSONEachRow: 'application/x-ndjson',
  JSONCompactEachRow: 'application/x-ndjson',
  JSONStringsEachRow: 'application/x-ndjson',
  CSV: 'text/csv',
  CSVWithNames: 'text/csv; header=present',
  TabSeparated: 'text/tab-separated-values',
  TabSeparatedWithNames: 'text/tab-separated-values',
  TSV: 'text/tab-separated-values',
  TSVWithNames: 'text/tab-separated-values',
  XML: 'application/xml',
};
const BINARY = /^(?:RowBinary|Native|Parquet|Arrow|ORC|Avro|MsgPack|Protobuf|BSON|CapnProto)/i;

/** Content-Type of a result in this format. */
export function contentType(format: string): string {
  if (BINARY.test(format)) return 'application/octet-stream';
  return `${CONTENT_TYPES[format] ?? 'text/plain'}; charset=UTF-8`;
}
