import { describe, expect, test } from 'vitest';
import {
  askDraft, codeTargets, comparable, concernFault, countdown, isSentence, isWindowOpen, mayBeUsed, mayI, narrow, newest, nextByPeople, usualMs,
  releasable, releaseDraft, reviewDraft, verdictOf, windowMs, type FieldChip, type NextStep,
} from './rules';

const chip = (field: string, leaf: number, more: Partial<FieldChip> = {}): FieldChip => ({
  field, leaf, label: field, case: 1, kind: field, class: 'contact', state: 'readable', stored_at: 100, gone_at: 0, kept: '', ...more,
});

describe('countdowns', () => {
  test.each([
    [0, '0:00', 'over'],
    [1, '0:01', 'soon'],
    [59_001, '1:00', 'soon'],
    [600_000, '10:00', 'soon'],
    [600_001, '10:01', 'calm'],
    [3_600_000, '1:00:00', 'calm'],
    [24 * 3_600_000, '1 d 0 h', 'calm'],
  ])('%d ms left', (left, text, urgency) => {
    expect(countdown(5_000 + left, 5_000)).toEqual({ leftMs: left, text, urgency });
  });
  test('what is past is over, not negative', () => {
    expect(countdown(1, 2)).toEqual({ leftMs: 0, text: '0:00', urgency: 'over' });
  });
  test('a window is open while its state and its time say so', () => {
    expect(isWindowOpen({ state: 'open', until: 10 }, 9)).toBe(true);
    expect(isWindowOpen({ state: 'open', until: 10 }, 10)).toBe(false);
    expect(isWindowOpen({ state: 'revoked', until: 10 }, 9)).toBe(false);
  });
});

describe('what may be said', () => {
  // As tests/attack and chain_test.cpp have it.
  test.each([
    ['.', 'short'], ['                    ', 'short'], ['needed', 'short'],
    ['aaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'few_words'], ['please please please please please', 'few_words'],
    ['the the the router router router broke broke broke', 'repeats'],
  ])('%j is no concern', (text, fault) => {
    expect(concernFault(text)).toBe(fault);
  });
  test.each(['The router was replaced and the customer waits for the new password', 'Клиент просит прислать новый договор почтой'])('%j is one', (text) => {
    expect(concernFault(text)).toBeNull();
  });
  test('a sentence has two words and ten letters', () => {
    expect(isSentence('it is genuine')).toBe(true);
    expect(isSentence('genuineness')).toBe(false);
    expect(isSentence('it is')).toBe(false);
  });
  test('a verdict is three lines, whatever is typed', () => {
    expect(verdictOf([' a b ', 'c\nd', 'e']).split('\n')).toEqual(['a b', 'c d', 'e']);
  });
});

describe('drafts', () => {
  const request = { request: '07'.repeat(16), state: 'verified' as const, asked: [1, 4, 6], released: [] as number[] };
  test('name each field once, in order', () => {
    expect(askDraft('ab', 2, [6], 'own_data', 600_000)).toEqual({ kind: 'ask', customer: 'ab', case: 2, fields: [], category: 'own_data', window_ms: 0 });
    expect(askDraft('ab', 2, [6, 1, 6], 'billing', 600_000)).toEqual({ kind: 'ask', customer: 'ab', case: 2, fields: [1, 6], category: 'billing', window_ms: 600_000 });
  });
  test('of a review answer both; what nobody has seen was not used', () => {
    expect(reviewDraft('07', true, false)).toEqual({ request: '07', kind: 'review', needed: true, used: false });
    expect([mayBeUsed({ category: 'billing', views: 0 }), mayBeUsed({ category: 'billing', views: 1 }), mayBeUsed({ category: 'own_data', views: 0 })]).toEqual([false, true, true]);
  });
  test('narrow, and never widen', () => {
    expect(narrow([1, 4, 6], [6, 9, 1])).toEqual([1, 6]);
    expect(releaseDraft(request, 'release', [9, 4], 60_000)).toEqual({ request: request.request, kind: 'release', fields: [4], window_ms: 60_000 });
  });
  test('the second of two releases what the first one did, or less', () => {
    const half = { ...request, state: 'half_released' as const, released: [4] };
    expect(releasable(half)).toEqual([4]);
    expect(releaseDraft(half, 'release', [1, 4, 6], 60_000).fields).toEqual([4]);
  });
  test('a window is at least a minute and at most what the policy has', () => {
    expect(windowMs(0, 3_600_000)).toBe(60_000);
    expect(windowMs(15, 3_600_000)).toBe(900_000);
    expect(windowMs(999, 3_600_000)).toBe(3_600_000);
    expect(windowMs(NaN, 3_600_000)).toBe(0);
  });
});

describe('what is compared', () => {
  const fields = [
    chip('name', 0), chip('phone', 1), chip('query', 2), chip('email', 3), chip('email', 7, { stored_at: 300 }), chip('pin', 4, { state: 'gone' }),
    chip('service_word', 5, { state: 'compare_only' }),
  ];
  test('the newest of each field', () => {
    expect(newest(fields).map((one) => one.leaf)).toEqual([0, 1, 2, 7, 4, 5]);
  });
  test('was known before anybody asked, and is not what was dialled', () => {
    expect(comparable(fields, 200).map((one) => one.leaf)).toEqual([0, 5]);
    const secret = [chip('password', 6, { class: 'secret' }), chip('email', 12, { class: 'secret' }), chip('nickname', 13, { kind: 'name' })];
    expect(comparable(secret, 200).map((one) => one.leaf)).toEqual([13]);
    expect(codeTargets(secret, 200, 1)).toEqual([]);
    expect(comparable(fields, 400).map((one) => one.leaf)).toEqual([0, 7, 5]);
    expect(codeTargets(fields, 200, 1)).toEqual([]);
    expect(codeTargets(fields, 400, 1).map((one) => one.leaf)).toEqual([7]);
  });
  test('a code goes to an address, or to another number than the one that is dialled', () => {
    const mobile = [chip('mobile', 8, { kind: 'phone' }), chip('mobile', 9, { kind: 'phone' }), chip('work', 10, { kind: 'phone', stored_at: 300 })];
    const gone = chip('fax', 11, { kind: 'phone', state: 'gone' });
    expect(codeTargets([...fields, ...mobile, gone], 200, 1).map((one) => one.leaf)).toEqual([9]);
    expect(codeTargets([...fields, ...mobile, gone], 400, 1).map((one) => one.leaf)).toEqual([7, 9, 10]);
    // Without a number on file nothing is dialled, and none is another one.
    expect(codeTargets([...fields, ...mobile], 400, null).map((one) => one.leaf)).toEqual([7]);
  });
});

describe('who may go on', () => {
  const next: NextStep[] = [
    { step: 'assign', who: 'the system', me: 'no', why: 'system' },
    { step: 'withdraw', who: 'the requester', me: 'no', why: 'requester' },
    { step: 'review', who: 'a superior', me: 'yes', why: '' },
  ];
  test('is said of people alone', () => {
    expect(nextByPeople(next).map((one) => one.step)).toEqual(['withdraw', 'review']);
    expect([mayI(next, 'withdraw'), mayI(next, 'review'), mayI(next, 'release')]).toEqual([false, true, false]);
  });
});

describe('the window that is offered first', () => {
  const limits = { window_ms: 900_000, window_ms_max: 1_800_000 };
  test('is what was wished, else the policy’s usual, and never more than that', () => {
    expect(usualMs(600_000, 0, limits)).toBe(600_000);
    expect(usualMs(0, 0, limits)).toBe(900_000);
    expect(usualMs(3_600_000, 0, limits)).toBe(900_000);
    expect(usualMs(0, 0, {})).toBe(900_000);
  });
  test('of the second of two is what the first one released', () => {
    expect(usualMs(600_000, 300_000, limits)).toBe(300_000);
    expect(usualMs(600_000, 1_500_000, limits)).toBe(1_500_000);
    expect(usualMs(600_000, 3_600_000, limits)).toBe(1_800_000);
  });
});
