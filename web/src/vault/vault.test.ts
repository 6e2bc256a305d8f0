// The browser's own code against the vectors that C++ wrote, and against itself.
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ascii, fromBase64, fromHex, toBase64, toHex, type Bytes } from '../reader/bytes';
import type { Json } from '../reader/log';
import { utf8 } from '../reader/note';
import { IntakeSealer, intakeAad, say, sealText, type SealedValue } from './intake';
import { consentChallenge, consentFingerprint, aadOfView, ReaderKey } from './reader_key';
import { hashOf, type SignedAs } from './signed_hash';

type Case = { name: string; kind: string; outcome: string } & Record<string, unknown>;
const cases = JSON.parse(readFileSync(new URL('../../../tests/vectors/disclosure.json', import.meta.url), 'utf8'))
  .cases as Case[];
const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

describe('what is signed', () => {
  const written = cases.filter((c) => c.outcome === 'ok' && (c.kind === 'change' || c.kind === 'step'));
  test.each(written)('$kind: $name', async ({ kind, json, hash }) => {
    const as: SignedAs = kind === 'change' ? 'CWS1 chart' : 'CWS1 step';
    expect(toHex(await hashOf(as, json as Json))).toBe(hash);
  });
});

describe('a reader\'s key', () => {
  test('is signed as the keeper wants it', async () => {
    const vector = cases.find((c) => c.kind === 'reader')!;
    const key = await ReaderKey.make();
    Object.defineProperty(key, 'publicKey', { value: fromHex(vector.key as string) });
    expect(toHex(await key.challenge(vector.person as string, vector.at as number))).toBe(vector.challenge);
  });
  test('of a command line is for one call and one purpose', async () => {
    const vector = cases.find((c) => c.kind === 'consent')!;
    const scope = { call: vector.call as string, purpose: vector.purpose as 'transcript' };
    const key = fromHex(vector.key as string);
    expect(toHex(await consentChallenge(vector.person as string, key, vector.at as number, scope))).toBe(vector.challenge);
    expect((await consentFingerprint(key, scope)).replaceAll('-', '')).toBe(vector.fingerprint);
    expect(await consentFingerprint(key, scope)).toMatch(/^([0-9a-f]{4}-){3}[0-9a-f]{4}$/);
    expect(await consentFingerprint(key, { ...scope, purpose: 'export' })).not.toBe(await consentFingerprint(key, scope));
  });
  test('does not leave the page', async () => {
    const key = await ReaderKey.make();
    expect(key.pair.privateKey.extractable).toBe(false);
    await expect(crypto.subtle.exportKey('pkcs8', key.pair.privateKey)).rejects.toThrow();
  });
  test('opens what was sealed to it, for just this view', async () => {
    const key = await ReaderKey.make();
    const request = '07'.repeat(16);
    const sender = await suite.createSenderContext({
      recipientPublicKey: await suite.kem.deserializePublicKey(key.publicKey.buffer),
      info: ascii('callward reader v1').buffer,
    });
    const sealed = await sender.seal(utf8('Carla').buffer, aadOfView(request, 5, 3).buffer);
    const answer = { enc: toBase64(new Uint8Array(sender.enc)), sealed: toBase64(new Uint8Array(sealed)) };
    expect(new TextDecoder().decode(await key.open(answer, aadOfView(request, 5, 3)))).toBe('Carla');
    await expect(key.open(answer, aadOfView(request, 6, 3))).rejects.toThrow('corrupt');
  });
});

describe('the intake', () => {
  test('seals what the keeper opens, for just this purpose', async () => {
    const pair = await suite.kem.generateKeyPair();
    const publicKey = toBase64(new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey)));
    const sealed = await sealText({ key: 4, publicKey }, 'sunshine42', 'field', ['ab', 'password']);
    const open = async (aad: string): Promise<string> => {
      const recipient = await suite.createRecipientContext({
        recipientKey: pair,
        enc: fromBase64(sealed.enc).buffer,
        info: ascii('callward intake v1').buffer,
      });
      return new TextDecoder().decode(await recipient.open(fromBase64(sealed.ciphertext).buffer, utf8(aad).buffer));
    };
    expect(sealed.key).toBe(4);
    expect(await open(intakeAad('field', ['ab', 'password']))).toBe('sunshine42');
    await expect(open(intakeAad('check', ['ab', 'password']))).rejects.toThrow();
  });
  test('seals the values of one intake one after another in one context', async () => {
    const pair = await suite.kem.generateKeyPair();
    const publicKey = toBase64(new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey)));
    const sealer = await IntakeSealer.to({ key: 4, publicKey });
    const values = ['Carla', '+49 1511', 'Nothing'];
    const sealed: SealedValue[] = [];
    for (const [i, text] of values.entries()) sealed.push(await sealer.text(text, 'field', ['ab', `f${i}`]));
    expect(new Set(sealed.map((one) => one.enc)).size).toBe(1);
    const open = async (order: number[]): Promise<string[]> => {
      const recipient = await suite.createRecipientContext({ recipientKey: pair, enc: fromBase64(sealed[0]!.enc).buffer, info: ascii('callward intake v1').buffer });
      const opened = [];
      for (const i of order)
        opened.push(new TextDecoder().decode(await recipient.open(fromBase64(sealed[i]!.ciphertext).buffer, utf8(intakeAad('field', ['ab', `f${i}`])).buffer)));
      return opened;
    };
    expect(await open([0, 1, 2])).toEqual(values);
    await expect(open([1, 0, 2])).rejects.toThrow();
  });
  test('writes the purpose as the vectors do', () => {
    const [good, other] = cases.filter((c) => c.kind === 'intake') as [Case, Case];
    const about = ['00112233445566778899aabbccddeeff', 'name'];
    expect(intakeAad('field', about)).toBe(good.aad);
    expect(intakeAad('check', about)).toBe(other.aad);
  });
  test('hides what is said behind its hash', async () => {
    const [one, two] = [await say('because'), await say('because')];
    expect(toHex(one.hash)).not.toBe(toHex(two.hash));
    const digest = async (plain: Bytes): Promise<string> =>
      toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', plain)));
    expect(await digest(one.plain)).toBe(toHex(one.hash));
  });
});
