// A whole opening against a keeper of this test's own: keys sealed by HPKE to the reader's key.
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { describe, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { ascii, concat, fromBase64, fromHex, Refused, toBase64, toHex, type Bytes } from './bytes';
import { openPiece, type KeyState, type Piece, type Transport } from './opening';
import { parseRecord } from './record';

const vectors = JSON.parse(readFileSync(new URL('../../../tests/vectors/record.json', import.meta.url), 'utf8'))
  .cases as { name: string; outcome: string; call: string; record: string; key: string; payload: string }[];
const audio = vectors.find((c) => c.name.startsWith('audio: a segment of silence'))!;
const words = vectors.find((c) => c.name === 'words under both streams')!;
const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

interface Twist {
  states?: KeyState[];
  info?: string;
  aad?: Bytes;
  flip?: boolean;
}
function keeper(twist: Twist = {}): Transport {
  const records = [audio, words].map((c) => fromHex(c.record));
  const states = twist.states ?? ['given', 'given'];
  return {
    async open(piece, readerKey) {
      const keys = [audio, words].filter((_, i) => states[i] === 'given').map((c) => fromHex(c.key));
      const recipient = await suite.kem.deserializePublicKey(fromBase64(readerKey).buffer);
      const sender = await suite.createSenderContext({
        recipientPublicKey: recipient,
        info: ascii(twist.info ?? 'callward open v1').buffer,
      });
      const sealed = await sender.seal(concat(...keys).buffer, (twist.aad ?? fromHex(piece.call)).buffer);
      return {
        enc: toBase64(new Uint8Array(sender.enc)),
        sealed: toBase64(new Uint8Array(sealed)),
        records: records.map((record, i) => {
          const { kind, stream, first, last, salt } = parseRecord(record);
          return { kind, stream, first, last, salt: toHex(salt), state: states[i]! };
        }),
      };
    },
    async records(_call, kind) {
      const record = records[kind === 'audio' ? 0 : 1]!.slice();
      if (twist.flip && kind === 'audio') record[100]! ^= 1;
      return record;
    },
  };
}
const piece: Piece = {
  call: audio.call,
  kinds: ['audio', 'words'],
  startMs: 0,
  endMs: 60_000,
  purpose: 'play',
  reason: 'a test of the reader',
};

describe('an opening', () => {
  test('gives the payloads of the vectors', async () => {
    const opened = await openPiece(keeper(), piece);
    expect(opened.map((o) => o.state)).toEqual(['given', 'given']);
    expect(opened.map((o) => toHex(o.plain!))).toEqual([audio.payload, words.payload]);
  });
  test('what is erased has no plain text, and the key of the next one is not taken for it', async () => {
    const opened = await openPiece(keeper({ states: ['erased', 'given'] }), piece);
    expect(opened.map((o) => o.state)).toEqual(['erased', 'given']);
    expect(opened[0]!.plain).toBeNull();
    expect(toHex(opened[1]!.plain!)).toBe(words.payload);
  });
  test('a damaged record is told and harms no other', async () => {
    const opened = await openPiece(keeper({ flip: true }), piece);
    expect(opened.map((o) => o.state)).toEqual(['damaged', 'given']);
  });
  test.each([
    ['another info', { info: 'callward open v2' }],
    ['another call', { aad: new Uint8Array(16) }],
  ])('sealed for %s: refused', async (_, twist) => {
    await expect(openPiece(keeper(twist), piece)).rejects.toBeInstanceOf(Refused);
  });
  test('more than a minute is not asked for', async () => {
    await expect(openPiece(keeper(), { ...piece, endMs: 60_001 })).rejects.toBeInstanceOf(Refused);
  });
});
