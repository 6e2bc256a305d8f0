import { describe, expect, test } from 'vitest';
import type { Mark } from '../../api/client';
import { erasures, needlessOf } from './review';

const gone = (start_ms: number, end_ms: number, reason = 'card') => ({ start_ms, end_ms, reason });

describe('what the listener erased', () => {
  test('is one where it touches, on whatever side, with each reason once', () => {
    expect(erasures([gone(3_000, 4_000), gone(1_000, 2_000), gone(1_500, 2_500, 'cvv'), gone(2_500, 2_600), gone(2_700, 2_800)])).toEqual([
      { startMs: 1_000, endMs: 2_600, reasons: ['card', 'cvv'] },
      { startMs: 2_700, endMs: 2_800, reasons: ['card'] },
      { startMs: 3_000, endMs: 4_000, reasons: ['card'] },
    ]);
  });
  test('is not what a person erased, nor where an agent was private', () => {
    expect(erasures([gone(0, 100, 'reviewer'), gone(200, 300, 'private'), gone(400, 500, 'retention'), gone(600, 700, 'customer_request')])).toEqual([]);
  });
  test('is not what it missed', () => {
    const missed = { type: 'secret_missed', at: 1, by: 'x', kind: 'card', cause: 'keyed', chosen: '', ranges: [[1, 10, 20]] } as Mark;
    expect(erasures([gone(1_000, 2_000), gone(1_900, 2_100)], [missed])).toEqual([{ startMs: 1_900, endMs: 2_100, reasons: ['card'] }]);
  });
  test('is needless by the newest word on it', () => {
    const mark = (first: number, end: number, kind: string, type: Mark['type'] = 'erasure_needless'): Mark =>
      ({ type, at: 1, by: 'x', kind, cause: 'other', chosen: '', ranges: [[0, first, end]] }) as Mark;
    const one = { startMs: 1_000, endMs: 2_000, reasons: ['card'] };
    expect(needlessOf([], one)).toBeUndefined();
    expect(needlessOf([mark(10, 20, 'phone'), mark(10, 20, 'order')], one)?.kind).toBe('order');
    expect(needlessOf([mark(20, 30, 'phone'), mark(10, 20, 'card', 'secret_missed')], one)).toBeUndefined();
  });
});
