import { describe, expect, test } from 'vitest';
import { readAudio, readPeaks, readWords } from './payload';

function audioPayload(): Uint8Array<ArrayBuffer> {
  const plain = new Uint8Array(848).fill(0xff, 0, 800);
  plain.fill(0xff, 800, 812);
  plain[812] = 0x0f;
  return plain;
}

describe('audio', () => {
  test('silence of both codecs is silence, and the extremes are G.711’s', () => {
    const plain = audioPayload();
    plain[0] = 0x00;
    plain[1] = 0x80;
    const mu = readAudio(plain, 0).samples;
    expect([mu[0], mu[1], mu[2]]).toEqual([-32124, 32124, 0]);
    plain.fill(0xd5, 0, 800);
    plain[0] = 0xaa;
    plain[1] = 0x2a;
    const a = readAudio(plain, 8).samples;
    expect([a[0], a[1], a[2]]).toEqual([32256, -32256, 8]);
  });
  test('digits and flags', () => {
    const plain = audioPayload();
    plain[813] = 1;
    plain.set([0x23, 40, 9, 0], 814);
    plain[846] = 2;
    const segment = readAudio(plain, 0);
    expect(segment.digits).toEqual([{ digit: '#', startMs: 40 }]);
    expect(segment.silent).toBe(true);
  });
  test.each([
    ['size', (p: Uint8Array) => p.subarray(1)],
    ['count', (p: Uint8Array) => ((p[813] = 9), p)],
    ['key', (p: Uint8Array) => ((p[813] = 1), (p[814] = 0x58), p)],
    ['flags', (p: Uint8Array) => ((p[846] = 8), p)],
  ])('a wrong %s is refused', (_, spoil) => {
    expect(() => readAudio(spoil(audioPayload()) as Uint8Array<ArrayBuffer>, 0)).toThrow('malformed');
  });
});

describe('words and peaks', () => {
  test('words stand at their time in the call', () => {
    const plain = new Uint8Array(1024);
    plain.set([1, 0, 0x2c, 0x01, 0x90, 0x01, 200, 5], 0);
    plain.set(new TextEncoder().encode('hello'), 8);
    expect(readWords(plain, 4000)).toEqual([{ startMs: 4300, endMs: 4400, confidence: 200, text: 'hello' }]);
    plain[7] = 255;
    plain[0] = 200;
    expect(() => readWords(plain, 0)).toThrow('malformed');
  });
  test('peaks', () => {
    const plain = new Uint8Array(128);
    plain.set([2, 7, 9]);
    expect([...readPeaks(plain)]).toEqual([7, 9]);
    plain[0] = 51;
    expect(() => readPeaks(plain)).toThrow('malformed');
  });
});
