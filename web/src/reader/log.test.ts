// What no vector file holds: joins of two trees, for every pair of small sizes, and the table of entry types.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Refused, sha256, type Bytes } from './bytes';
import { ENTRY_TYPES, type Fields } from './entry_types';
import { rootOf } from './log';
import { checkConsistency, leafHash } from './note';

const SIZE_MAX = 17;
const leaves = await Promise.all(Array.from({ length: SIZE_MAX }, (_, i) => leafHash(Uint8Array.of(i))));
const root = (first: number, end: number): Promise<Bytes> => rootOf(leaves.slice(first, end));

// RFC 6962, 2.1.2, word for word.
async function subproof(old: number, first: number, end: number, whole: boolean): Promise<Bytes[]> {
  if (old === end - first) return whole ? [] : [await root(first, end)];
  const left = 2 ** Math.ceil(Math.log2(end - first) - 1);
  return old <= left
    ? [...(await subproof(old, first, first + left, whole)), await root(first + left, end)]
    : [...(await subproof(old - left, first + left, end, false)), await root(first, first + left)];
}

describe('a consistency proof', () => {
  test('joins every two trees of up to 17 leaves, and no changed one', async () => {
    for (let size = 1; size <= SIZE_MAX; ++size)
      for (let old = 1; old <= size; ++old) {
        const [before, tree] = [{ size: old, root: await root(0, old) }, { size, root: await root(0, size) }];
        const proof = await subproof(old, 0, size, true);
        await checkConsistency(before, tree, proof);
        const other = leaves[0]!.map((byte) => byte ^ 1);
        await expect(checkConsistency({ size: old, root: other }, tree, proof)).rejects.toBeInstanceOf(Refused);
        await expect(checkConsistency(before, { size, root: other }, proof)).rejects.toBeInstanceOf(Refused);
        await expect(checkConsistency(before, tree, [...proof, other])).rejects.toBeInstanceOf(Refused);
        if (proof.length > 0)
          await expect(checkConsistency(before, tree, proof.slice(1))).rejects.toBeInstanceOf(Refused);
      }
  });
  test('of nothing is empty, and of more than there is none', async () => {
    const tree = { size: 3, root: await root(0, 3) };
    await checkConsistency({ size: 0, root: await sha256() }, tree, []);
    await expect(checkConsistency({ size: 4, root: await root(0, 4) }, tree, [])).rejects.toBeInstanceOf(Refused);
  });
});

test('entry types are those of docs/log-entries.md', () => {
  const page = readFileSync(new URL('../../../docs/log-entries.md', import.meta.url), 'utf8');
  const words: Record<string, string> = {
    number: 'whole number',
    signed: 'whole number, negative too',
    text: 'text',
    flag: 'true or false',
    hash: '64 hexadecimal digits',
    list: 'list',
    ranges: 'list of [stream, first, end]',
  };
  const written = page.split('\n## ').slice(1).map((section) => {
    const rows = [...section.matchAll(/^\| (\w+) \| (.+) \|$/gm)].map(([, name, kind]) => [name, kind]);
    return [section.split('\n')[0], rows];
  });
  const known = Object.entries(ENTRY_TYPES as Record<string, Fields>).map(([type, fields]) => [
    type,
    Object.entries(fields).map(([name, kind]) => [
      name, words[kind.replace('?', '')]! + (kind.endsWith('?') ? '; old entries lack it' : ''),
    ]),
  ]);
  expect(known).toEqual(written);
});
