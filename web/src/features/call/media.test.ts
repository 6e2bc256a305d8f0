// What was opened is gone the moment a range is erased: audio becomes the tone, peaks and words vanish.
import { describe, expect, test } from 'vitest';
import type { Account, Call } from '../../api/client';
import type { Reader } from '../../api/reader';
import type { Piece } from '../../reader/opening';
import { PEAK_MS } from '../../reader/payload';
import type { OpenedItem } from '../../reader/worker';
import { Media } from './media';

const call = {
  duration_ms: 70_000,
  streams: [
    { stream: 0, name: 'customer', codec: 0, end_index: 700 },
    { stream: 1, name: 'agent', codec: 0, end_index: 700 },
  ],
} as Call;
const account = (erased: [number, number][] = []): Account => ({
  call: '',
  intervals: erased.map(([start_ms, end_ms]) => ({ stream: 'customer', start_ms, end_ms, state: 'erased', reason: 'pin' })),
});

function reader(asked: Piece[]): Reader {
  return {
    async open(piece: Piece): Promise<OpenedItem[]> {
      asked.push(piece);
      const items: OpenedItem[] = [];
      for (let first = piece.startMs / 100; first < piece.endMs / 100; ++first)
        for (const stream of [0, 1]) {
          const base = { stream, first, last: first, state: 'given' as const };
          if (piece.kinds.includes('audio')) items.push({ ...base, kind: 'audio', samples: new Int16Array(800).fill(8192) });
          else if (first % 10 === 0) {
            items.push({ ...base, kind: 'peaks', peaks: new Uint8Array(50).fill(first === 200 ? 0 : 120) });
            items.push({ ...base, kind: 'words', words: [{ startMs: first * 100, endMs: first * 100 + 300, confidence: 200, text: `w${first}` }] });
          }
        }
      return items;
    },
    close() {},
  } as unknown as Reader;
}
const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 5));

async function opened(): Promise<{ media: Media; asked: Piece[] }> {
  const asked: Piece[] = [];
  const media = new Media('0'.repeat(32), reader(asked));
  media.reason = 'test';
  media.setCall(call, account());
  await media.overview(() => false);
  return { media, asked };
}
function at(media: Media, ms: number): number {
  const [left, right] = [new Float32Array(40), new Float32Array(40)];
  media.read((ms * 8000) / 1000, left, right);
  return Math.max(...left.map(Math.abs));
}

describe('media', () => {
  test('what is held or about to be erased is as gone from the page as what is erased; kept, it comes again', async () => {
    const { media, asked } = await opened();
    media.want(1_000);
    await settle();
    expect(at(media, 2_050)).toBeGreaterThan(0.1);
    const closed = (reason: string): Account => ({
      call: '',
      intervals: [{ stream: 'customer', start_ms: 2_000, end_ms: 4_000, state: 'sealed', reason }],
    });
    for (const reason of ['held', 'erase_intended']) {
      media.setCall(call, closed(reason));
      expect(media.words.some((word) => word.stream === 0 && word.startMs === 2_000)).toBe(false);
      expect(media.known.get(0)![2_500 / PEAK_MS]).toBe(0);
      expect(media.allClosed([0], 2_000, 4_000)).toBe(true);
      expect(media.allClosed([0], 2_000, 4_100)).toBe(false);
      expect(media.allClosed([0, 1], 2_000, 4_000)).toBe(false);
    }
    media.setCall(call, closed(''));
    media.forgetAudio();
    media.forgetOverview(0, 70_000);
    await media.overview(() => false);
    media.want(1_000);
    await settle();
    expect(asked.length).toBeGreaterThan(4);
    expect(at(media, 2_050)).toBeGreaterThan(0.1);
    expect(media.words.some((word) => word.stream === 0 && word.startMs === 2_000)).toBe(true);
    expect(media.allClosed([0], 2_000, 4_000)).toBe(false);
  });
  test('pieces are at most a minute, and the next one is asked for only when it is near', async () => {
    const { media, asked } = await opened();
    media.want(1_000);
    await settle();
    expect(asked.filter((p) => p.kinds.includes('audio')).map((p) => p.startMs)).toEqual([0]);
    media.want(16_000);
    await settle();
    expect(asked.filter((p) => p.kinds.includes('audio')).map((p) => p.startMs)).toEqual([0, 30_000]);
    expect(asked.every((p) => p.endMs - p.startMs <= 60_000)).toBe(true);
    expect(media.ready(0, 59_000)).toBe(true);
    expect(media.ready(0, 61_000)).toBe(false);
  });
  test('an erasure wipes audio, peaks and words of its side and leaves the rest', async () => {
    const { media } = await opened();
    media.want(1_000);
    await settle();
    expect(at(media, 2_000)).toBeCloseTo(0.25 * 1.2, 2);
    media.setCall(call, account([[2_000, 4_000]]));
    // The agent's side goes on; the customer's is the soft tone.
    const [left, right] = [new Float32Array(800), new Float32Array(800)];
    media.read(16_000, left, right);
    expect(Math.max(...left)).toBeLessThan(0.25 * 0.35 + 0.04);
    expect(Math.max(...left)).toBeGreaterThan(0.25 * 0.35 + 0.02);
    expect(at(media, 5_000)).toBeCloseTo(0.25 * 1.2, 2);
    expect(media.known.get(0)![2_500 / 20]).toBe(0);
    expect(media.known.get(1)![2_500 / 20]).toBe(1);
    const texts = media.words.filter((w) => w.stream === 0).map((w) => w.text);
    expect(texts).not.toContain('w20');
    expect(texts).toContain('w40');
    expect(media.words.filter((w) => w.stream === 1).map((w) => w.text)).toContain('w20');
  });
  test('silence of both sides is skipped, an erased range is not', async () => {
    const { media } = await opened();
    expect(media.nextSound(20_000)).toBe(20_750);
    expect(media.nextSound(10_000)).toBe(10_000);
    media.setCall(call, account([[20_000, 21_000]]));
    expect(media.nextSound(20_000)).toBe(20_000);
  });
  test('nothing is left when the page is left', async () => {
    const { media } = await opened();
    media.want(0);
    await settle();
    media.wipeAll();
    expect(at(media, 1_000)).toBe(0);
    expect(media.words).toEqual([]);
  });
});
