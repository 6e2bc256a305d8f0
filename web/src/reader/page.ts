// The key store's file (docs/formats/page.md): superblock, sealed pages, and what stands inside them. A page's key
// stands in its parent; the root's comes of the epoch key. So this opens nothing whose epoch key was destroyed.
import { ascii, equal, refuse, sha256, toHex, view, type Bytes } from './bytes';
import { crc32c } from './object';

const SUPERBLOCK_BYTES = 52;
const HEAD_BYTES = 40;
const TAG_BYTES = 16;
const PAYLOAD_BYTES_MAX = 9 * 2 ** 20;
const ROWS_PER_LEAF = 32;
const ROW_BYTES_MAX = 256 * 2 ** 10;
const CHILDREN_MAX = 256;
const CHILD_BYTES = 45;
const ROOT_HEAD_BYTES = 24;
const ROOT_LEVEL = 3;
const NONCE = new Uint8Array(12);

export interface Superblock {
  generation: number;
  epoch: number;
  rootOffset: number;
  rootBytes: number;
  logSize: number;
}

// What does not fit into a double would be an offset or a count that no disk has.
function u64(numbers: DataView, at: number): number {
  const value = numbers.getBigUint64(at, true);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : refuse('malformed', 'number');
}

export function readSuperblock(raw: Bytes): Superblock {
  if (raw.length < SUPERBLOCK_BYTES || !equal(raw.subarray(0, 4), ascii('CWSB'))) refuse('malformed', 'superblock');
  const numbers = view(raw);
  if (crc32c(raw.subarray(0, 48)) !== numbers.getUint32(48, true)) refuse('corrupt', 'superblock');
  if (raw[4] !== 1) refuse('unsupported', 'superblock');
  return {
    generation: u64(numbers, 8),
    epoch: u64(numbers, 16),
    rootOffset: u64(numbers, 24),
    rootBytes: numbers.getUint32(32, true),
    logSize: u64(numbers, 40),
  };
}

function roleOf(level: number): number {
  if (level === 0) return 1;
  return level === ROOT_LEVEL ? 3 : 2;
}

// `key`: as it stands in the parent; for the root, the epoch key.
export async function openPage(raw: Bytes, level: number, index: number, key: Bytes): Promise<Bytes> {
  if (raw.length < HEAD_BYTES + TAG_BYTES || !equal(raw.subarray(0, 4), ascii('CWK1'))) refuse('malformed', 'page');
  if (raw[4] !== 1) refuse('unsupported', 'page');
  const numbers = view(raw);
  const bytes = numbers.getUint32(16, true);
  if (bytes > PAYLOAD_BYTES_MAX || raw.length !== HEAD_BYTES + bytes + TAG_BYTES) refuse('malformed', 'length');
  const salt = raw.subarray(24, 40);
  const itsPlace =
    raw[5] === roleOf(level) &&
    raw[6] === level &&
    raw[7] === 0 &&
    numbers.getBigUint64(8, true) === BigInt(index) &&
    numbers.getUint32(20, true) === 0 &&
    (level === ROOT_LEVEL || salt.every((byte) => byte === 0));
  if (!itsPlace) refuse('corrupt', 'place');
  const own = level === ROOT_LEVEL ? await sha256(ascii('CWP1'), salt, key) : key;
  const aes = await crypto.subtle.importKey('raw', own, 'AES-GCM', false, ['decrypt']);
  try {
    const sealed = raw.subarray(HEAD_BYTES);
    const aad = raw.subarray(0, HEAD_BYTES);
    return new Uint8Array(
      await crypto.subtle.decrypt({ name: 'AES-GCM', iv: NONCE, additionalData: aad, tagLength: 128 }, aes, sealed),
    );
  } catch {
    return refuse('corrupt', 'tag');
  }
}

export interface Row {
  slot: number;
  row: Bytes;
}
export function readRows(raw: Bytes): Row[] {
  if (raw.length < 1 || raw[0]! > ROWS_PER_LEAF) refuse('malformed', 'rows');
  const numbers = view(raw);
  const rows: Row[] = [];
  let [at, before] = [1, -1];
  for (let left = raw[0]!; left > 0; --left) {
    if (at + 5 > raw.length) refuse('malformed', 'rows');
    const [slot, bytes] = [raw[at]!, numbers.getUint32(at + 1, true)];
    const end = at + 5 + bytes;
    if (slot <= before || slot >= ROWS_PER_LEAF || bytes > ROW_BYTES_MAX || end > raw.length)
      refuse('malformed', 'rows');
    rows.push({ slot, row: raw.slice(at + 5, end) });
    [at, before] = [end, slot];
  }
  if (at !== raw.length) refuse('malformed', 'rows');
  return rows;
}

export interface Child {
  slot: number;
  offset: number;
  bytes: number;
  key: Bytes;
}
export function readInner(raw: Bytes): Child[] {
  if (raw.length < 2) refuse('malformed', 'inner');
  const numbers = view(raw);
  const count = numbers.getUint16(0, true);
  if (count > CHILDREN_MAX || raw.length !== 2 + count * CHILD_BYTES) refuse('malformed', 'inner');
  const children: Child[] = [];
  let before = -1;
  for (let at = 2; at < raw.length; at += CHILD_BYTES) {
    const slot = raw[at]!;
    if (slot <= before) refuse('malformed', 'inner');
    before = slot;
    const [offset, bytes] = [u64(numbers, at + 1), numbers.getUint32(at + 9, true)];
    children.push({ slot, offset, bytes, key: raw.slice(at + 13, at + CHILD_BYTES) });
  }
  return children;
}

export interface Root {
  nextRow: number;
  history: string;
  children: Child[];
}
export function readRoot(raw: Bytes): Root {
  if (raw.length < ROOT_HEAD_BYTES) refuse('malformed', 'root');
  return {
    nextRow: u64(view(raw), 0),
    history: toHex(raw.subarray(8, ROOT_HEAD_BYTES)),
    children: readInner(raw.slice(ROOT_HEAD_BYTES)),
  };
}
