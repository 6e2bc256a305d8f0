// What was erased of a call as a reviewer judges it: stretches of time, whatever side they are of.
import type { Interval, Mark } from '../../api/client';

export interface Erasure {
  startMs: number;
  endMs: number;
  reasons: string[];
}
// By these a person erases, or retention does; the rest is the listener's.
const NOT_THE_LISTENERS = ['reviewer', 'customer_request', 'retention', 'private'];

// Nor is what it missed.
export function erasures(erased: Pick<Interval, 'start_ms' | 'end_ms' | 'reason'>[], marks: Mark[] = []): Erasure[] {
  const missed = marks.filter(({ type }) => type === 'secret_missed').flatMap(({ ranges }) => ranges);
  const listeners = erased.filter(
    ({ start_ms, end_ms, reason }) =>
      !NOT_THE_LISTENERS.includes(reason) && !missed.some(([, first = 0, end = 0]) => first * 100 <= start_ms && end_ms <= end * 100),
  );
  const out: Erasure[] = [];
  for (const one of listeners.sort((a, b) => a.start_ms - b.start_ms)) {
    const last = out.at(-1);
    if (last && one.start_ms <= last.endMs) {
      last.endMs = Math.max(last.endMs, one.end_ms);
      if (!last.reasons.includes(one.reason)) last.reasons.push(one.reason);
    } else out.push({ startMs: one.start_ms, endMs: one.end_ms, reasons: [one.reason] });
  }
  return out;
}

// The newest word on it: what touches it is about it.
export const needlessOf = (marks: Mark[], { startMs, endMs }: Erasure): Mark | undefined =>
  marks.findLast(({ type, ranges }) => type === 'erasure_needless' && ranges.some(([, first = 0, end = 0]) => first * 100 < endMs && end * 100 > startMs));
