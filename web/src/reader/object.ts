// A recording object (docs/formats/object.md), checked from its first byte to its last. The root is over
// ciphertext: this verifies for ever, whatever was erased.
import { ascii, equal, refuse, sha256, toHex, view, type Bytes } from './bytes';
import { KINDS, parseRecord } from './record';

const HEAD_FIXED = 16;
const HEAD_BYTES_MAX = 8 * 2 ** 20;
const FOOTER_BYTES = 68;
const ENTRY_BYTES = 24;

export interface RecordingObject {
  call: string;
  kind: 'recording' | 'derived';
  leaves: number;
  root: string;
  records: Bytes[];
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let i = 0; i < 8; ++i) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  return crc;
});
export function crc32c(...parts: Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const part of parts) for (const byte of part) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}

// RFC 6962, bottom up; an odd node goes up as it is.
export async function merkleRoot(leaves: Uint8Array[]): Promise<Bytes> {
  if (leaves.length === 0) return sha256();
  let row = await Promise.all(leaves.map((leaf) => sha256(Uint8Array.of(0), leaf)));
  while (row.length > 1) {
    const up: Promise<Bytes>[] = [];
    for (let i = 0; i < row.length; i += 2)
      up.push(i + 1 < row.length ? sha256(Uint8Array.of(1), row[i]!, row[i + 1]!) : Promise.resolve(row[i]!));
    row = await Promise.all(up);
  }
  return row[0]!;
}

function parseHead(raw: Bytes): { bytes: number; kind: RecordingObject['kind']; call: string } {
  if (raw.length < HEAD_FIXED || !equal(raw.subarray(0, 4), ascii('CWO1'))) refuse('malformed', 'head');
  const numbers = view(raw);
  const [version, kind, bytes] = [numbers.getUint16(4, true), numbers.getUint16(6, true), numbers.getUint32(8, true)];
  if (version !== 1 || (kind !== 1 && kind !== 2)) refuse('unsupported', 'head');
  if (bytes > HEAD_BYTES_MAX || bytes < HEAD_FIXED + 16 + 4 || bytes > raw.length) refuse('malformed', 'head');
  if (crc32c(raw.subarray(0, bytes - 4)) !== numbers.getUint32(bytes - 4, true)) refuse('corrupt', 'head');
  return { bytes, kind: kind === 1 ? 'recording' : 'derived', call: toHex(raw.subarray(16, 32)) };
}

interface Entry {
  offset: number;
  bytes: number;
  raw: Bytes;
}

function parseIndex(raw: Bytes, headBytes: number): { entries: Entry[]; leaves: number; root: Bytes } {
  if (raw.length < headBytes + FOOTER_BYTES) refuse('corrupt', 'footer');
  const at = raw.length - FOOTER_BYTES;
  const footer = raw.subarray(at);
  const numbers = view(footer);
  if (!equal(footer.subarray(0, 4), ascii('CWOF'))) refuse('corrupt', 'footer');
  if (numbers.getUint16(4, true) !== 1) refuse('unsupported', 'footer');
  const [start, count] = [Number(numbers.getBigUint64(8, true)), numbers.getUint32(16, true)];
  if (start < headBytes || start + count * ENTRY_BYTES !== at) refuse('corrupt', 'footer');
  const index = raw.subarray(start, at);
  if (crc32c(index, footer.subarray(0, 64)) !== numbers.getUint32(64, true)) refuse('corrupt', 'index');
  const entries: Entry[] = [];
  let next = headBytes;
  for (let i = 0; i < count; ++i) {
    const entry = index.subarray(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES);
    const [offset, bytes] = [Number(view(entry).getBigUint64(0, true)), view(entry).getUint32(8, true)];
    if (offset !== next || offset + bytes > start) refuse('corrupt', 'index');
    next += bytes;
    entries.push({ offset, bytes, raw: entry });
  }
  const leaves = Number(numbers.getBigUint64(24, true));
  if (next !== start || leaves !== count + 1) refuse('corrupt', 'index');
  return { entries, leaves, root: footer.slice(32, 64) };
}

function recordAt(raw: Bytes, entry: Entry): Bytes {
  const record = raw.subarray(entry.offset, entry.offset + entry.bytes);
  let same = false;
  try {
    const header = parseRecord(record);
    const said = view(entry.raw);
    same =
      header.first === said.getUint32(12, true) &&
      header.last === said.getUint32(16, true) &&
      KINDS[header.kind] === entry.raw[20] &&
      header.stream === entry.raw[21] &&
      header.codec === entry.raw[22];
  } catch {
    same = false;
  }
  if (!same) refuse('corrupt', 'record');
  return record;
}

export async function verifyObject(raw: Bytes): Promise<RecordingObject> {
  const head = parseHead(raw);
  const { entries, leaves, root } = parseIndex(raw, head.bytes);
  const records = entries.map((entry) => recordAt(raw, entry));
  const found = await merkleRoot([raw.subarray(0, head.bytes), ...records]);
  if (!equal(found, root)) refuse('corrupt', 'root');
  return { call: head.call, kind: head.kind, leaves, root: toHex(root), records };
}

