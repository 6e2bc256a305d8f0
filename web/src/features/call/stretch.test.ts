import { describe, expect, test } from 'vitest';
import { Stretcher, type Pull } from './stretch';

const RATE = 8000;
const voice = (at: number): number => Math.sin((2 * Math.PI * 180 * at) / RATE) * 0.5 + Math.sin((2 * Math.PI * 360 * at) / RATE) * 0.2;
const pull: Pull = (at, left, right) => {
  for (let i = 0; i < left.length; ++i) left[i] = right[i] = voice(at + i);
};
function run(speed: number, seconds: number): { out: Float32Array; at: number } {
  const stretcher = new Stretcher(pull);
  const out = new Float32Array(RATE * seconds);
  stretcher.produce(out, new Float32Array(out.length), speed);
  return { out, at: stretcher.at };
}
// Rising zero crossings a second: the pitch.
function pitch(out: Float32Array): number {
  let crossings = 0;
  for (let i = RATE / 10; i < out.length; ++i) if (out[i - 1]! < 0 && out[i]! >= 0) crossings += 1;
  return crossings / ((out.length - RATE / 10) / RATE);
}

describe('speed without another pitch', () => {
  test('at speed 1 nothing changes', () => {
    const { out } = run(1, 1);
    for (let i = 0; i < out.length; ++i) expect(Math.abs(out[i]! - voice(i))).toBeLessThan(1e-5);
  });
  test.each([0.5, 0.75, 1.5, 2, 3])('at speed %f the time is another and the pitch the same', (speed) => {
    const { out, at } = run(speed, 2);
    expect(at / RATE).toBeCloseTo(2 * speed, 1);
    expect(Math.abs(pitch(out) - 180)).toBeLessThan(4);
  });
  test('no frame is much quieter or louder than the voice', () => {
    const { out } = run(1.5, 2);
    const loud = (from: number): number => Math.sqrt(out.subarray(from, from + 800).reduce((s, x) => s + x * x, 0) / 800);
    for (let from = 800; from < out.length - 800; from += 800) {
      expect(loud(from)).toBeGreaterThan(0.3);
      expect(loud(from)).toBeLessThan(0.45);
    }
  });
});
