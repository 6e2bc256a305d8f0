import { describe, expect, test } from 'vitest';
import type { LogEntry } from '../../api/client';
import { about, placeOf } from './about';

const ID = '0a'.repeat(16);
const entry = (type: string, subject = ID): LogEntry => ({ index: 1, type, at: 0, actor: 'keeper', subject, data: {} }) as unknown as LogEntry;

describe('an entry leads to', () => {
  test('what it is about', () => {
    expect(about(entry('call_started'))).toBe('call');
    expect(about(entry('fields_stored'))).toBe('customer');
    expect(about(entry('call_back_heard'))).toBe('request');
    expect(about(entry('chart_changed'))).toBe('person');
    expect(about(entry('policy_in_force', '-'))).toBe(null);
  });
  test('its own page for who may see that, else to all that the log has of it', () => {
    const all = `/log?subject=${ID}`;
    const places = (role: string, ...types: string[]): (string | null)[] => types.map((type) => placeOf(entry(type), [role]));
    expect(places('owner', 'call_started', 'fields_stored', 'disclosure_step', 'duty_changed')).toEqual([`/calls/${ID}`, `/customers/${ID}`, `/requests/${ID}`, all]);
    expect(places('auditor', 'call_started', 'fields_stored', 'disclosure_step')).toEqual([all, all, `/requests/${ID}`]);
    expect(places('reviewer', 'call_started', 'fields_stored', 'disclosure_step')).toEqual([`/calls/${ID}`, all, all]);
    expect(placeOf(entry('policy_in_force', '-'), ['owner'])).toBe(null);
  });
});
