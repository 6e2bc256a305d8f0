// The sealed record (its layout: src/keys/record.hpp). A reader gets record keys, never a node of the key tree:
// it checks the commitment, because GCM does not commit to its key, and only then decrypts.
import { ascii, concat, equal, refuse, sha256, view, type Bytes } from './bytes';

export const HEADER_BYTES = 72;
export const TAG_BYTES = 16;
const PAYLOAD_BYTES_MAX = 2 ** 20;
const INDEX_END = 2 ** 20;
const STREAM_MAX = 15;
const DERIVED_SEGMENTS_MAX = 1024;
const NONCE = new Uint8Array(12);

export const KINDS = { audio: 1, words: 2, peaks: 3, findings: 4, call_data: 16 } as const;
export type KindName = keyof typeof KINDS;
const NAMES = new Map<number, KindName>(Object.entries(KINDS).map(([name, n]) => [n, name as KindName]));

export interface RecordHeader {
  kind: KindName;
  stream: number;
  codec: number;
  first: number;
  last: number;
  payloadBytes: number;
  streams: number;
  salt: Bytes;
  commitment: Bytes;
}

export const isDerived = (kind: KindName): boolean =>
  kind === 'words' || kind === 'peaks' || kind === 'findings';

// Of a record, or of the first one of several.
export function parseHeader(raw: Bytes): RecordHeader {
  if (raw.length < HEADER_BYTES || !equal(raw.subarray(0, 4), ascii('CWR1'))) refuse('malformed', 'header');
  const numbers = view(raw);
  const kind = NAMES.get(raw[5]!);
  if (raw[4] !== 1 || kind === undefined) refuse('unsupported', 'header');
  const header: RecordHeader = {
    kind,
    stream: raw[6]!,
    codec: raw[7]!,
    first: numbers.getUint32(8, true),
    last: numbers.getUint32(12, true),
    payloadBytes: numbers.getUint32(16, true),
    streams: numbers.getUint16(20, true),
    salt: raw.slice(24, 40),
    commitment: raw.slice(40, 72),
  };
  if (header.payloadBytes > PAYLOAD_BYTES_MAX) refuse('too_large', 'header');
  const derived = isDerived(kind);
  const contradicts =
    numbers.getUint16(22, true) !== 0 ||
    header.stream > STREAM_MAX ||
    header.first > header.last ||
    header.last >= INDEX_END ||
    derived !== (header.streams !== 0) ||
    (derived ? header.last - header.first >= DERIVED_SEGMENTS_MAX : header.first !== header.last);
  if (contradicts) refuse('malformed', 'header');
  return header;
}

export const recordBytes = (header: RecordHeader): number => HEADER_BYTES + header.payloadBytes + TAG_BYTES;

export function parseRecord(raw: Bytes): RecordHeader {
  const header = parseHeader(raw);
  if (raw.length !== recordBytes(header)) refuse('malformed', 'length');
  return header;
}

// Records stand one behind the other; each says its own length.
export function splitRecords(raw: Bytes): Bytes[] {
  const out: Bytes[] = [];
  for (let at = 0; at < raw.length; ) {
    const bytes = recordBytes(parseHeader(raw.subarray(at)));
    if (at + bytes > raw.length) refuse('malformed', 'length');
    out.push(raw.subarray(at, at + bytes));
    at += bytes;
  }
  return out;
}

export const commitmentOf = (header: RecordHeader, key: Bytes): Promise<Bytes> =>
  sha256(ascii('CWC1'), Uint8Array.of(KINDS[header.kind]), header.salt, key);

export async function openRecord(raw: Bytes, owner: Bytes, key: Bytes): Promise<Bytes> {
  const header = parseRecord(raw);
  if (!equal(await commitmentOf(header, key), header.commitment)) refuse('corrupt', 'commitment');
  const aes = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt']);
  try {
    const plain = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv: NONCE, additionalData: concat(raw.subarray(0, HEADER_BYTES), owner), tagLength: 128 },
      aes,
      raw.subarray(HEADER_BYTES),
    );
    return new Uint8Array(plain);
  } catch {
    return refuse('corrupt', 'tag');
  }
}
