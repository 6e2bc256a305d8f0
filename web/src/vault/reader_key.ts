// The key of this page: made at sign-in, signed by the passkey, gone with the page. What somebody may read comes sealed
// to it; its secret half cannot leave the browser.
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { ascii, concat, fromBase64, fromHex, refuse, sha256, toHex, type Bytes } from '../reader/bytes';

export interface SealedAnswer {
  enc: string;
  sealed: string;
}

const hpke = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

const u32 = (value: number): Bytes => {
  const raw = new Uint8Array(4);
  new DataView(raw.buffer).setUint32(0, value, true);
  return raw;
};
const i64 = (value: number): Bytes => {
  const raw = new Uint8Array(8);
  new DataView(raw.buffer).setBigInt64(0, BigInt(value), true);
  return raw;
};
// The associated data of each kind of answer (docs: vault_protocol.hpp).
export const aadOfView = (request: string, number: number, leaf: number): Bytes =>
  concat(fromHex(request), u32(number), u32(leaf));
export const aadOfWords = (request: string, number: number): Bytes => concat(fromHex(request), u32(number));
export const aadOfQuery = (customer: string, ofCase: number, leaf: number): Bytes =>
  concat(fromHex(customer), u32(ofCase), u32(leaf));

// The challenge that the passkey signs: SHA-256("CWS1 reader" || person || key || at).
export async function readerChallenge(person: string, publicKey: Bytes, at: number): Promise<Bytes> {
  return sha256(ascii('CWS1 reader'), fromHex(person), publicKey, i64(at));
}

// Of a command line: one call, for one purpose. The challenge and what two screens compare are made of the same.
export type ReaderPurpose = 'play' | 'export' | 'transcript' | 'challenge';
const PURPOSES: Record<ReaderPurpose, number> = { play: 1, export: 2, transcript: 3, challenge: 4 };
export interface Scope {
  call: string;
  purpose: ReaderPurpose;
}
const scopeBytes = ({ call, purpose }: Scope): Bytes => concat(fromHex(call), new Uint8Array([PURPOSES[purpose]]));
export async function consentChallenge(person: string, publicKey: Bytes, at: number, scope: Scope): Promise<Bytes> {
  return sha256(ascii('CWS2 reader'), fromHex(person), publicKey, i64(at), scopeBytes(scope));
}
export async function consentFingerprint(publicKey: Bytes, scope: Scope): Promise<string> {
  const digest = await sha256(ascii('CWS2 fingerprint'), publicKey, scopeBytes(scope));
  return toHex(digest.subarray(0, 8)).replace(/(.{4})(?!$)/g, '$1-');
}

export class ReaderKey {
  private constructor(
    readonly pair: CryptoKeyPair,
    readonly publicKey: Bytes,
  ) {}

  // The secret half is made so that no script reads it: it works in this page and its workers, and is written nowhere.
  static async make(): Promise<ReaderKey> {
    const pair = (await crypto.subtle.generateKey({ name: 'X25519' }, false, ['deriveBits'])) as CryptoKeyPair;
    return new ReaderKey(pair, new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)));
  }

  challenge(person: string, at: number): Promise<Bytes> {
    return readerChallenge(person, this.publicKey, at);
  }

  async open(answer: SealedAnswer, aad: Bytes): Promise<Bytes> {
    try {
      const recipient = await hpke.createRecipientContext({
        recipientKey: this.pair,
        enc: fromBase64(answer.enc).buffer,
        info: ascii('callward reader v1').buffer,
      });
      return new Uint8Array(await recipient.open(fromBase64(answer.sealed).buffer, aad.buffer));
    } catch {
      return refuse('corrupt', 'answer');
    }
  }
}
