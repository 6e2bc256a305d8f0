import { describe, expect, test } from 'vitest';
import type { Call } from '../../api/client';
import { cell, toCsv } from './csv';

describe('csv', () => {
  test.each(['=1+1', '+1', '-1', '@x', '\t=1', '\r=1'])('%j is no formula', (text) => {
    expect(cell(text).replace(/^"/, '').startsWith("'")).toBe(true);
  });
  test('numbers stay numbers, quotes and commas are quoted', () => {
    expect(cell(-5)).toBe('-5');
    expect(cell('a,"b"')).toBe('"a,""b"""');
    expect(cell(null)).toBe('');
  });
  test('a row a call', () => {
    const call = {
      id: 'ab', started_at: 0, ended_at: null, duration_ms: 5, direction: 'incoming', source: 'siprec', phase: 'live',
      flags: ['=evil'], streams: [], erased_by_reason: { pin: 3 }, held_orders: 7, hold: true, object_deleted: false,
      totals: { sealed: 1, unheard: 2, erased: 3, lost: 4, on_hold: 5, silent: 6 },
    } as Call;
    const [, row] = toCsv([call]).split('\r\n');
    expect(row).toBe("ab,1970-01-01T00:00:00.000Z,,5,incoming,siprec,live,'=evil,1,2,3,4,5,6,pin:3,7,true,false");
  });
});
