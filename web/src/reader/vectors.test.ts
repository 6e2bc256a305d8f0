// The browser's own code reads the vectors that C++ wrote: good ones open to the same bytes, each kind of bad one
// ends as its outcome says.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fromHex, Refused, toHex, type Bytes } from './bytes';
import { verifyObject } from './object';
import { readPeaks, readWords } from './payload';
import { openRecord, parseRecord } from './record';
import { keyOfRecord, leafKey, leafOf, LEVELS, parseCover, puncture, slice, writeCover, type Node } from './tree';

interface Case {
  name: string;
  outcome: string;
  [field: string]: unknown;
}
const casesOf = (file: string): Case[] =>
  JSON.parse(readFileSync(new URL(`../../../tests/vectors/${file}`, import.meta.url), 'utf8')).cases;
const hex = (value: unknown): Bytes => fromHex(value as string);

async function outcomeOf(read: () => Promise<void>): Promise<{ outcome: string; at?: string }> {
  try {
    await read();
    return { outcome: 'ok' };
  } catch (error) {
    if (error instanceof Refused) return { outcome: error.outcome, at: error.at };
    throw error;
  }
}

describe('record.json', () => {
  const cases = casesOf('record.json');
  test('there are good ones and bad ones', () => {
    expect(cases.filter((c) => c.outcome === 'ok').length).toBeGreaterThan(5);
    expect(new Set(cases.map((c) => c.outcome))).toEqual(
      new Set(['ok', 'malformed', 'unsupported', 'too_large', 'erased', 'corrupt']),
    );
  });
  test.each(cases)('$name: $outcome', async (item) => {
    const found = await outcomeOf(async () => {
      const record = hex(item.record);
      const key = await keyOfRecord(parseRecord(record), parseCover(hex(item.cover)));
      const plain = await openRecord(record, hex(item.call), key);
      expect(toHex(key)).toBe(item.key);
      expect(toHex(plain)).toBe(item.payload);
    });
    expect(found.outcome).toBe(item.outcome);
    if (item.fails_at !== undefined) expect(found.at).toBe(item.fails_at);
  });
});

async function wholeOf(item: Case): Promise<Node[]> {
  let nodes: Node[] = [{ level: 0, index: 0, key: hex(item.root) }];
  for (const [first, end] of item.punctured as [number, number][])
    nodes = await puncture(nodes, item.levels as number, first, end);
  return nodes;
}

const TREE: Record<string, (item: Case) => Promise<void>> = {
  async leaf(item) {
    const root = [{ level: 0, index: 0, key: hex(item.root) }];
    const key = await leafKey(root, LEVELS, leafOf(item.stream as number, item.index as number));
    expect(toHex(key!)).toBe(item.leaf);
  },
  async cover(item) {
    const levels = item.levels as number;
    const nodes = parseCover(hex(item.cover), levels);
    expect(writeCover(await wholeOf(item))).toBe(item.cover);
    for (const [leaf, key] of item.opens as [number, string][])
      expect(toHex((await leafKey(nodes, levels, leaf))!)).toBe(key);
    for (const leaf of item.closed as number[]) expect(await leafKey(nodes, levels, leaf)).toBeNull();
  },
  async slice(item) {
    const part = await slice(await wholeOf(item), item.levels as number, item.first as number, item.end as number);
    expect(writeCover(part)).toBe(item.cover);
  },
  async forward(item) {
    const stream = item.stream as number;
    const nodes = parseCover(hex(item.cover), LEVELS);
    let rest = await slice(nodes, LEVELS, leafOf(stream, 0), leafOf(stream + 1, 0));
    for (const [index, expected] of item.takes as [number, string | null][]) {
      const key = await leafKey(rest, LEVELS, leafOf(stream, index));
      expect(key && toHex(key)).toBe(expected);
      if (key) rest = await puncture(rest, LEVELS, 0, leafOf(stream, index) + 1);
    }
    expect(writeCover(rest)).toBe(item.rest);
  },
};

describe('tree.json', () => {
  test.each(casesOf('tree.json'))('$name: $outcome', async (item) => {
    const found = await outcomeOf(() => TREE[item.kind as string]!(item));
    expect(found.outcome).toBe(item.outcome);
  });
});

describe('object.json', () => {
  test.each(casesOf('object.json'))('$name: $outcome', async (item) => {
    const found = await outcomeOf(async () => {
      const object = await verifyObject(hex(item.hex));
      expect(object.call).toBe(item.call);
      expect(object.root).toBe(item.root);
      expect(object.leaves).toBe(item.leaves);
    });
    expect(found.outcome).toBe(item.outcome);
  });
});

describe('derived.json', () => {
  test.each(casesOf('derived.json'))('$kind: $name: $outcome', async (item) => {
    const found = await outcomeOf(async () => {
      const plain = hex(item.bytes);
      if (item.kind === 'peaks') {
        expect(readPeaks(plain).length).toBe((item.loudest as number[]).length);
        return;
      }
      const words = readWords(plain, 0).map((w) => [w.startMs, w.endMs, w.confidence, w.text]);
      expect(words).toEqual(item.words);
    });
    expect(found.outcome).toBe(item.outcome);
  });
});
