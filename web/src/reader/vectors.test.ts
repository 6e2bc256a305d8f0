// The browser's own code reads the vectors that C++ wrote: good ones open to the same bytes, each kind of bad one
// ends as its outcome says.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fromHex, Refused, toHex, type Bytes } from './bytes';
import { checkReceipt, readBundle, readEntry, readJournal, readReceipt, readTile, rootOf } from './log';
import { leafHash, LOG_KEY, openCheckpoint, parseVerifierKey, utf8, WITNESS_KEY } from './note';
import { verifyObject } from './object';
import { openPage, readInner, readRoot, readRows, readSuperblock, type Child } from './page';
import { readPeaks, readWords } from './payload';
import { readProof } from './proof';
import { checkProof, FINDINGS, type Report } from './proof_check';
import { openRecord, parseRecord } from './record';
import { keyOfRecord, leafKey, leafOf, LEVELS, parseCover, puncture, slice, writeCover, type Node } from './tree';

interface Case {
  name: string;
  outcome: string;
  [field: string]: unknown;
}
interface VectorFile {
  cases: Case[];
  [field: string]: unknown;
}
const fileOf = (file: string): VectorFile =>
  JSON.parse(readFileSync(new URL(`../../../tests/vectors/${file}`, import.meta.url), 'utf8'));
const casesOf = (file: string): Case[] => fileOf(file).cases;
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

const PAGE: Record<string, (item: Case) => Promise<void>> = {
  async page(item) {
    const payload = await openPage(hex(item.bytes), item.level as number, item.index as number, hex(item.key));
    expect(toHex(payload)).toBe(item.payload);
  },
  async rows(item) {
    expect(readRows(hex(item.bytes)).map(({ slot, row }) => [slot, toHex(row)])).toEqual(item.rows);
  },
  async inner(item) {
    expect(readInner(hex(item.bytes)).map(children)).toEqual(item.children);
  },
  async root(item) {
    const root = readRoot(hex(item.bytes));
    expect([root.nextRow, root.history]).toEqual([item.next_row, item.history]);
    expect(root.children.map(children)).toEqual(item.children);
  },
  async superblock(item) {
    const { generation, epoch, rootOffset, rootBytes, logSize } = readSuperblock(hex(item.bytes));
    const said = [item.generation, item.epoch, item.root_offset, item.root_bytes, item.log_size];
    expect([generation, epoch, rootOffset, rootBytes, logSize]).toEqual(said);
  },
};
const children = ({ slot, offset, bytes, key }: Child): unknown => [slot, offset, bytes, toHex(key)];

describe('page.json', () => {
  test.each(casesOf('page.json'))('$kind: $name: $outcome', async (item) => {
    expect((await outcomeOf(() => PAGE[item.kind as string]!(item))).outcome).toBe(item.outcome);
  });
});

const text = (bytes: Bytes): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes);
const LOG: Record<string, (item: Case) => Promise<void>> = {
  async entry(item) {
    readEntry(text(hex(item.bytes)));
    expect(toHex(await leafHash(hex(item.bytes)))).toBe(item.leaf);
  },
  async bundle(item) {
    expect(readBundle(hex(item.bytes), item.count as number).length).toBe(item.count);
  },
  async tile(item) {
    expect(toHex(await rootOf(readTile(hex(item.bytes), item.width as number)))).toBe(item.root);
  },
  async checkpoint(item) {
    const key = await parseVerifierKey(item.verifier as string, LOG_KEY);
    const checkpoint = await openCheckpoint(text(hex(item.bytes)), key);
    expect([checkpoint.size, toHex(checkpoint.root)]).toEqual([item.size, item.root]);
  },
  async journal(item) {
    const { entries, end, torn } = readJournal(hex(item.bytes), item.first as number);
    expect([entries.length, end, torn]).toEqual([item.held, item.end, item.torn]);
  },
};

describe('log.json', () => {
  test.each(casesOf('log.json'))('$kind: $name: $outcome', async (item) => {
    expect((await outcomeOf(() => LOG[item.kind as string]!(item))).outcome).toBe(item.outcome);
  });
});

describe('receipt.json', () => {
  const file = fileOf('receipt.json');
  test.each(file.cases)('$name: $outcome', async (item) => {
    const found = await outcomeOf(async () => {
      const log = await parseVerifierKey(file.log_key as string, LOG_KEY);
      const keys = await Promise.all((file.witness_keys as string[]).map((key) => parseVerifierKey(key, WITNESS_KEY)));
      const entry = item.entry === undefined ? null : utf8(item.entry as string);
      const quorum = (item.quorum as number | undefined) ?? 0;
      await checkReceipt(readReceipt(item.receipt as string), entry, log, { keys, quorum });
    });
    expect(found.outcome).toBe(item.outcome);
  });
});

describe('proof.json', () => {
  const file = fileOf('proof.json');
  test('every finding of this reader is in the file', () => {
    const all = file.cases.flatMap((item) => (item.findings ?? []) as string[]);
    expect([...new Set(all)].sort()).toEqual([...FINDINGS].sort());
  });
  test.each(file.cases)('$name: $outcome', async (item) => {
    let report: Report | undefined;
    const found = await outcomeOf(async () => {
      const key = await parseVerifierKey(file.log_key as string, LOG_KEY);
      report = await checkProof(readProof(item.proof as string), key);
    });
    const findings = [...new Set(report?.findings.map((one) => one.kind))].sort();
    expect(findings.length > 0 ? 'corrupt' : found.outcome).toBe(item.outcome);
    if (item.findings !== undefined) expect(findings).toEqual(item.findings);
    if (item.outcome !== 'ok') return;
    expect([...report!.notes].sort()).toEqual([...(item.notes as string[])].sort());
    expect([report!.kept, report!.opens, report!.lost]).toEqual([item.kept, item.opens, item.lost]);
    expect(report!.checkpoint!.size).toBe(item.size);
    const erased = report!.erased.map(({ orderedAt, erasedAt, ...one }) => ({
      ...one, ordered_at: orderedAt, erased_at: erasedAt,
    }));
    expect(erased).toEqual(item.erased);
  });
});
