// Reads the vectors with an implementation of its own, written from the formats' pages and sharing no line
// with src/ or web/: what C++ and this agree on is the format, not one program's habit.
//
//   node tests/vectors/check.mjs [folder]        exits 1 and names each case that reads otherwise
import { createCipheriv, createDecipheriv, createPublicKey, timingSafeEqual, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readDisclosure } from './check_disclosure.mjs';
import { readErasureProof } from './check_proof.mjs';
import {
  canonical, endLeaf, firstLeaf, fromHex, INDEX_BITS, keyOf, leafHash, LEVELS, NONCE, openNote, refuse, Refused, rootOf, sha256, signedBy, strict64,
} from './parts.mjs';

const folder = process.argv[2] ?? dirname(fileURLToPath(import.meta.url));
const casesOf = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')).cases;

// ---- tree ----
const child = (key, bit) => sha256(Buffer.from('CWT1'), Buffer.from([bit]), key);
const leafOf = (stream, index) => stream * 2 ** INDEX_BITS + index;

function parseCover(raw, levels) {
  if (raw.length < 2 || raw.length !== 2 + raw.readUInt16LE(0) * 36) refuse('malformed', 'cover');
  const nodes = [];
  let end = 0;
  for (let at = 2; at < raw.length; at += 36) {
    const node = { level: raw[at], index: raw.readUIntLE(at + 1, 3), key: raw.subarray(at + 4, at + 36) };
    if (node.level > levels || node.index >= 2 ** node.level || firstLeaf(node, levels) < end) refuse('malformed', 'cover');
    end = endLeaf(node, levels);
    nodes.push(node);
  }
  return nodes;
}
function writeCover(nodes) {
  const raw = Buffer.alloc(2 + nodes.length * 36);
  raw.writeUInt16LE(nodes.length, 0);
  nodes.forEach((node, i) => {
    raw[2 + i * 36] = node.level;
    raw.writeUIntLE(node.index, 3 + i * 36, 3);
    node.key.copy(raw, 6 + i * 36);
  });
  return raw.toString('hex');
}
// Keeps what `wanted` says of each node: 'all', 'none' or 'some' of the leaves beneath it.
function keep(nodes, levels, wanted) {
  return nodes.flatMap((node) => {
    const share = wanted(firstLeaf(node, levels), endLeaf(node, levels));
    if (share !== 'some') return share === 'all' ? [node] : [];
    return keep([0, 1].map((bit) => ({ level: node.level + 1, index: node.index * 2 + bit, key: child(node.key, bit) })), levels, wanted);
  });
}
const without = (nodes, levels, [first, end]) => first === end ? nodes
  : keep(nodes, levels, (a, b) => (b <= first || a >= end ? 'all' : a >= first && b <= end ? 'none' : 'some'));
const within = (nodes, levels, first, end) =>
  keep(nodes, levels, (a, b) => (b <= first || a >= end ? 'none' : a >= first && b <= end ? 'all' : 'some'));
const wholeOf = (item) => item.punctured.reduce((nodes, range) => without(nodes, item.levels, range), [{ level: 0, index: 0, key: fromHex(item.root) }]);
function leafKey(nodes, levels, leaf) {
  const node = nodes.find((n) => firstLeaf(n, levels) <= leaf && leaf < endLeaf(n, levels));
  if (!node) return null;
  let key = node.key;
  for (let shift = levels - node.level - 1; shift >= 0; --shift) key = child(key, Math.floor(leaf / 2 ** shift) % 2);
  return key;
}

function readTree(item) {
  if (item.kind === 'leaf') {
    const key = leafKey([{ level: 0, index: 0, key: fromHex(item.root) }], LEVELS, leafOf(item.stream, item.index));
    return key.toString('hex') === item.leaf;
  }
  if (item.kind === 'slice') return writeCover(within(wholeOf(item), item.levels, item.first, item.end)) === item.cover;
  const nodes = parseCover(fromHex(item.cover), item.levels);
  if (item.kind === 'cover')
    return writeCover(wholeOf(item)) === item.cover &&
      item.opens.every(([leaf, key]) => leafKey(nodes, item.levels, leaf)?.toString('hex') === key) &&
      item.closed.every((leaf) => leafKey(nodes, item.levels, leaf) === null);
  // Forward only: each leaf taken closes itself and everything before it.
  let rest = within(nodes, LEVELS, leafOf(item.stream, 0), leafOf(item.stream + 1, 0));
  for (const [index, expected] of item.takes) {
    const leaf = leafOf(item.stream, index);
    const key = leafKey(rest, LEVELS, leaf);
    if ((key?.toString('hex') ?? null) !== expected) return false;
    if (key) rest = without(rest, LEVELS, [0, leaf + 1]);
  }
  return writeCover(rest) === item.rest;
}

// ---- record ----
const DERIVED = [2, 3, 4], PLAIN = [1, 16];
function readHeader(raw) {
  if (raw.length < 72 || raw.toString('latin1', 0, 4) !== 'CWR1') refuse('malformed', 'header');
  const [version, kind, stream] = [raw[4], raw[5], raw[6]];
  if (version !== 1 || ![...DERIVED, ...PLAIN].includes(kind)) refuse('unsupported', 'header');
  const [first, last, bytes] = [8, 12, 16].map((at) => raw.readUInt32LE(at));
  const streams = raw.readUInt16LE(20);
  if (bytes > 2 ** 20) refuse('too_large', 'header');
  const derived = DERIVED.includes(kind);
  if (raw.readUInt16LE(22) !== 0 || stream > 15 || first > last || last >= 2 ** INDEX_BITS || derived !== (streams !== 0) ||
      (derived ? last - first >= 1024 : first !== last)) refuse('malformed', 'header');
  if (raw.length !== 72 + bytes + 16) refuse('malformed', 'length');
  return { kind, stream, first, last, streams, derived, salt: raw.subarray(24, 40), commitment: raw.subarray(40, 72) };
}
function recordKey(header, nodes) {
  const leaves = [];
  for (let stream = 0; stream < 16; ++stream) {
    if (header.derived ? !(header.streams >> stream & 1) : stream !== header.stream) continue;
    for (let index = header.first; index <= header.last; ++index)
      leaves.push(leafKey(nodes, LEVELS, leafOf(stream, index)) ?? refuse('erased', 'leaf'));
  }
  return sha256(Buffer.from(header.derived ? 'CWD1' : 'CWE1'), Buffer.from([header.kind]), header.salt, ...leaves);
}
function decrypt(key, aad, sealed, at) {
  const cipher = createDecipheriv('aes-256-gcm', key, NONCE);
  cipher.setAAD(aad);
  cipher.setAuthTag(sealed.subarray(-16));
  try {
    return Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
  } catch {
    return refuse('corrupt', at);
  }
}
function readRecord(item) {
  const raw = fromHex(item.record);
  const header = readHeader(raw);
  const key = recordKey(header, parseCover(fromHex(item.cover), LEVELS));
  const commitment = sha256(Buffer.from('CWC1'), Buffer.from([header.kind]), header.salt, key);
  if (!timingSafeEqual(commitment, header.commitment)) refuse('corrupt', 'commitment');
  const aad = Buffer.concat([raw.subarray(0, 72), fromHex(item.call)]);
  const payload = decrypt(key, aad, raw.subarray(72), 'tag');
  // Sealing again gives the same bytes.
  const cipher = createCipheriv('aes-256-gcm', key, NONCE);
  cipher.setAAD(aad);
  const sealed = Buffer.concat([cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
  return key.toString('hex') === item.key && payload.toString('hex') === item.payload && sealed.equals(raw.subarray(72));
}

// ---- pages ----
const roleOf = (level) => (level === 0 ? 1 : level === 3 ? 3 : 2);
function readPageCase(item) {
  const raw = fromHex(item.bytes);
  if (raw.length < 56 || raw.toString('latin1', 0, 4) !== 'CWK1') refuse('malformed');
  if (raw[4] !== 1) refuse('unsupported');
  const bytes = raw.readUInt32LE(16);
  if (bytes > 9 * 2 ** 20 || raw.length !== 56 + bytes) refuse('malformed');
  if (raw[5] !== roleOf(item.level) || raw[6] !== item.level || raw[7] !== 0 || raw.readBigUInt64LE(8) !== BigInt(item.index) ||
      raw.readUInt32LE(20) !== 0) refuse('corrupt');
  const given = fromHex(item.key);
  const key = item.level === 3 ? sha256(Buffer.from('CWP1'), raw.subarray(24, 40), given) : given;
  return decrypt(key, raw.subarray(0, 40), raw.subarray(40)).toString('hex') === item.payload;
}
function readRows(item) {
  const raw = fromHex(item.bytes);
  const rows = [];
  let at = 1;
  if (raw.length < 1 || raw[0] > 32) refuse('malformed');
  for (let i = 0; i < raw[0]; ++i) {
    if (at + 5 > raw.length) refuse('malformed');
    const [slot, bytes] = [raw[at], raw.readUInt32LE(at + 1)];
    if (slot >= 32 || (rows.length && slot <= rows.at(-1)[0]) || bytes > 256 * 1024 || at + 5 + bytes > raw.length) refuse('malformed');
    rows.push([slot, raw.toString('hex', at + 5, at + 5 + bytes)]);
    at += 5 + bytes;
  }
  if (at !== raw.length) refuse('malformed');
  return JSON.stringify(rows) === JSON.stringify(item.rows);
}
function childrenOf(raw) {
  if (raw.length < 2 || raw.readUInt16LE(0) > 256 || raw.length !== 2 + raw.readUInt16LE(0) * 45) refuse('malformed');
  const children = [];
  for (let at = 2; at < raw.length; at += 45) {
    if (children.length && raw[at] <= children.at(-1)[0]) refuse('malformed');
    children.push([raw[at], Number(raw.readBigUInt64LE(at + 1)), raw.readUInt32LE(at + 9), raw.toString('hex', at + 13, at + 45)]);
  }
  return children;
}
function readRoot(item) {
  const raw = fromHex(item.bytes);
  if (raw.length < 24) refuse('malformed');
  return JSON.stringify(childrenOf(raw.subarray(24))) === JSON.stringify(item.children) &&
    Number(raw.readBigUInt64LE(0)) === item.next_row && raw.toString('hex', 8, 24) === item.history;
}
function crc32c(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; ++i) crc = crc >>> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
  }
  return ~crc >>> 0;
}
function readSuperblock(item) {
  const raw = fromHex(item.bytes);
  if (raw.length < 52 || raw.toString('latin1', 0, 4) !== 'CWSB') refuse('malformed');
  if (crc32c(raw.subarray(0, 48)) !== raw.readUInt32LE(48)) refuse('corrupt');
  if (raw[4] !== 1) refuse('unsupported');
  const u64 = (at) => Number(raw.readBigUInt64LE(at));
  return u64(8) === item.generation && u64(16) === item.epoch && u64(24) === item.root_offset &&
    raw.readUInt32LE(32) === item.root_bytes && u64(40) === item.log_size;
}
const readPage = (item) => ({
  page: readPageCase, rows: readRows, root: readRoot, superblock: readSuperblock,
  inner: (one) => JSON.stringify(childrenOf(fromHex(one.bytes))) === JSON.stringify(one.children),
})[item.kind](item);

// ---- spool ----
const SPOOL_TYPES = 13;
function readFrame(item, raw) {
  if (raw.length < 40 || raw.toString('latin1', 0, 4) !== 'CWSF' || raw.readBigUInt64LE(8) !== BigInt(item.generation)) refuse('not_found');
  const bytes = raw.readUInt32LE(32), whole = Math.ceil((40 + bytes) / 8) * 8;
  if (bytes > 4 * 2 ** 20 || whole > raw.length) refuse('corrupt');
  const payload = raw.subarray(40, 40 + bytes);
  if (crc32c(Buffer.concat([raw.subarray(0, 36), payload])) !== raw.readUInt32LE(36)) refuse('corrupt');
  if (raw[5] !== 1 || raw[4] < 1 || raw[4] > SPOOL_TYPES) refuse('unsupported');
  return raw[4] === item.type && raw.toString('hex', 16, 32) === item.call && payload.toString('hex') === item.payload && whole === item.length;
}
function readSpoolFile(item, raw) {
  if (raw.length < 4096 || raw.toString('latin1', 0, 4) !== 'CWSP' || crc32c(raw.subarray(0, 24)) !== raw.readUInt32LE(24)) refuse('malformed');
  if (raw.readUInt16LE(4) !== 1) refuse('unsupported');
  return Number(raw.readBigUInt64LE(8)) === item.generation && Number(raw.readBigUInt64LE(16)) === item.file_bytes;
}
const readSpool = (item) => ({ frame: readFrame, file: readSpoolFile })[item.kind](item, fromHex(item.bytes));

// ---- derived ----
function readWords(item, raw) {
  if (raw.length !== 1024 || raw.readUInt16LE(0) > 170) refuse('malformed');
  const words = [];
  let at = 2;
  for (let i = raw.readUInt16LE(0); i > 0; --i) {
    if (at + 6 > raw.length || at + 6 + raw[at + 5] > raw.length) refuse('malformed');
    const [start, end, past] = [raw.readUInt16LE(at), raw.readUInt16LE(at + 2), at + 6 + raw[at + 5]];
    if (end < start) refuse('malformed');
    words.push([start, end, raw[at + 4], raw.toString('utf8', at + 6, past)]);
    at = past;
  }
  return JSON.stringify(words) === JSON.stringify(item.words) && raw.subarray(at).every((byte) => byte === 0);
}
function peakLevel(loudest) {
  const biased = Math.min(loudest, 32635) + 132, exponent = Math.floor(Math.log2(biased)) - 7;
  return Math.min(255, 2 * (16 * exponent + (biased >> exponent + 3 & 15)));
}
function readPeaks(item, raw) {
  if (raw.length !== 128 || raw[0] > 50) refuse('malformed');
  const levels = item.loudest.map(peakLevel);
  return raw.equals(Buffer.concat([Buffer.from([levels.length, ...levels])], 128));
}
const readDerived = (item) => ({ words: readWords, peaks: readPeaks })[item.kind](item, fromHex(item.bytes));

// ---- log ----
function treeRoot(hashes) { // RFC 6962, 2.1
  if (hashes.length === 1) return hashes[0];
  let split = 1;
  while (2 * split < hashes.length) split *= 2;
  return sha256(Buffer.from([1]), treeRoot(hashes.slice(0, split)), treeRoot(hashes.slice(split)));
}
// The types that stand in the vectors, with their fields: docs/log-entries.md has all.
const TYPES = { keeper_started: 'epoch,log_size,mirrors', call_missing: 'cause,sip_status', call_ended: 'cause,ended_at,ends' };
function readEntry(item, raw) {
  let entry;
  try {
    entry = JSON.parse(raw.toString('utf8'));
  } catch {
    refuse('malformed');
  }
  if (canonical(entry) !== raw.toString('utf8')) refuse('malformed');
  if (entry.v !== 1) refuse('unsupported');
  if (Object.keys(entry.data).sort().join() !== TYPES[entry.type]) refuse('malformed');
  return leafHash(raw).toString('hex') === item.leaf;
}
function entriesOf(raw, count) { // u16 big-endian length, entry
  const entries = [];
  let at = 0;
  for (; count > 0; --count) {
    if (at + 2 > raw.length || at + 2 + raw.readUInt16BE(at) > raw.length) refuse('corrupt');
    entries.push(raw.subarray(at + 2, at += 2 + raw.readUInt16BE(at)));
  }
  if (at !== raw.length) refuse('corrupt');
  return entries;
}
function readTile(item, raw) {
  if (raw.length !== 32 * item.width) refuse('corrupt');
  const hashes = Array.from({ length: item.width }, (_, i) => raw.subarray(32 * i, 32 * i + 32));
  return treeRoot(hashes).toString('hex') === item.root;
}
const SPKI_ED25519 = fromHex('302a300506032b6570032100');
function readCheckpoint(item, raw) {
  const [, origin, id, key] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(item.verifier);
  const point = Buffer.from(key, 'base64').subarray(1);
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_ED25519, point]), format: 'der', type: 'spki' });
  if (sha256(Buffer.from(`${origin}\n\x01`), point).toString('hex', 0, 4) !== id) return false;
  const note = raw.toString('utf8'), gap = note.lastIndexOf('\n\n');
  if (gap < 0 || !note.endsWith('\n')) refuse('malformed');
  const body = note.slice(0, gap + 1);
  let verified = false;
  for (const line of note.slice(gap + 2, -1).split('\n')) {
    const [, name, signature] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? refuse('malformed');
    const blob = Buffer.from(signature, 'base64');
    if (name !== origin || blob.toString('hex', 0, 4) !== id) continue;
    if (!verify(null, Buffer.from(body), publicKey, blob.subarray(4))) refuse('corrupt');
    verified = true;
  }
  if (!verified) refuse('corrupt');
  const [first, size, root] = body.split('\n');
  return first === origin && Number(size) === item.size && Buffer.from(root, 'base64').toString('hex') === item.root;
}
function batchAt(raw, at) { // null: none holds here
  if (at + 24 > raw.length || raw.toString('latin1', at, at + 4) !== 'CWJB') return null;
  const end = at + 24 + raw.readUInt32LE(at + 4);
  const covered = Buffer.concat([raw.subarray(at + 4, at + 20), raw.subarray(at + 24, end)]);
  if (end > raw.length || crc32c(covered) !== raw.readUInt32LE(at + 20)) return null;
  return { end, first: Number(raw.readBigUInt64LE(at + 8)), entries: entriesOf(raw.subarray(at + 24, end), raw.readUInt32LE(at + 16)) };
}
function readJournal(item, raw) {
  let end = 0, held = 0;
  for (let batch; (batch = batchAt(raw, end)) !== null; end = batch.end) {
    if (batch.first !== item.first + held) break;
    held += batch.entries.length;
  }
  for (let at = end; at < raw.length; ++at) if (batchAt(raw, at)) refuse('corrupt');
  return held === item.held && end === item.end && (end !== raw.length) === item.torn;
}
const readLog = (item) => ({
  entry: readEntry, tile: readTile, checkpoint: readCheckpoint, journal: readJournal,
  bundle: (one, raw) => entriesOf(raw, one.count).length === one.count,
})[item.kind](item, fromHex(item.bytes));

// ---- receipts (C2SP tlog-proof, signed-note, tlog-cosignature) ----
const receipts = JSON.parse(readFileSync(join(folder, 'receipt.json'), 'utf8'));
function readReceipt(item) {
  const gap = item.receipt.indexOf('\n\n');
  const lines = item.receipt.slice(0, Math.max(gap, 0)).split('\n');
  if (gap < 0 || lines.shift() !== 'c2sp.org/tlog-proof@v1') refuse('malformed', 'head');
  let entry = lines[0]?.startsWith('extra ') ? strict64(lines.shift().slice(6)) : null;
  const index = /^index (0|[1-9][0-9]*)$/.exec(lines.shift() ?? '')?.[1] ?? refuse('malformed', 'index');
  const proof = lines.map(strict64);
  if (proof.some((hash) => hash.length !== 32)) refuse('malformed', 'proof');
  if (item.entry !== undefined) entry = Buffer.from(item.entry);
  const note = openNote(item.receipt.slice(gap + 2));
  const log = keyOf(receipts.log_key);
  const [origin, size, root] = note.body.split('\n');
  if (!signedBy(note, log) || origin !== log.name) refuse('corrupt', 'signature');
  const witnesses = receipts.witness_keys.map(keyOf).filter((key) => signedBy(note, key));
  if (witnesses.length < (item.quorum ?? 0)) refuse('corrupt', 'witnesses');
  if (Number(index) >= Number(size)) refuse('corrupt', 'index');
  const leaf = sha256(Buffer.from([0]), entry);
  return rootOf(leaf, Number(index), Number(size), proof).toString('base64') === root || refuse('corrupt', 'root');
}

// ---- all of them ----
const proofKey = JSON.parse(readFileSync(join(folder, 'proof.json'), 'utf8')).log_key;
let read = 0;
const wrong = [];
const READERS = {
  'tree.json': readTree, 'record.json': readRecord, 'page.json': readPage,
  'spool.json': readSpool, 'derived.json': readDerived, 'log.json': readLog, 'receipt.json': readReceipt,
  'proof.json': (item) => readErasureProof(item, proofKey),
  'disclosure.json': readDisclosure,
};
for (const [name, reader] of Object.entries(READERS)) {
  for (const item of casesOf(name)) {
    let outcome = 'ok', at;
    try {
      if (!reader(item)) outcome = 'something else';
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      ({ outcome, at } = error);
    }
    ++read;
    if (outcome !== item.outcome || (item.fails_at !== undefined && at !== item.fails_at))
      wrong.push(`${name}: "${item.name}": expected ${item.outcome} ${item.fails_at ?? ''}, read ${outcome} ${at ?? ''}`);
  }
}
console.log(wrong.length ? wrong.join('\n') : `${read} vectors read as they should`);
process.exit(wrong.length || read === 0 ? 1 : 0);
