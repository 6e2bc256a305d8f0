// What the readers of this folder share: bytes, places in the key tree, canonical JSON, signed notes, inclusion.
import { createHash, createPublicKey, verify } from 'node:crypto';

export const fromHex = (text) => Buffer.from(text, 'hex');
export const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
export const INDEX_BITS = 20, LEVELS = 24, NONCE = Buffer.alloc(12);

export class Refused extends Error {
  constructor(outcome, at) { super(`${outcome} at ${at}`); this.outcome = outcome; this.at = at; }
}
export const refuse = (outcome, at) => { throw new Refused(outcome, at); };

// ---- tree ----
export const firstLeaf = (node, levels) => node.index * 2 ** (levels - node.level);
export const endLeaf = (node, levels) => (node.index + 1) * 2 ** (levels - node.level);

// ---- log ----
export const leafHash = (entry) => sha256(Buffer.from([0]), entry);
// Keys in order, no blank: RFC 8785 for what an entry may hold.
export const canonical = (value) => Array.isArray(value) ? `[${value.map(canonical)}]`
  : typeof value === 'object' ? `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)}}`
    : typeof value === 'number' && !Number.isSafeInteger(value) ? refuse('malformed') : JSON.stringify(value);

// ---- signed notes ----
export const strict64 = (text) => {
  const raw = Buffer.from(text, 'base64');
  return raw.toString('base64') === text ? raw : refuse('malformed', 'base64');
};
export function keyOf(text) { // name+hash+key
  const [, name, hash, key] = /^([^+]+)\+([^+]+)\+(.+)$/.exec(text) ?? refuse('malformed', 'key'); // base64 has pluses, too
  const tagged = strict64(key);
  if (sha256(Buffer.from(`${name}\n`), tagged).toString('hex', 0, 4) !== hash) refuse('malformed', 'key');
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), tagged.subarray(1)]);
  return { name, id: hash, algorithm: tagged[0], key: createPublicKey({ key: spki, format: 'der', type: 'spki' }) };
}
export function openNote(note) {
  const gap = note.lastIndexOf('\n\n');
  if (gap < 0 || !note.endsWith('\n')) refuse('malformed', 'note');
  const lines = note.slice(gap + 2).split('\n').slice(0, -1).map((line) => {
    const [mark, name, blob, more] = line.split(' ');
    if (mark !== '\u2014' || blob === undefined || more !== undefined) refuse('malformed', 'note');
    return { name, blob: strict64(blob) };
  });
  return { body: note.slice(0, gap + 1), lines };
}
export function signedBy(note, key) {
  const line = note.lines.find((one) => one.name === key.name && one.blob.toString('hex', 0, 4) === key.id);
  if (!line) return false;
  if (key.algorithm === 1) return verify(null, Buffer.from(note.body), key.key, line.blob.subarray(4));
  const message = `cosignature/v1\ntime ${line.blob.readBigUInt64BE(4)}\n${note.body}`;
  return verify(null, Buffer.from(message), key.key, line.blob.subarray(12));
}
// From the leaf upwards: which side the proof's hash stands on, the index and the size say.
export function rootOf(leaf, index, size, proof) {
  let [node, last, hash] = [index, size - 1, leaf];
  for (const other of proof) {
    if (last === 0) refuse('corrupt', 'proof');
    if (node % 2 === 1 || node === last) {
      hash = sha256(Buffer.from([1]), other, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else hash = sha256(Buffer.from([1]), hash, other);
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 ? hash : refuse('corrupt', 'proof');
}
