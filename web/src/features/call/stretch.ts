// Faster or slower without another pitch: overlap-add of frames, each taken where it continues the one before it
// best (Verhelst and Roelands, 1993). At speed 1 every frame continues exactly and the sound is untouched.
export type Pull = (at: number, left: Float32Array, right: Float32Array) => void;

const HOP = 160; // 20 ms at 8 kHz
const FRAME = 2 * HOP;
const REACH = 80; // a period of the lowest voice
const STEP = 2;

const FADE = Float32Array.from({ length: HOP }, (_, i) => 0.5 - 0.5 * Math.cos((Math.PI * (i + 0.5)) / HOP));

export class Stretcher {
  #pull: Pull;
  #at = 0;
  #natural: number | null = null;
  #tail: [Float32Array, Float32Array] = [new Float32Array(HOP), new Float32Array(HOP)];
  #near: [Float32Array, Float32Array] = [new Float32Array(FRAME + 2 * REACH), new Float32Array(FRAME + 2 * REACH)];

  constructor(pull: Pull) {
    this.#pull = pull;
  }
  static readonly HOP = HOP;
  // How far beyond its position a block of so many hops may read.
  static span = (hops: number, speed: number): number => Math.ceil(hops * HOP * speed) + FRAME + REACH;

  get at(): number {
    return this.#at;
  }
  seek(at: number): void {
    this.#at = at;
    this.#natural = null;
    for (const side of this.#tail) side.fill(0);
  }

  // Fills both sides; their length is a multiple of HOP.
  produce(left: Float32Array, right: Float32Array, speed: number): void {
    for (let from = 0; from < left.length; from += HOP) this.#hop(left, right, from, speed);
  }

  #hop(left: Float32Array, right: Float32Array, from: number, speed: number): void {
    const base = Math.round(this.#at) - REACH;
    const [nearL, nearR] = this.#near;
    this.#pull(base, nearL, nearR);
    const start = this.#natural === null ? REACH : this.#best(base);
    const [tailL, tailR] = this.#tail;
    for (let i = 0; i < HOP; ++i) {
      const up = this.#natural === null ? 1 : FADE[i]!;
      left[from + i] = tailL[i]! * (1 - up) + nearL[start + i]! * up;
      right[from + i] = tailR[i]! * (1 - up) + nearR[start + i]! * up;
    }
    tailL.set(nearL.subarray(start + HOP, start + FRAME));
    tailR.set(nearR.subarray(start + HOP, start + FRAME));
    this.#natural = base + start + HOP;
    this.#at += HOP * speed;
  }

  #best(base: number): number {
    const natural = this.#natural! - base;
    if (natural === REACH) return REACH;
    let best = REACH;
    let most = -Infinity;
    for (let start = 0; start <= 2 * REACH; start += STEP) {
      const likeness = this.#likeness(start);
      if (likeness > most) [most, best] = [likeness, start];
    }
    return best;
  }

  #likeness(start: number): number {
    const [nearL, nearR] = this.#near;
    const [tailL, tailR] = this.#tail;
    let together = 0;
    let energy = 1e-9;
    for (let i = 0; i < HOP; i += STEP) {
      const here = nearL[start + i]! + nearR[start + i]!;
      together += here * (tailL[i]! + tailR[i]!);
      energy += here * here;
    }
    return together / Math.sqrt(energy);
  }
}
