import { expect, test } from 'vitest';
import { fromHex, toHex } from '../reader/bytes';
import { challengeOf, hashReason } from './owners_word';

// The same word stands in src/disclose/owners_word_test.cpp, with the same hash.
test('what is signed is what the keeper hashes', async () => {
  const word = {
    by: '01'.repeat(16), nonce: '02'.repeat(16), customers: 258, keep: { reference_days: 365, contact_days: 30, secret_hours: 24 },
    reasonHash: '03'.repeat(32), stop: 'volume',
  };
  expect(toHex(await challengeOf(word))).toBe('97284d996f18626527032df93ed23a1c4fcdc96b19816df1e1c09599b10e80af');
  expect(toHex(await challengeOf({ ...word, stop: '' }))).not.toBe('97284d996f18626527032df93ed23a1c4fcdc96b19816df1e1c09599b10e80af');
});

test('a reason is proved by r', async () => {
  const { r, hash } = await hashReason('as agreed');
  const again = await crypto.subtle.digest('SHA-256', new Uint8Array([...fromHex(r), ...new TextEncoder().encode('as agreed')]));
  expect(toHex(new Uint8Array(again))).toBe(hash);
});
