import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { checkBytes, pathOf, qr } from './qr';

const size = (grid: boolean[][]): number => grid.length;
const uri = 'otpauth://totp/Example%20Company:olga?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example%20Company';

const PRINTS = ['c35c87a89853263f', '1b41f427b7c235e6', 'b32e6e50edfa358f'];

describe('a QR code', () => {
  test('has the size that its text needs', () => {
    expect(size(qr('a'))).toBe(21);
    expect(size(qr('a'.repeat(14)))).toBe(21);
    expect(size(qr('a'.repeat(15)))).toBe(25);
    expect(size(qr('a'.repeat(412)))).toBe(77);
    expect(() => qr('a'.repeat(413))).toThrow(RangeError);
  });
  test('has check bytes by which the whole divides without rest', () => {
    const data = Uint8Array.from([64, 86, 134, 86, 198, 198, 242, 194, 4, 132, 20, 37, 34, 16, 236, 17]);
    const check = checkBytes(data, 10);
    expect([...checkBytes(Uint8Array.from([...data, ...check]), 10)]).toEqual(new Array(10).fill(0));
  });
  test('has its three corners, and neither more nor less ink than paper by much', () => {
    const grid = qr(uri);
    const corner = (x: number, y: number): string =>
      [0, 1, 2, 3, 4, 5, 6].map((dy) => [0, 1, 2, 3, 4, 5, 6].map((dx) => (grid[y + dy]![x + dx] ? '#' : '.')).join('')).join('\n');
    const end = grid.length - 7;
    const wanted = ['#######', '#.....#', '#.###.#', '#.###.#', '#.###.#', '#.....#', '#######'].join('\n');
    expect([corner(0, 0), corner(end, 0), corner(0, end)]).toEqual([wanted, wanted, wanted]);
    const dark = grid.flat().filter(Boolean).length / grid.flat().length;
    expect(dark).toBeGreaterThan(0.4);
    expect(dark).toBeLessThan(0.6);
    expect(pathOf(grid).startsWith('M4 4h1v1h-1z')).toBe(true);
  });
  // Another project's reader (zxing-cpp) read these; so they stay.
  test('is as it was when a reader read it', () => {
    const print = (text: string): string =>
      createHash('sha256').update(qr(text).map((row) => row.map(Number).join('')).join('\n')).digest('hex').slice(0, 16);
    expect([uri, 'ä'.repeat(150), 'w'.repeat(412)].map(print)).toEqual(PRINTS);
  });
});
