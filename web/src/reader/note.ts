// Signed notes (C2SP signed-note, tlog-checkpoint, tlog-cosignature), with Ed25519 by WebCrypto.
import { concat, equal, fromBase64, refuse, sha256, toBase64, toHex, view, type Bytes } from './bytes';

const NOTE_BYTES_MAX = 64 * 2 ** 10;
const LINES_MAX = 128;
const MARK = '\u2014 ';
const ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;
export const HASH_BYTES = 32;
export const LOG_KEY = 1;
export const WITNESS_KEY = 4;

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

// One way only to write a value down: no blanks, padding as it must be, no bits behind the last byte.
export function strictBase64(text: string): Bytes {
  const raw = fromBase64(text);
  return toBase64(raw) === text ? raw : refuse('malformed', 'base64');
}
// Decimal, no zeroes in front.
export function strictNumber(text: string): number {
  const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : refuse('malformed', 'number');
}

export interface VerifierKey {
  name: string;
  algorithm: number;
  id: Bytes;
  key: Bytes;
}
// name+id+base64(algorithm, key); the id is the first 4 bytes of SHA-256(name, line feed, algorithm, key).
export async function parseVerifierKey(text: string, algorithm: number): Promise<VerifierKey> {
  const found = /^([^\s+]+)\+([0-9a-f]{8})\+([^\r\n]+)[\r\n]*$/.exec(text);
  if (!found) return refuse('malformed', 'key');
  const tagged = strictBase64(found[3]!);
  const id = (await sha256(utf8(`${found[1]!}\n`), tagged)).subarray(0, ID_BYTES);
  if (tagged.length !== 1 + HASH_BYTES || tagged[0] !== algorithm || toHex(id) !== found[2])
    refuse('malformed', 'key');
  return { name: found[1]!, algorithm, id, key: tagged.slice(1) };
}

interface Line {
  name: string;
  blob: Bytes;
}
interface Note {
  body: string;
  lines: Line[];
}
export function splitNote(note: string): Note {
  if (utf8(note).length > NOTE_BYTES_MAX) refuse('too_large', 'note');
  const gap = note.lastIndexOf('\n\n');
  if (gap < 0 || !note.endsWith('\n')) refuse('malformed', 'note');
  const signatures = note.slice(gap + 2).split('\n').slice(0, -1);
  if (signatures.length > LINES_MAX) refuse('malformed', 'note');
  const lines = signatures.map((line) => {
    const space = line.indexOf(' ', MARK.length);
    if (!line.startsWith(MARK) || space < 0) refuse('malformed', 'note');
    return { name: line.slice(MARK.length, space), blob: strictBase64(line.slice(space + 1)) };
  });
  return { body: note.slice(0, gap + 1), lines };
}

async function verify(key: Bytes, message: Bytes, signature: Bytes): Promise<boolean> {
  const imported = await crypto.subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
  return crypto.subtle.verify('Ed25519', imported, signature, message);
}

const isOf = (line: Line, key: VerifierKey): boolean =>
  line.name === key.name && equal(line.blob.subarray(0, ID_BYTES), key.id);

export interface Checkpoint {
  origin: string;
  size: number;
  root: Bytes;
}
// Other signatures are let be; one of this key's that does not hold spoils the note.
export async function openCheckpoint(text: string, key: VerifierKey): Promise<Checkpoint> {
  const note = splitNote(text);
  const own = note.lines.filter((line) => isOf(line, key) && line.blob.length === ID_BYTES + SIGNATURE_BYTES);
  if (own.length === 0) refuse('corrupt', 'signature');
  for (const line of own)
    if (!(await verify(key.key, utf8(note.body), line.blob.slice(ID_BYTES)))) refuse('corrupt', 'signature');
  const [origin = '', size = '', root = ''] = note.body.split('\n');
  if (origin === '') refuse('malformed', 'checkpoint');
  const checkpoint = { origin, size: strictNumber(size), root: strictBase64(root) };
  if (checkpoint.root.length !== HASH_BYTES) refuse('malformed', 'checkpoint');
  if (origin !== key.name) refuse('corrupt', 'origin');
  return checkpoint;
}

// When the witness says that it saw the note (POSIX seconds); null when it did not sign, or not so that it holds.
export async function cosignedAt(text: string, witness: VerifierKey): Promise<number | null> {
  const note = splitNote(text);
  const line = note.lines.find((one) => isOf(one, witness));
  if (line?.blob.length !== ID_BYTES + TIME_BYTES + SIGNATURE_BYTES) return null;
  const seconds = view(line.blob).getBigUint64(ID_BYTES, false);
  if (seconds === 0n || seconds >> 63n !== 0n) return null;
  const message = utf8(`cosignature/v1\ntime ${seconds}\n${note.body}`);
  const holds = await verify(witness.key, message, line.blob.slice(ID_BYTES + TIME_BYTES));
  return holds ? Number(seconds) : null;
}

// ---- RFC 9162, 2.1: from the root downwards, as the tree is defined ----
export const leafHash = (entry: Uint8Array): Promise<Bytes> => sha256(Uint8Array.of(0), entry);
export const nodeHash = (left: Uint8Array, right: Uint8Array): Promise<Bytes> =>
  sha256(Uint8Array.of(1), concat(left, right));

function split(size: number): number {
  let left = 1;
  while (2 * left < size) left *= 2;
  return left;
}

async function leadsTo(leaf: Bytes, index: number, size: number, path: Bytes[]): Promise<Bytes> {
  if (size === 1) return path.length === 0 ? leaf : refuse('corrupt', 'path');
  const sibling = path.at(-1) ?? refuse('corrupt', 'path');
  const [left, rest] = [split(size), path.slice(0, -1)];
  return index < left
    ? nodeHash(await leadsTo(leaf, index, left, rest), sibling)
    : nodeHash(sibling, await leadsTo(leaf, index - left, size - left, rest));
}
export async function checkInclusion(leaf: Bytes, index: number, tree: Checkpoint, path: Bytes[]): Promise<void> {
  if (index >= tree.size || !equal(await leadsTo(leaf, index, tree.size, path), tree.root)) refuse('corrupt', 'path');
}

// The roots of the old and the new tree that a consistency proof leads to.
async function joins(
  old: number, size: number, whole: Bytes | null, proof: Bytes[],
): Promise<[Bytes, Bytes]> {
  if (old === size) {
    if (proof.length !== (whole ? 0 : 1)) refuse('corrupt', 'consistency');
    const root = whole ?? proof[0]!;
    return [root, root];
  }
  const sibling = proof.at(-1) ?? refuse('corrupt', 'consistency');
  const [left, rest] = [split(size), proof.slice(0, -1)];
  if (old <= left) {
    const [before, after] = await joins(old, left, whole, rest);
    return [before, await nodeHash(after, sibling)];
  }
  const [before, after] = await joins(old - left, size - left, null, rest);
  return [await nodeHash(sibling, before), await nodeHash(sibling, after)];
}
export async function checkConsistency(
  old: { size: number; root: Bytes }, tree: { size: number; root: Bytes }, proof: Bytes[],
): Promise<void> {
  if (old.size > tree.size) refuse('corrupt', 'consistency');
  if (old.size === 0) {
    if (proof.length !== 0 || !equal(old.root, await sha256())) refuse('corrupt', 'consistency');
    return;
  }
  const [before, after] = await joins(old.size, tree.size, old.root, proof);
  if (!equal(before, old.root) || !equal(after, tree.root)) refuse('corrupt', 'consistency');
}
