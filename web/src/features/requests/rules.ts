// What a screen knows of a request without asking: countdowns, what may be said, what a release narrows to. The keeper
// judges all of it again.
import type { components } from '../../api/schema';
import type { Draft } from '../../vault/acts';

export type DisclosureRequest = components['schemas']['DisclosureRequest'];
export type RequestState = components['schemas']['RequestState'];
export type NextStep = components['schemas']['NextStep'];
export type FieldChip = components['schemas']['FieldChip'];
export type Running = components['schemas']['RunningRequest'];

// What the keeper counts of own data as one proof: an e-mail address on file, or a code that went to one.
export const MAILBOX = 'email';

// ---- time ---------------------------------------------------------------------------------------

export interface Countdown {
  leftMs: number;
  text: string;
  urgency: 'calm' | 'soon' | 'over';
}
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const two = (n: number): string => String(n).padStart(2, '0');

export function countdown(until: number, now: number, soonMs = 10 * MINUTE): Countdown {
  const leftMs = Math.max(0, until - now);
  // Rounded up: what says 0:00 is over.
  const seconds = Math.ceil(leftMs / SECOND);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const text = h >= 24 ? `${Math.floor(h / 24)} d ${h % 24} h` : h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  return { leftMs, text, urgency: leftMs === 0 ? 'over' : leftMs <= soonMs ? 'soon' : 'calm' };
}
export const isWindowOpen = (request: Pick<DisclosureRequest, 'state' | 'until'>, now: number): boolean =>
  request.state === 'open' && now < request.until;

const OVER: RequestState[] = ['closed', 'expired', 'revoked', 'reviewed', 'refused', 'lapsed', 'withdrawn'];
export const isOver = (state: RequestState): boolean => OVER.includes(state);

// ---- words --------------------------------------------------------------------------------------

const LETTERS_MIN = 20;
const lettersIn = (text: string): number => [...text].filter((c) => /[a-z]/i.test(c) || c > '\x7f').length;
const wordsIn = (text: string): string[] =>
  text.toLowerCase().split(/[^a-z\u0080-\u{10ffff}]+/u).filter((word) => word !== '');

export type ConcernFault = 'short' | 'few_words' | 'repeats' | null;
export function concernFault(text: string): ConcernFault {
  if (lettersIn(text) < LETTERS_MIN) return 'short';
  const words = wordsIn(text);
  const different = new Set(words);
  if (different.size < 3) return 'few_words';
  if (different.size * 2 <= words.length || new Set(words.join('')).size < 6) return 'repeats';
  return null;
}
export const isSentence = (text: string): boolean => lettersIn(text) >= 10 && wordsIn(text).length >= 2;

// A verdict: three sentences, each on a line of its own.
export const verdictOf = (sentences: string[]): string =>
  sentences.map((one) => one.trim().replace(/\s*\n\s*/g, ' ')).join('\n');

export const CATEGORIES = ['repair', 'billing', 'contract', 'complaint', 'safety', 'other', 'own_data'] as const;
export type Category = (typeof CATEGORIES)[number];
// The customer asks what is kept of them: no field is asked for, and none opens.
export const OWN_DATA: Category = 'own_data';
export const asksOwnData = (request: Pick<DisclosureRequest, 'category'>): boolean => request.category === OWN_DATA;
// ---- drafts -------------------------------------------------------------------------------------

const ordered = (fields: Iterable<number>): number[] => [...new Set(fields)].sort((a, b) => a - b);

export const askDraft = (customer: string, ofCase: number, fields: Iterable<number>, category: Category, wishedMs: number): Draft => ({
  kind: 'ask',
  customer,
  case: ofCase,
  fields: category === OWN_DATA ? [] : ordered(fields),
  category,
  window_ms: category === OWN_DATA ? 0 : wishedMs,
});
export const stepDraft = (request: string, kind: string): Draft => ({ request, kind });
// What nobody has seen was used for nothing; own data shows no field, and its receipt may have been handed over.
export const mayBeUsed = (request: Pick<DisclosureRequest, 'category' | 'views'>): boolean => request.views > 0 || asksOwnData(request);
export const reviewDraft = (request: string, needed: boolean, used: boolean): Draft => ({ request, kind: 'review', needed, used });

// What was asked for, or less of it; of the second of two, what the first one released, or less.
export function releasable(request: Pick<DisclosureRequest, 'state' | 'asked' | 'released'>): number[] {
  const half = request.state === 'half_released' || request.state === 'half_broken';
  return half ? request.released : request.asked;
}
export function narrow(offered: number[], chosen: Iterable<number>): number[] {
  const wanted = new Set(chosen);
  return ordered(offered.filter((leaf) => wanted.has(leaf)));
}
// What the authorised person is offered first: of the second of two what the first one released, else what was wished, but no
// more than the policy's usual time: a longer one is chosen by hand, not by who asks.
export function usualMs(wishedMs: number, firstMs: number, limits: { window_ms?: number; window_ms_max?: number }): number {
  const most = limits.window_ms_max ?? 60 * MINUTE;
  const usual = Math.min(limits.window_ms ?? 15 * MINUTE, most);
  return firstMs ? Math.min(firstMs, most) : Math.min(wishedMs || usual, usual);
}
export function windowMs(minutes: number, maxMs: number): number {
  return Number.isFinite(minutes) ? Math.min(maxMs, Math.max(MINUTE, Math.round(minutes) * MINUTE)) : 0;
}
export function releaseDraft(
  request: Pick<DisclosureRequest, 'request' | 'state' | 'asked' | 'released'>,
  kind: 'release' | 'break',
  chosen: Iterable<number>,
  ms: number,
): Draft {
  return { request: request.request, kind, fields: narrow(releasable(request), chosen), window_ms: ms };
}

// ---- what an expert may compare ------------------------------------------------------------------

const NEVER_COMPARED = ['phone', 'query', 'text'];
// Known before anybody asked, the newest of its field, and nothing that was dialled, is a text of the customer's own, or a secret:
// that goes at its first use, and is not to be said in a recorded call.
export function comparable(fields: FieldChip[], askedAt: number): FieldChip[] {
  return newest(fields).filter(
    (one) => one.state !== 'gone' && one.class !== 'secret' && !NEVER_COMPARED.includes(one.kind) && one.stored_at <= askedAt,
  );
}
// An e-mail address, or another number than the one that is dialled: the keeper compares the numbers themselves.
export function codeTargets(fields: FieldChip[], askedAt: number, dials: number | null): FieldChip[] {
  const sent = (one: FieldChip): boolean => one.kind === 'email' || (one.kind === 'phone' && dials !== null && one.leaf !== dials);
  return newest(fields).filter((one) => one.state === 'readable' && one.class !== 'secret' && sent(one) && one.stored_at <= askedAt);
}
export function newest(fields: FieldChip[]): FieldChip[] {
  const last = new Map<string, FieldChip>();
  for (const one of fields) {
    const known = last.get(one.field);
    if (known === undefined || known.leaf < one.leaf) last.set(one.field, one);
  }
  return fields.filter((one) => last.get(one.field) === one);
}

// ---- who may go on ------------------------------------------------------------------------------

export interface WhoMay {
  step: string;
  who: string;
  mine: 'yes' | 'no';
  why: NextStep['why'];
}
const BY_THE_SYSTEM = ['assign', 'no_answer', 'time'];
export const nextByPeople = (next: NextStep[]): WhoMay[] =>
  next
    .filter((one) => !BY_THE_SYSTEM.includes(one.step))
    .map((one) => ({ step: one.step, who: one.who, mine: one.me, why: one.why }));
export const mayI = (next: NextStep[], step: string): boolean => next.some((one) => one.step === step && one.me === 'yes');

// ---- what waits for me --------------------------------------------------------------------------

type Told = components['schemas']['Turns'];
export type Waiting = Pick<Told, 'verify' | 'release' | 'review' | 'more'>;
export type Window = Told['windows'][number];

export const waitingOf = (told: Waiting): number => told.verify + told.release + told.review;
// The list that is opened: what a customer waits for on the telephone first.
export const viewOf = (told: Waiting): 'verify' | 'release' | 'review' =>
  told.verify > 0 ? 'verify' : told.release > 0 ? 'release' : 'review';
export const openOf = (windows: Window[], now: number): Window[] => windows.filter((one) => one.until > now);
