import { describe, expect, test } from 'vitest';
import { t } from '../../messages';
import { openOf, viewOf, waitingOf, type Waiting, type Window } from './rules';

const told = (verify: number, release: number, review: number, more = false): Waiting => ({ verify, release, review, more });

describe('what waits for me', () => {
  test('is counted, and opens the list of the most urgent', () => {
    expect(waitingOf(told(1, 2, 4))).toBe(7);
    expect([told(1, 1, 1), told(0, 1, 1), told(0, 0, 1)].map(viewOf)).toEqual(['verify', 'release', 'review']);
  });
  test('is said in words, and bounded', () => {
    expect(t.turns.waiting(1, false)).toBe('1 request waits for you');
    expect(t.turns.waiting(7, false)).toBe('7 requests wait for you');
    expect(t.turns.waiting(100, true)).toBe('99+ requests wait for you');
    expect(t.turns.parts(told(2, 0, 1))).toBe('2 to verify, 1 to review');
  });
});

describe('a window of mine', () => {
  const window = (until: number): Window => ({ request: 'a', state: 'open', until });
  test('is no more open than its time', () => {
    expect(openOf([window(1_000), window(2_000)], 999)).toHaveLength(2);
    expect(openOf([window(1_000), window(2_000)], 1_000)).toEqual([window(2_000)]);
    expect(openOf([window(1_000)], 2_000)).toEqual([]);
  });
});
