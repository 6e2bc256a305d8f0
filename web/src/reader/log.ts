// The audit log's files (docs/formats/log.md): entries, bundles, tiles, journal, receipts.
import { ascii, equal, refuse, view, type Bytes } from './bytes';
import { ENTRY_TYPES, type EntryType, type FieldKind, type Fields } from './entry_types';
import {
  checkInclusion, cosignedAt, HASH_BYTES, leafHash, nodeHash, openCheckpoint, splitNote, strictBase64, strictNumber, utf8,
  type Checkpoint, type VerifierKey,
} from './note';
import { crc32c } from './object';

const ENTRY_BYTES_MAX = 65_535;
const TEXT_BYTES_MAX = 1_024;
const SIGNATURE_BYTES_MAX = 8 * 2 ** 10;
const DEPTH_MAX = 16;
const BATCH_HEAD_BYTES = 24;
const BATCH_BYTES_MAX = 16 * 2 ** 20;
const RECEIPT_BYTES_MAX = 192 * 2 ** 10;
const PATH_MAX = 63;

// ---- entries: RFC 8785, of what an entry may hold ----
export type Json = string | number | boolean | Json[] | { [key: string]: Json };
export type Data = { [key: string]: Json };

export function canonical(value: unknown, depth = 0): string {
  if (depth > DEPTH_MAX) refuse('too_large', 'depth');
  if (typeof value === 'string') return /\p{Surrogate}/u.test(value) ? refuse('malformed', 'text') : JSON.stringify(value);
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : refuse('malformed', 'number');
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return refuse('malformed', 'value');
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  if (fields.some(([key]) => !/^[\x20-\x7e]*$/.test(key) || /["\\]/.test(key))) refuse('malformed', 'key');
  return `{${fields.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item, depth + 1)}`).join(',')}}`;
}

export const isObject = (value: unknown): value is Data =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isWhole = (value: unknown): boolean => typeof value === 'number' && Number.isInteger(value);
const isText = (value: unknown): boolean => typeof value === 'string' && utf8(value).length <= TEXT_BYTES_MAX;
const FITS: Record<FieldKind, (value: unknown) => boolean> = {
  number: isWhole,
  signed: Number.isSafeInteger,
  text: isText,
  flag: (value) => typeof value === 'boolean',
  hash: (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value),
  list: Array.isArray,
  ranges: (value) =>
    Array.isArray(value) && value.every((one) => Array.isArray(one) && one.length === 3 && one.every(isWhole)),
};

export interface Entry {
  type: string;
  actor: string;
  subject: string;
  at: number;
  data: Data;
}

function checkData(type: string, data: Data): void {
  const fields: Fields = Object.hasOwn(ENTRY_TYPES, type) ? ENTRY_TYPES[type as EntryType] : refuse('malformed', 'type');
  let known = 0;
  for (const [name, kind] of Object.entries(fields)) {
    const optional = kind.endsWith('?');
    if (optional && !Object.hasOwn(data, name)) continue;
    if (!Object.hasOwn(data, name) || !FITS[(optional ? kind.slice(0, -1) : kind) as FieldKind](data[name]))
      refuse('malformed', 'data');
    known += 1;
  }
  if (Object.keys(data).length !== known) refuse('malformed', 'data');
}

export function readEntry(text: string): Entry {
  if (utf8(text).length > ENTRY_BYTES_MAX) refuse('too_large', 'entry');
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    refuse('malformed', 'entry');
  }
  if (!isObject(raw) || !isWhole(raw.v)) return refuse('malformed', 'entry');
  if (raw.v !== 1) refuse('unsupported', 'entry');
  const { v: _, type, actor, subject, at, data, prev_step: step, signature, ...more } = raw;
  const whole = [type, actor, subject].every(isText) && isWhole(at) && isObject(data);
  const optional =
    (step === undefined || (isWhole(step) && (step as number) >= 0)) && (signature === undefined || isObject(signature));
  if (!whole || !optional || Object.keys(more).length > 0) refuse('malformed', 'entry');
  if (signature !== undefined && canonical(signature, 1).length > SIGNATURE_BYTES_MAX) refuse('too_large', 'signature');
  const entry = { type, actor, subject, at, data } as Entry;
  checkData(entry.type, entry.data);
  if (canonical(raw) !== text) refuse('malformed', 'canonical');
  return entry;
}

// ---- bundles, tiles ----
export function readBundle(raw: Bytes, count: number): Bytes[] {
  const numbers = view(raw);
  const entries: Bytes[] = [];
  let at = 0;
  for (let left = count; left > 0; --left) {
    const end = at + 2 <= raw.length ? at + 2 + numbers.getUint16(at, false) : Infinity;
    if (end > raw.length) refuse('corrupt', 'bundle');
    entries.push(raw.subarray(at + 2, end));
    at = end;
  }
  return at === raw.length ? entries : refuse('corrupt', 'bundle');
}

export function readTile(raw: Bytes, width: number): Bytes[] {
  if (raw.length !== width * HASH_BYTES) refuse('corrupt', 'tile');
  return Array.from({ length: width }, (_, i) => raw.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
}

// Of hashes of one level, bottom up; the last one of an odd row goes up as it is.
export async function rootOf(hashes: Bytes[]): Promise<Bytes> {
  let row = hashes;
  while (row.length > 1) {
    const up: Promise<Bytes>[] = [];
    for (let i = 0; i < row.length; i += 2)
      up.push(i + 1 < row.length ? nodeHash(row[i]!, row[i + 1]!) : Promise.resolve(row[i]!));
    row = await Promise.all(up);
  }
  return row[0] ?? refuse('corrupt', 'tile');
}

// ---- journal ----
interface Batch {
  first: number;
  entries: Bytes[];
  end: number;
}
function batchAt(raw: Bytes, at: number): Batch | null {
  if (at + BATCH_HEAD_BYTES > raw.length || !equal(raw.subarray(at, at + 4), ascii('CWJB'))) return null;
  const numbers = view(raw);
  const bytes = numbers.getUint32(at + 4, true);
  const end = at + BATCH_HEAD_BYTES + bytes;
  if (bytes > BATCH_BYTES_MAX || end > raw.length) return null;
  const body = raw.subarray(at + BATCH_HEAD_BYTES, end);
  if (crc32c(raw.subarray(at + 4, at + 20), body) !== numbers.getUint32(at + 20, true)) return null;
  const count = numbers.getUint32(at + 16, true);
  if (count === 0) return null;
  return { first: Number(numbers.getBigUint64(at + 8, true)), entries: readBundle(body, count), end };
}

export interface Journal {
  entries: Bytes[];
  end: number;
  torn: boolean;
}
// Bytes behind the last batch were never acknowledged; a batch behind those means that the file was altered.
export function readJournal(raw: Bytes, first: number): Journal {
  const entries: Bytes[] = [];
  let end = 0;
  for (let batch = batchAt(raw, 0); batch?.first === first + entries.length; batch = batchAt(raw, end)) {
    for (const entry of batch.entries) entries.push(entry);
    end = batch.end;
  }
  for (let at = end; at + BATCH_HEAD_BYTES <= raw.length; ++at) if (batchAt(raw, at)) refuse('corrupt', 'journal');
  return { entries, end, torn: end !== raw.length };
}

// ---- receipts (C2SP tlog-proof) ----
export interface Receipt {
  entry: Bytes | null; // what it carries itself
  index: number;
  path: Bytes[];
  note: string;
}
export function readReceipt(text: string): Receipt {
  if (utf8(text).length > RECEIPT_BYTES_MAX) refuse('too_large', 'receipt');
  const gap = text.indexOf('\n\n');
  const lines = gap < 0 ? [] : text.slice(0, gap).split('\n');
  if (lines.shift() !== 'c2sp.org/tlog-proof@v1') refuse('malformed', 'receipt');
  const extra = lines[0]?.startsWith('extra ') ? strictBase64(lines.shift()!.slice(6)) : null;
  const line = lines.shift();
  if (!line?.startsWith('index ')) return refuse('malformed', 'index');
  const index = strictNumber(line.slice(6));
  const path = lines.map(strictBase64);
  if (path.length > PATH_MAX || path.some((hash) => hash.length !== HASH_BYTES)) refuse('malformed', 'path');
  return { entry: extra, index, path, note: text.slice(gap + 2) };
}

export interface Witnesses {
  keys: VerifierKey[];
  quorum: number;
}
// `entry`: what must be at the receipt's index; null: what it carries itself.
export async function checkReceipt(
  receipt: Receipt, entry: Bytes | null, log: VerifierKey, witnesses: Witnesses,
): Promise<Checkpoint> {
  const content = entry ?? receipt.entry ?? refuse('malformed', 'entry');
  splitNote(receipt.note);
  const checkpoint = await openCheckpoint(receipt.note, log);
  const seen = await Promise.all(witnesses.keys.map((key) => cosignedAt(receipt.note, key)));
  if (seen.filter((at) => at !== null).length < witnesses.quorum) refuse('corrupt', 'witnesses');
  await checkInclusion(await leafHash(content), receipt.index, checkpoint, receipt.path);
  return checkpoint;
}
