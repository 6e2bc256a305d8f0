// What stands inside opened records: 100 ms of G.711 (src/segment/payload.hpp), words and peaks
// (src/listen/derived.hpp).
import { refuse, view, type Bytes } from './bytes';

export const SEGMENT_MS = 100;
export const SEGMENT_SAMPLES = 800;
export const SAMPLE_RATE = 8000;
export const PEAK_MS = 20;
const AUDIO_BYTES = 848;
const DIGITS_COUNT_AT = 813;
const DIGITS_MAX = 8;
const FLAGS_AT = 846;
const KNOWN_FLAGS = 7;
const KEYS = '0123456789*#ABCD';
const WORDS_BYTES = 1024;
const WORD_BYTES_MIN = 6;
const PEAKS_BYTES = 128;
const PEAKS_MAX = 50;
const CODEC_PCMA = 8;

function decodeMu(code: number): number {
  const bits = ~code & 0xff;
  const magnitude = ((((bits & 0x0f) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84;
  return bits & 0x80 ? -magnitude : magnitude;
}
function decodeA(code: number): number {
  const bits = code ^ 0x55;
  const exponent = (bits >> 4) & 7;
  const low = ((bits & 0x0f) << 4) + 8;
  const magnitude = exponent === 0 ? low : (low + 0x100) << (exponent - 1);
  return bits & 0x80 ? magnitude : -magnitude;
}
const MU = Int16Array.from({ length: 256 }, (_, code) => decodeMu(code));
const A = Int16Array.from({ length: 256 }, (_, code) => decodeA(code));

export interface Digit {
  digit: string;
  startMs: number;
}
export interface AudioSegment {
  samples: Int16Array<ArrayBuffer>;
  digits: Digit[];
  onHold: boolean;
  silent: boolean;
}

export function readAudio(plain: Bytes, codec: number): AudioSegment {
  if (plain.length !== AUDIO_BYTES) refuse('malformed', 'audio');
  const count = plain[DIGITS_COUNT_AT]!;
  const flags = plain[FLAGS_AT]!;
  if (count > DIGITS_MAX || flags & ~KNOWN_FLAGS || plain[FLAGS_AT + 1] !== 0 || plain[812]! & 0xf0)
    refuse('malformed', 'audio');
  const digits: Digit[] = [];
  for (let i = 0; i < count; ++i) {
    const at = DIGITS_COUNT_AT + 1 + 4 * i;
    const digit = String.fromCharCode(plain[at]!);
    if (!KEYS.includes(digit) || plain[at + 1]! >= SEGMENT_MS) refuse('malformed', 'audio');
    digits.push({ digit, startMs: plain[at + 1]! });
  }
  const table = codec === CODEC_PCMA ? A : MU;
  const samples = new Int16Array(SEGMENT_SAMPLES);
  for (let i = 0; i < SEGMENT_SAMPLES; ++i) samples[i] = table[plain[i]!]!;
  return { samples, digits, onHold: (flags & 1) !== 0, silent: (flags & 2) !== 0 };
}

export interface Word {
  startMs: number;
  endMs: number;
  confidence: number;
  text: string;
}

// Times count from the record's first segment; `baseMs` puts them into the call.
export function readWords(plain: Bytes, baseMs: number): Word[] {
  if (plain.length !== WORDS_BYTES) refuse('malformed', 'words');
  const numbers = view(plain);
  const count = numbers.getUint16(0, true);
  if (count > WORDS_BYTES / WORD_BYTES_MIN) refuse('malformed', 'words');
  const decoder = new TextDecoder('utf-8');
  const out: Word[] = [];
  let at = 2;
  for (let i = 0; i < count; ++i) {
    if (at + WORD_BYTES_MIN > plain.length) refuse('malformed', 'words');
    const [start, end, bytes] = [numbers.getUint16(at, true), numbers.getUint16(at + 2, true), plain[at + 5]!];
    const textAt = at + WORD_BYTES_MIN;
    if (end < start || textAt + bytes > plain.length) refuse('malformed', 'words');
    out.push({
      startMs: baseMs + start,
      endMs: baseMs + end,
      confidence: plain[at + 4]!,
      text: decoder.decode(plain.subarray(textAt, textAt + bytes)),
    });
    at = textAt + bytes;
  }
  return out;
}

export function readPeaks(plain: Bytes): Bytes {
  if (plain.length !== PEAKS_BYTES || plain[0]! > PEAKS_MAX) refuse('malformed', 'peaks');
  return plain.slice(1, 1 + plain[0]!);
}
