// A QR code (ISO/IEC 18004), as little of it as a secret for an authenticator needs: bytes, level M, up to version 15.
const VERSIONS_MAX = 15;
const CHECK_BYTES = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24]; // of a block, by version
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10];
const LEVEL_M = 0;

// ---- the field of 256 elements, x^8 + x^4 + x^3 + x^2 + 1 ----
const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; ++i) {
  EXP[i] = EXP[i + 255] = x;
  LOG[x] = i;
  x = (x << 1) ^ (x & 0x80 ? 0x11d : 0);
}
const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : EXP[LOG[a]! + LOG[b]!]!);

// The remainder of the data by (x - 1)(x - 2)(x - 4)…
export function checkBytes(data: Uint8Array, count: number): Uint8Array {
  let generator = [1];
  for (let i = 0; i < count; ++i) {
    const next = [...generator, 0];
    generator.forEach((factor, at) => (next[at + 1]! ^= times(factor, EXP[i]!)));
    generator = next;
  }
  const rest = new Uint8Array(count);
  for (const byte of data) {
    const lead = byte ^ rest[0]!;
    rest.copyWithin(0, 1);
    rest[count - 1] = 0;
    for (let i = 0; i < count; ++i) rest[i]! ^= times(generator[i + 1]!, lead);
  }
  return rest;
}

const alignments = (version: number): number[] => {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  return [6, ...Array.from({ length: count - 1 }, (_, i) => version * 4 + 10 - i * step).reverse()];
};
function bytesOf(version: number): number {
  let bits = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const count = Math.floor(version / 7) + 2;
    bits -= (25 * count - 10) * count - 55;
    if (version >= 7) bits -= 36;
  }
  return bits >> 3;
}
const dataBytesOf = (version: number): number => bytesOf(version) - CHECK_BYTES[version - 1]! * BLOCKS[version - 1]!;
const lengthBits = (version: number): number => (version < 10 ? 8 : 16);

function dataOf(text: Uint8Array, version: number): Uint8Array {
  const bits: number[] = [];
  const put = (value: number, count: number): void => {
    for (let i = count - 1; i >= 0; --i) bits.push((value >> i) & 1);
  };
  put(4, 4);
  put(text.length, lengthBits(version));
  for (const byte of text) put(byte, 8);
  const capacity = dataBytesOf(version) * 8;
  put(0, Math.min(4, capacity - bits.length));
  put(0, (8 - (bits.length % 8)) % 8);
  for (let pad = 0xec; bits.length < capacity; pad ^= 0xec ^ 0x11) put(pad, 8);
  return Uint8Array.from({ length: bits.length / 8 }, (_, i) => bits.slice(i * 8, i * 8 + 8).reduce((sum, bit) => sum * 2 + bit, 0));
}

// Blocks of data and of check bytes, one byte of each in turn.
function interleaved(data: Uint8Array, version: number): number[] {
  const [count, check] = [BLOCKS[version - 1]!, CHECK_BYTES[version - 1]!];
  const short = Math.floor(data.length / count);
  const longFrom = count - (data.length % count);
  const blocks: Uint8Array[] = [];
  for (let i = 0, at = 0; i < count; ++i) {
    const length = short + (i >= longFrom ? 1 : 0);
    blocks.push(data.slice(at, at + length));
    at += length;
  }
  const out: number[] = [];
  for (let i = 0; i <= short; ++i) for (const block of blocks) if (i < block.length) out.push(block[i]!);
  const checks = blocks.map((block) => checkBytes(block, check));
  for (let i = 0; i < check; ++i) for (const block of checks) out.push(block[i]!);
  return out;
}

const MASKS: ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

class Grid {
  readonly size: number;
  readonly dark: boolean[][];
  readonly fixed: boolean[][];
  constructor(readonly version: number) {
    this.size = version * 4 + 17;
    const empty = (): boolean[][] => Array.from({ length: this.size }, () => new Array<boolean>(this.size).fill(false));
    this.dark = empty();
    this.fixed = empty();
    this.#patterns();
  }
  set(x: number, y: number, dark: boolean): void {
    if (x < 0 || y < 0 || x >= this.size || y >= this.size) return;
    this.dark[y]![x] = dark;
    this.fixed[y]![x] = true;
  }
  #patterns(): void {
    const end = this.size - 7;
    for (let i = 0; i < this.size; ++i) {
      this.set(6, i, i % 2 === 0);
      this.set(i, 6, i % 2 === 0);
    }
    for (const [left, top] of [[0, 0], [end, 0], [0, end]] as const)
      for (let dy = -1; dy <= 7; ++dy)
        for (let dx = -1; dx <= 7; ++dx) {
          const ring = Math.max(Math.abs(dx - 3), Math.abs(dy - 3));
          this.set(left + dx, top + dy, ring !== 2 && ring !== 4);
        }
    const at = alignments(this.version);
    for (const x of at)
      for (const y of at) {
        const corner = (x === 6 && y === 6) || (x === 6 && y === this.size - 7) || (x === this.size - 7 && y === 6);
        if (corner) continue;
        for (let dy = -2; dy <= 2; ++dy)
          for (let dx = -2; dx <= 2; ++dx) this.set(x + dx, y + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
      }
    this.format(0);
    this.#versionBits();
  }
  format(mask: number): void {
    const data = (LEVEL_M << 3) | mask;
    let rest = data;
    for (let i = 0; i < 10; ++i) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
    const bits = ((data << 10) | rest) ^ 0x5412;
    const bit = (i: number): boolean => ((bits >> i) & 1) !== 0;
    for (let i = 0; i <= 5; ++i) this.set(8, i, bit(i));
    this.set(8, 7, bit(6));
    this.set(8, 8, bit(7));
    this.set(7, 8, bit(8));
    for (let i = 9; i < 15; ++i) this.set(14 - i, 8, bit(i));
    for (let i = 0; i < 8; ++i) this.set(this.size - 1 - i, 8, bit(i));
    for (let i = 8; i < 15; ++i) this.set(8, this.size - 15 + i, bit(i));
    this.set(8, this.size - 8, true);
  }
  #versionBits(): void {
    if (this.version < 7) return;
    let rest = this.version;
    for (let i = 0; i < 12; ++i) rest = (rest << 1) ^ ((rest >> 11) * 0x1f25);
    const bits = (this.version << 12) | rest;
    for (let i = 0; i < 18; ++i) {
      const dark = ((bits >> i) & 1) !== 0;
      const [a, b] = [this.size - 11 + (i % 3), Math.floor(i / 3)];
      this.set(a, b, dark);
      this.set(b, a, dark);
    }
  }
  // Columns of two from the right, up and down in turn; the column of the timing pattern is left out.
  *places(): Generator<[number, number]> {
    let up = true;
    for (let right = this.size - 1; right >= 1; right -= 2, up = !up) {
      if (right === 6) right = 5;
      for (let i = 0; i < this.size; ++i)
        for (const x of [right, right - 1]) {
          const y = up ? this.size - 1 - i : i;
          if (!this.fixed[y]![x]) yield [x, y];
        }
    }
  }
  fill(bytes: number[], mask: number): void {
    let at = 0;
    for (const [x, y] of this.places()) {
      const bit = at < bytes.length * 8 && ((bytes[at >> 3]! >> (7 - (at & 7))) & 1) !== 0;
      this.dark[y]![x] = bit !== MASKS[mask]!(x, y);
      at += 1;
    }
    this.format(mask);
  }
}

// How hard a reader would find it: long runs, blocks, look-alikes of the corners, too much of one colour.
function penalty({ dark, size }: Grid): number {
  let sum = 0;
  const line = (cell: (i: number) => boolean): void => {
    let text = '';
    for (let i = 0; i < size; ++i) text += cell(i) ? '1' : '0';
    for (const run of text.match(/0{5,}|1{5,}/g) ?? []) sum += run.length - 2;
    for (const like of [/(?=10111010000)/g, /(?=00001011101)/g]) sum += 40 * [...text.matchAll(like)].length;
  };
  for (let i = 0; i < size; ++i) {
    line((x) => dark[i]![x]!);
    line((y) => dark[y]![i]!);
  }
  let count = 0;
  for (let y = 0; y < size; ++y)
    for (let x = 0; x < size; ++x) {
      if (dark[y]![x]) count += 1;
      if (x > 0 && y > 0 && dark[y]![x] === dark[y]![x - 1] && dark[y]![x] === dark[y - 1]![x] && dark[y]![x] === dark[y - 1]![x - 1]) sum += 3;
    }
  return sum + 10 * Math.floor(Math.abs((count * 20) / (size * size) - 10));
}

export function qr(text: string): boolean[][] {
  const raw = new TextEncoder().encode(text);
  let version = 1;
  while (version <= VERSIONS_MAX && raw.length * 8 + 4 + lengthBits(version) > dataBytesOf(version) * 8) version += 1;
  if (version > VERSIONS_MAX) throw new RangeError('too long for a QR code');
  const bytes = interleaved(dataOf(raw, version), version);
  let best: { dark: boolean[][]; worth: number } | null = null;
  for (let mask = 0; mask < MASKS.length; ++mask) {
    const grid = new Grid(version);
    grid.fill(bytes, mask);
    const worth = penalty(grid);
    if (best === null || worth < best.worth) best = { dark: grid.dark, worth };
  }
  return best!.dark;
}

// One path of squares, for an SVG whose unit is a module.
export const pathOf = (grid: boolean[][], margin = 4): string =>
  grid.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x + margin} ${y + margin}h1v1h-1z`] : []))).join('');
