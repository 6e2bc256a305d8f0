// What was opened of a call, in memory only: audio by pieces, peaks, words. Erased ranges are wiped here the
// moment they are told of, and everything when the page is left.
import type { Account, Call } from '../../api/client';
import type { Reader } from '../../api/reader';
import type { OpenedItem } from '../../reader/worker';
import { isClosed } from '../../ui/fate';
import { PEAK_MS, SAMPLE_RATE, SEGMENT_MS, SEGMENT_SAMPLES, type Word } from '../../reader/payload';

export const AUDIO_PIECE_MS = 30_000;
export const OVERVIEW_PIECE_MS = 60_000;
const PIECES_KEPT_MAX = 12;
const PIECE_SEGMENTS = AUDIO_PIECE_MS / SEGMENT_MS;
const TONE_HZ = 350;
const TONE_LEVEL = 0.035;
const QUIET_PEAK = 56;
const SILENCE_MS = 700;
const KEEP_SILENCE_MS = 250;

const GIVEN = 1;
const ERASED = 2;

interface Lane {
  samples: Int16Array<ArrayBuffer>;
  states: Uint8Array;
}
interface AudioPiece {
  ready: boolean;
  failed: boolean;
  stale: boolean;
  lanes: Map<number, Lane>;
}
export interface SpokenWord extends Word {
  stream: number;
}
// Erased, about to be, or held for a person: opens to nobody.
type Erased = { stream: number; startMs: number; endMs: number };

export class Media {
  readonly peaks = new Map<number, Uint8Array>();
  readonly known = new Map<number, Uint8Array>();
  words: SpokenWord[] = [];
  damaged = 0;
  durationMs = 0;
  reason = '';
  onChange: () => void = () => {};
  onFailed: (why: string) => void = () => {};
  #call: string;
  #reader: Reader;
  #pieces = new Map<number, AudioPiece>();
  #overview = new Map<number, { words: SpokenWord[]; complete: boolean }>();
  #erased: Erased[] = [];
  #had = new Set<number>(); // pieces of which keys were had, played or not
  #streams: number[] = [];

  constructor(call: string, reader: Reader) {
    this.#call = call;
    this.#reader = reader;
  }

  setCall(call: Call, account: Account): void {
    this.durationMs = Math.max(call.duration_ms, ...account.intervals.map((interval) => interval.end_ms), 0);
    this.#streams = call.streams.map((item) => item.stream);
    const byName = new Map(call.streams.map((item) => [item.name, item.stream]));
    this.#erased = account.intervals
      .filter(isClosed)
      .map(({ stream, start_ms, end_ms }) => ({ stream: byName.get(stream) ?? -1, startMs: start_ms, endMs: end_ms }));
    const slots = Math.ceil(this.durationMs / PEAK_MS);
    for (const stream of this.#streams)
      for (const map of [this.peaks, this.known]) {
        const old = map.get(stream);
        if (old && old.length >= slots) continue;
        const grown = new Uint8Array(slots);
        if (old) grown.set(old);
        map.set(stream, grown);
      }
    for (const range of this.#erased) this.#wipe(range);
  }

  // ---- overview: peaks and words of the whole call
  async overview(until: () => boolean): Promise<void> {
    for (let at = 0; at < this.durationMs && !until(); at += OVERVIEW_PIECE_MS) {
      if (this.#overview.get(at)?.complete) continue;
      const endMs = Math.min(this.durationMs, at + OVERVIEW_PIECE_MS);
      const items = await this.#reader.open({
        call: this.#call, kinds: ['peaks', 'words'], startMs: at, endMs, purpose: 'play', reason: this.reason,
      });
      if (until()) return;
      this.#takeOverview(at, items, endMs - at === OVERVIEW_PIECE_MS);
      this.onChange();
    }
  }
  #takeOverview(at: number, items: OpenedItem[], whole: boolean): void {
    const words: SpokenWord[] = [];
    for (const item of items) {
      if (item.state === 'damaged') this.damaged += 1;
      if (item.peaks) {
        const from = (item.first * SEGMENT_MS) / PEAK_MS;
        this.peaks.get(item.stream)?.set(item.peaks.subarray(0, Math.max(0, this.peaks.get(item.stream)!.length - from)), from);
        this.known.get(item.stream)?.fill(1, from, from + item.peaks.length);
      }
      for (const word of item.words ?? []) words.push({ ...word, stream: item.stream });
    }
    const complete = whole && items.length > 0 && items.every((item) => item.state !== 'unheard');
    this.#overview.set(at, { words, complete });
    this.#gatherWords();
    for (const range of this.#erased) this.#wipe(range);
  }
  #gatherWords(): void {
    // A record may lie across the border of two pieces: a word counts once.
    const seen = new Set<string>();
    this.words = [...this.#overview.values()]
      .flatMap((piece) => piece.words)
      .filter((word) => {
        const key = `${word.stream}.${word.startMs}.${word.text}`;
        return !seen.has(key) && seen.add(key);
      })
      .sort((a, b) => a.startMs - b.startMs);
  }
  // Looked up again with the next overview: what changed there.
  forgetOverview(startMs: number, endMs: number): void {
    for (const [at, piece] of this.#overview)
      if (at < endMs && at + OVERVIEW_PIECE_MS > startMs) piece.complete = false;
  }

  // ---- audio
  ready(fromMs: number, toMs: number): boolean {
    const last = Math.min(toMs, this.durationMs - 1);
    for (let at = Math.floor(Math.max(0, fromMs) / AUDIO_PIECE_MS); at * AUDIO_PIECE_MS <= last; ++at)
      if (!this.#pieces.get(at)?.ready) return false;
    return true;
  }
  // Asks for what stands at `ms`, and for what comes next when that is near: never more than a minute ahead.
  want(ms: number): void {
    const at = Math.floor(Math.max(0, ms) / AUDIO_PIECE_MS);
    void this.#load(at);
    if (ms - at * AUDIO_PIECE_MS > AUDIO_PIECE_MS / 2) void this.#load(at + 1);
  }
  async #load(at: number): Promise<void> {
    const startMs = at * AUDIO_PIECE_MS;
    const known = this.#pieces.get(at);
    if (startMs >= this.durationMs || (known && !known.stale && !known.failed)) return;
    const piece: AudioPiece = { ready: false, failed: false, stale: false, lanes: new Map() };
    this.#pieces.set(at, piece);
    this.#forgetFar(at);
    const endMs = Math.min(this.durationMs, startMs + AUDIO_PIECE_MS);
    try {
      const items = await this.#reader.open({
        call: this.#call, kinds: ['audio'], startMs, endMs, purpose: 'play', reason: this.reason,
      });
      if (this.#pieces.get(at) !== piece) return;
      this.#takeAudio(piece, at, items);
    } catch (error) {
      piece.failed = true;
      this.onFailed((error as Error).message);
    }
    this.onChange();
  }
  #takeAudio(piece: AudioPiece, at: number, items: OpenedItem[]): void {
    for (const stream of this.#streams)
      piece.lanes.set(stream, { samples: new Int16Array(PIECE_SEGMENTS * SEGMENT_SAMPLES), states: new Uint8Array(PIECE_SEGMENTS) });
    for (const item of items) {
      const lane = piece.lanes.get(item.stream);
      const slot = item.first - at * PIECE_SEGMENTS;
      if (!lane || slot < 0 || slot >= PIECE_SEGMENTS) continue;
      if (item.state === 'damaged') this.damaged += 1;
      if (item.state === 'erased') lane.states[slot] = ERASED;
      if (!item.samples) continue;
      lane.samples.set(item.samples, slot * SEGMENT_SAMPLES);
      lane.states[slot] = GIVEN;
      item.samples.fill(0);
    }
    piece.ready = true;
    this.#had.add(at);
    for (const range of this.#erased) this.#wipe(range);
  }
  #forgetFar(at: number): void {
    const far = [...this.#pieces.keys()].sort((a, b) => Math.abs(b - at) - Math.abs(a - at));
    for (const key of far.slice(0, Math.max(0, this.#pieces.size - PIECES_KEPT_MAX))) this.#drop(key);
  }
  #drop(at: number): void {
    for (const lane of this.#pieces.get(at)?.lanes.values() ?? []) lane.samples.fill(0);
    this.#pieces.delete(at);
  }
  // Marked as what opens to nobody, from one end to the other: marking it again would say nothing.
  allClosed(streams: number[], startMs: number, endMs: number): boolean {
    return streams.every((stream) => {
      let at = startMs;
      for (const range of this.#erased.filter((one) => one.stream === stream).sort((a, b) => a.startMs - b.startMs))
        if (range.startMs <= at) at = Math.max(at, range.endMs);
      return at >= Math.min(endMs, this.durationMs);
    });
  }
  // How much of the sound this page had keys of, in whole percents.
  hadPercent(): number {
    const ms = [...this.#had].reduce((sum, at) => sum + Math.max(0, Math.min(AUDIO_PIECE_MS, this.durationMs - at * AUDIO_PIECE_MS)), 0);
    return this.durationMs === 0 ? 0 : Math.floor((ms / this.durationMs) * 100);
  }
  // What could not be opened before may be openable now.
  forgetAudio(): void {
    for (const at of [...this.#pieces.keys()]) this.#drop(at);
  }

  // Sound from sample `at` on, both sides; outside the call it is silence.
  read(at: number, left: Float32Array, right: Float32Array): void {
    left.fill(0);
    right.fill(0);
    for (const stream of this.#streams) {
      const [toLeft, toRight] = this.#streams.length < 2 ? [0.8, 0.8] : stream === 0 ? [0.85, 0.35] : [0.35, 0.85];
      for (let i = 0; i < left.length; ++i) {
        const sample = this.#sample(stream, at + i);
        left[i]! += sample * toLeft;
        right[i]! += sample * toRight;
      }
    }
  }
  #sample(stream: number, at: number): number {
    if (at < 0) return 0;
    const segment = Math.floor(at / SEGMENT_SAMPLES);
    const lane = this.#pieces.get(Math.floor(segment / PIECE_SEGMENTS))?.lanes.get(stream);
    if (!lane) return 0;
    const slot = segment % PIECE_SEGMENTS;
    if (lane.states[slot] === ERASED) return TONE_LEVEL * Math.sin((2 * Math.PI * TONE_HZ * at) / SAMPLE_RATE);
    return lane.samples[slot * SEGMENT_SAMPLES + (at % SEGMENT_SAMPLES)]! / 32768;
  }

  // Where, after a silence of both sides that begins at `ms`, sound comes again; `ms` itself when it is no silence.
  nextSound(ms: number): number {
    const first = Math.floor(ms / PEAK_MS);
    const slots = Math.ceil(this.durationMs / PEAK_MS);
    let slot = first;
    while (slot < slots && this.#quiet(slot)) slot += 1;
    const quietMs = (slot - first) * PEAK_MS;
    return quietMs < SILENCE_MS ? ms : Math.max(ms, slot * PEAK_MS - KEEP_SILENCE_MS);
  }
  #quiet(slot: number): boolean {
    const ms = slot * PEAK_MS;
    if (this.#erased.some((range) => range.startMs <= ms && ms < range.endMs)) return false;
    return this.#streams.every((stream) => this.known.get(stream)?.[slot] !== 1 || this.peaks.get(stream)![slot]! < QUIET_PEAK);
  }

  #wipe({ stream, startMs, endMs }: Erased): void {
    this.peaks.get(stream)?.fill(0, Math.floor(startMs / PEAK_MS), Math.ceil(endMs / PEAK_MS));
    this.known.get(stream)?.fill(0, Math.floor(startMs / PEAK_MS), Math.ceil(endMs / PEAK_MS));
    const gone = (word: SpokenWord): boolean => word.stream === stream && word.startMs < endMs && word.endMs > startMs;
    if (this.words.some(gone)) {
      for (const piece of this.#overview.values()) piece.words = piece.words.filter((word) => !gone(word));
      this.#gatherWords();
    }
    for (const [at, piece] of this.#pieces) {
      const lane = piece.lanes.get(stream);
      if (!lane) continue;
      const from = Math.max(0, Math.floor(startMs / SEGMENT_MS) - at * PIECE_SEGMENTS);
      const to = Math.min(PIECE_SEGMENTS, Math.ceil(endMs / SEGMENT_MS) - at * PIECE_SEGMENTS);
      if (from >= to) continue;
      lane.samples.fill(0, from * SEGMENT_SAMPLES, to * SEGMENT_SAMPLES);
      lane.states.fill(ERASED, from, to);
    }
  }
  wipeRange(stream: number, startMs: number, endMs: number): void {
    this.#erased.push({ stream, startMs, endMs });
    this.#wipe({ stream, startMs, endMs });
  }
  wipeAll(): void {
    this.forgetAudio();
    for (const peaks of this.peaks.values()) peaks.fill(0);
    this.words = [];
    this.#overview.clear();
  }
}
