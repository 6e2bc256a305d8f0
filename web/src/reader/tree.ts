// The key tree, as an auditor's reader needs it: which leaves a cover still opens. The console never holds a
// node; this is here so that the vectors are read from their covers on, and for proofs.
import { ascii, refuse, sha256, toHex, view, type Bytes } from './bytes';
import { isDerived, KINDS, type RecordHeader } from './record';

export const LEVELS = 24;
export const INDEX_BITS = 20;
const NODE_BYTES = 36;

export interface Node {
  level: number;
  index: number;
  key: Bytes;
}

export const leafOf = (stream: number, index: number): number => stream * 2 ** INDEX_BITS + index;
const child = (key: Bytes, bit: number): Promise<Bytes> => sha256(ascii('CWT1'), Uint8Array.of(bit), key);
const firstLeaf = (node: Node, levels: number): number => node.index * 2 ** (levels - node.level);
const endLeaf = (node: Node, levels: number): number => (node.index + 1) * 2 ** (levels - node.level);

export function parseCover(raw: Bytes, levels = LEVELS): Node[] {
  if (raw.length < 2) refuse('malformed', 'cover');
  const numbers = view(raw);
  if (raw.length !== 2 + numbers.getUint16(0, true) * NODE_BYTES) refuse('malformed', 'cover');
  const nodes: Node[] = [];
  let end = 0;
  for (let at = 2; at < raw.length; at += NODE_BYTES) {
    const node = {
      level: raw[at]!,
      index: raw[at + 1]! | (raw[at + 2]! << 8) | (raw[at + 3]! << 16),
      key: raw.slice(at + 4, at + NODE_BYTES),
    };
    if (node.level > levels || node.index >= 2 ** node.level || firstLeaf(node, levels) < end)
      refuse('malformed', 'cover');
    end = endLeaf(node, levels);
    nodes.push(node);
  }
  return nodes;
}

export function writeCover(nodes: Node[]): string {
  let out = toHex(Uint8Array.of(nodes.length & 0xff, nodes.length >> 8));
  for (const { level, index, key } of nodes)
    out += toHex(Uint8Array.of(level, index & 0xff, (index >> 8) & 0xff, index >> 16)) + toHex(key);
  return out;
}

type Share = 'all' | 'some' | 'none';

async function keep(nodes: Node[], levels: number, share: (first: number, end: number) => Share): Promise<Node[]> {
  const out: Node[] = [];
  for (const node of nodes) {
    const wanted = share(firstLeaf(node, levels), endLeaf(node, levels));
    if (wanted === 'all') out.push(node);
    if (wanted !== 'some') continue;
    for (const bit of [0, 1]) {
      const below = { level: node.level + 1, index: node.index * 2 + bit, key: await child(node.key, bit) };
      out.push(...(await keep([below], levels, share)));
    }
  }
  return out;
}

export async function puncture(nodes: Node[], levels: number, first: number, end: number): Promise<Node[]> {
  if (first >= end) return nodes;
  return keep(nodes, levels, (a, b) => (b <= first || a >= end ? 'all' : a >= first && b <= end ? 'none' : 'some'));
}

export const slice = (nodes: Node[], levels: number, first: number, end: number): Promise<Node[]> =>
  keep(nodes, levels, (a, b) => (b <= first || a >= end ? 'none' : a >= first && b <= end ? 'all' : 'some'));

export async function leafKey(nodes: Node[], levels: number, leaf: number): Promise<Bytes | null> {
  const node = nodes.find((n) => firstLeaf(n, levels) <= leaf && leaf < endLeaf(n, levels));
  if (node === undefined) return null;
  let key = node.key;
  for (let shift = levels - node.level - 1; shift >= 0; --shift) key = await child(key, (leaf >> shift) & 1);
  return key;
}

export async function keyOfRecord(header: RecordHeader, nodes: Node[]): Promise<Bytes> {
  const leaves: Bytes[] = [];
  const derived = isDerived(header.kind);
  for (let stream = 0; stream < 16; ++stream) {
    if (derived ? !((header.streams >> stream) & 1) : stream !== header.stream) continue;
    for (let index = header.first; index <= header.last; ++index)
      leaves.push((await leafKey(nodes, LEVELS, leafOf(stream, index))) ?? refuse('erased', 'leaf'));
  }
  return sha256(ascii(derived ? 'CWD1' : 'CWE1'), Uint8Array.of(KINDS[header.kind]), header.salt, ...leaves);
}
