// Plays what was opened: blocks of 100 ms, scheduled a quarter of a second ahead, so that an erasure is heard at once.
import { SAMPLE_RATE } from '../../reader/payload';
import type { Media } from './media';
import { Stretcher } from './stretch';

const BLOCK_HOPS = 5;
const BLOCK = BLOCK_HOPS * Stretcher.HOP;
const AHEAD_S = 0.3;
const TICK_MS = 50;
export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3];

interface Block {
  node: AudioBufferSourceNode;
  time: number;
  fromMs: number;
  toMs: number;
}
const toMs = (samples: number): number => (samples * 1000) / SAMPLE_RATE;

export class Player {
  playing = $state(false);
  waiting = $state(false);
  positionMs = $state(0);
  speed = $state(1);
  skipSilence = $state(false);
  level = $state(0);
  #media: Media;
  #context: AudioContext | null = null;
  #analyser: AnalyserNode | null = null;
  #wave = new Float32Array(1024);
  #stretcher: Stretcher;
  #blocks: Block[] = [];
  #next = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #frame = 0;

  constructor(media: Media) {
    this.#media = media;
    this.#stretcher = new Stretcher((at, left, right) => media.read(at, left, right));
  }

  async play(): Promise<void> {
    if (this.playing) return;
    this.#context ??= this.#begin();
    await this.#context.resume();
    if (this.positionMs >= this.#media.durationMs - 50) this.positionMs = 0;
    this.playing = true;
    this.#start();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
    const draw = (): void => {
      this.#look();
      if (this.playing) this.#frame = requestAnimationFrame(draw);
    };
    draw();
  }
  pause(): void {
    if (!this.playing) return;
    this.#look();
    this.playing = false;
    this.waiting = false;
    this.level = 0;
    clearInterval(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#flush();
    void this.#context?.suspend();
  }
  toggle(): void {
    if (this.playing) this.pause();
    else void this.play();
  }
  seek(ms: number): void {
    this.positionMs = Math.min(Math.max(0, ms), this.#media.durationMs);
    if (!this.playing) return;
    this.#flush();
    this.#start();
    this.#tick();
  }
  by(ms: number): void {
    this.seek(this.positionMs + ms);
  }
  setSpeed(speed: number): void {
    this.speed = speed;
    if (this.playing) this.seek(this.positionMs);
  }
  // What is scheduled may hold what was just erased.
  again(): void {
    if (this.playing) this.seek(this.positionMs);
  }
  close(): void {
    this.pause();
    void this.#context?.close();
    this.#context = null;
  }

  #begin(): AudioContext {
    const context = new AudioContext({ sampleRate: SAMPLE_RATE, latencyHint: 'interactive' });
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = this.#wave.length;
    this.#analyser.connect(context.destination);
    return context;
  }
  #start(): void {
    this.#stretcher.seek(Math.round((this.positionMs * SAMPLE_RATE) / 1000));
    this.#next = this.#context!.currentTime + 0.02;
  }
  #flush(): void {
    for (const block of this.#blocks) {
      block.node.stop();
      block.node.disconnect();
    }
    this.#blocks = [];
  }

  #tick(): void {
    const context = this.#context!;
    this.#blocks = this.#blocks.filter((block) => block.time + BLOCK / SAMPLE_RATE > context.currentTime - 0.2);
    if (this.#next < context.currentTime) this.#next = context.currentTime + 0.02;
    while (this.playing && this.#next < context.currentTime + AHEAD_S) {
      const at = this.#stretcher.at;
      if (toMs(at) >= this.#media.durationMs) {
        if (context.currentTime >= this.#next - 0.05) this.#finish();
        return;
      }
      if (this.skipSilence) this.#skip(toMs(at));
      const from = toMs(this.#stretcher.at);
      const until = from + toMs(Stretcher.span(BLOCK_HOPS, this.speed));
      this.#media.want(from);
      this.waiting = !this.#media.ready(from, until);
      if (this.waiting) {
        this.#media.want(until);
        return;
      }
      this.#schedule(context, from);
    }
  }
  #skip(ms: number): void {
    const next = this.#media.nextSound(ms);
    if (next > ms + 100) this.#stretcher.seek(Math.round((next * SAMPLE_RATE) / 1000));
  }
  #schedule(context: AudioContext, fromMs: number): void {
    const buffer = context.createBuffer(2, BLOCK, SAMPLE_RATE);
    this.#stretcher.produce(buffer.getChannelData(0), buffer.getChannelData(1), this.speed);
    const node = context.createBufferSource();
    node.buffer = buffer;
    node.connect(this.#analyser!);
    node.start(this.#next);
    this.#blocks.push({ node, time: this.#next, fromMs, toMs: toMs(this.#stretcher.at) });
    this.#next += BLOCK / SAMPLE_RATE;
  }
  #finish(): void {
    this.pause();
    this.positionMs = this.#media.durationMs;
  }
  // Where the ear is now, and how loud it is there.
  #look(): void {
    const context = this.#context;
    if (!context || !this.playing) return;
    const now = context.currentTime;
    const block = this.#blocks.findLast((one) => one.time <= now);
    if (block) {
      const share = Math.min(1, ((now - block.time) * SAMPLE_RATE) / BLOCK);
      this.positionMs = Math.min(block.fromMs + share * (block.toMs - block.fromMs), this.#media.durationMs);
    }
    this.#analyser!.getFloatTimeDomainData(this.#wave);
    let sum = 0;
    for (const x of this.#wave) sum += x * x;
    this.level = Math.sqrt(sum / this.#wave.length);
  }
}
