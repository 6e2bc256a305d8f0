// One opening: the keeper seals record keys to the reader's X25519 key, which is the page's (or one that is made here
// and dies here); the server passes ciphertext on. The same protocol as the command line's reader (src/app/reader.cpp), written anew.
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { ascii, fromBase64, fromHex, refuse, toBase64, toHex, type Bytes } from './bytes';
import { openRecord, parseRecord, splitRecords, type KindName, type RecordHeader } from './record';

export const PIECE_MS_MAX = 60_000;
const KEY_BYTES = 32;
const INFO = ascii('callward open v1');

export type KeyState = 'given' | 'erased' | 'unheard' | 'refused';
export interface Listed {
  kind: string;
  stream: number;
  first: number;
  last: number;
  salt: string;
  state: KeyState;
}
export interface OpeningAnswer {
  enc: string;
  sealed: string;
  records: Listed[];
}
export interface Piece {
  call: string;
  kinds: KindName[];
  startMs: number;
  endMs: number;
  purpose: 'play' | 'transcript';
  reason: string;
}
// What the network does; tests put their own here.
export interface Transport {
  open(piece: Piece, readerKey: string): Promise<OpeningAnswer>;
  records(call: string, kind: string, stream: number, first: number, end: number): Promise<Bytes>;
}
export interface OpenedRecord {
  header: RecordHeader;
  state: KeyState | 'damaged';
  plain: Bytes | null;
}

const suite = (): CipherSuite =>
  new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

async function fetchRecords(transport: Transport, piece: Piece, listed: Listed[]): Promise<Map<string, Bytes>> {
  const wanted = new Map(listed.map((item) => [`${item.kind}.${item.stream}`, item]));
  const [first, end] = [Math.floor(piece.startMs / 100), Math.ceil(piece.endMs / 100)];
  const bySalt = new Map<string, Bytes>();
  for (const { kind, stream } of wanted.values())
    for (const record of splitRecords(await transport.records(piece.call, kind, stream, first, end)))
      bySalt.set(toHex(record.subarray(24, 40)), record);
  return bySalt;
}

async function openOne(record: Bytes, owner: Bytes, item: Listed, key: Bytes | null): Promise<OpenedRecord> {
  const header = parseRecord(record);
  if (key === null) return { header, state: item.state, plain: null };
  try {
    return { header, state: 'given', plain: await openRecord(record, owner, key) };
  } catch {
    // One damaged record is told and takes nothing else with it.
    return { header, state: 'damaged', plain: null };
  }
}

export async function openPiece(transport: Transport, piece: Piece, own?: CryptoKeyPair): Promise<OpenedRecord[]> {
  if (piece.endMs - piece.startMs > PIECE_MS_MAX || piece.endMs <= piece.startMs) refuse('malformed', 'piece');
  const hpke = suite();
  const pair = own ?? (await hpke.kem.generateKeyPair());
  const readerKey = new Uint8Array(await hpke.kem.serializePublicKey(pair.publicKey));
  const answer = await transport.open(piece, toBase64(readerKey));
  if (answer.records.length === 0) return [];
  const owner = fromHex(piece.call);
  let keys: Bytes;
  try {
    const recipient = await hpke.createRecipientContext({
      recipientKey: pair,
      enc: fromBase64(answer.enc).buffer,
      info: INFO.buffer,
    });
    keys = new Uint8Array(await recipient.open(fromBase64(answer.sealed).buffer, owner.buffer));
  } catch {
    return refuse('corrupt', 'opening');
  }
  const given = answer.records.filter((item) => item.state === 'given').length;
  if (keys.length !== given * KEY_BYTES) refuse('malformed', 'opening');
  const records = await fetchRecords(transport, piece, answer.records);
  let next = 0;
  const work: Promise<OpenedRecord>[] = [];
  for (const item of answer.records) {
    const key = item.state === 'given' ? keys.slice(next, (next += KEY_BYTES)) : null;
    const record = records.get(item.salt);
    if (record !== undefined)
      work.push(openOne(record, owner, item, key).finally(() => key?.fill(0)));
  }
  const out = await Promise.all(work);
  keys.fill(0);
  return out;
}
