import { describe, expect, test } from 'vitest';
import { clock, dateTime, sameClock, zoneOr } from './format';

const at = (text: string): number => Date.parse(text);
const HOUR_MS = 3_600_000;

describe('times in the site\'s zone', () => {
  test('are the site\'s, summer and winter', () => {
    expect(dateTime(at('2026-07-01T12:00:00Z'), 'Europe/Berlin')).toBe('2026-07-01 14:00:00');
    expect(dateTime(at('2026-12-01T12:00:00Z'), 'Europe/Berlin')).toBe('2026-12-01 13:00:00');
    expect(dateTime(at('2026-12-31T23:30:00Z'), 'Europe/Berlin')).toBe('2027-01-01 00:30:00');
    expect(dateTime(at('2026-01-01T03:00:00Z'), 'America/New_York')).toBe('2025-12-31 22:00:00');
    expect(clock(at('2026-07-01T12:00:59Z'), 'Asia/Kolkata', false)).toBe('17:30');
    expect(dateTime(at('2026-07-01T00:00:00Z'), 'UTC')).toBe('2026-07-01 00:00:00');
  });
  // 2026-03-29, 01:00 UTC: 02:00 becomes 03:00.
  test('leave out the hour that there is not', () => {
    const change = at('2026-03-29T01:00:00Z');
    expect(dateTime(change - 1_000, 'Europe/Berlin')).toBe('2026-03-29 01:59:59');
    expect(dateTime(change, 'Europe/Berlin')).toBe('2026-03-29 03:00:00');
  });
  // 2026-10-25, 01:00 UTC: 03:00 becomes 02:00; 02:30 is twice, and which of both it is must be told.
  test('name which of both it is, in the hour that there is twice', () => {
    const change = at('2026-10-25T01:00:00Z');
    const first = dateTime(change - HOUR_MS / 2, 'Europe/Berlin');
    const second = dateTime(change + HOUR_MS / 2, 'Europe/Berlin');
    expect(first).toMatch(/^2026-10-25 02:30:00 \S+$/);
    expect(second).toMatch(/^2026-10-25 02:30:00 \S+$/);
    expect(first).not.toBe(second);
    expect(dateTime(change - HOUR_MS - 1_000, 'Europe/Berlin')).toBe('2026-10-25 01:59:59');
    expect(dateTime(change + HOUR_MS, 'Europe/Berlin')).toBe('2026-10-25 03:00:00');
    expect(clock(change + HOUR_MS / 2, 'UTC')).toBe('01:30:00');
  });
});

describe('a zone', () => {
  const now = at('2026-11-26T12:00:00Z');
  test('that nobody knows is UTC, and nothing breaks', () => {
    expect(zoneOr('Europe/Berlin')).toBe('Europe/Berlin');
    expect(zoneOr('Mars/Olympus')).toBe('UTC');
    expect(zoneOr('')).toBe('UTC');
  });
  test('differs from the browser\'s where a clock would, be it in summer alone', () => {
    expect(sameClock('Europe/Berlin', 'Europe/Berlin', now)).toBe(true);
    expect(sameClock('Europe/Berlin', 'Europe/Paris', now)).toBe(true);
    expect(sameClock('UTC', 'Etc/UTC', now)).toBe(true);
    expect(sameClock('Europe/London', 'UTC', now)).toBe(false);
    expect(sameClock('Europe/Berlin', 'America/New_York', now)).toBe(false);
  });
});
