// What this page lets nobody sign: another change or step than was asked for, whatever the server wrote down.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../reader/bytes';
import { fingerprintOf, isAsked, type Asked, type Change } from './chart_change';
import { answerInvitation, isInvitation, makeInvitation, tokenOf } from './invitation';
import type { Passkey } from './passkey';
import { isAskedStep, type Step } from './step';

const id = (n: number): string => n.toString(16).padStart(32, '0');
const print = (n: number): string => n.toString(16).padStart(64, '0');

describe('a change of the role chart', () => {
  const none = { roles: '', answers_to: '', extension: '', invite: '', token: '', custodians: '', key_id: '', key_algorithm: 0, key: '' };
  const change = (kind: string, more: Partial<Change> = {}): Change => ({ number: 4, before: print(3), at: 1, kind, person: id(2), ...none, ...more });
  const key = { key_id: 'a1b2', key_algorithm: -7, key: print(5) + print(6) };
  const given = `00${key.key_id}215820${print(5)}225820${print(6)}`;
  const cases: [Asked, Change][] = [
    [{ kind: 'person', person: id(2), roles: ['expert', 'agent'], answers_to: id(1), extension: '7001' },
      change('person', { roles: 'agent expert', answers_to: id(1), extension: '7001' })],
    [{ kind: 'invited', person: id(2), invite: print(9) }, change('invited', { invite: print(9) })],
    [{ kind: 'left', person: id(2) }, change('left')],
    [{ kind: 'custodians', person: id(2), custodians: [id(3), id(4)] }, change('custodians', { custodians: `${id(3)} ${id(4)}` })],
    [{ kind: 'key_removed', person: id(2), passkey: 'a1b2' }, change('key_removed', { key_id: 'a1b2' })],
    [{ kind: 'key_added', person: id(2), authenticator_data: given }, change('key_added', key)],
  ];
  test.each(cases)('is what was asked for: %j', async (asked, written) => {
    expect(await isAsked(written, asked)).toBe(true);
    for (const [name, value] of Object.entries({
      kind: 'left', person: id(7), roles: 'owner', answers_to: id(7), extension: '1', invite: print(1), token: '00', custodians: `${id(7)} ${id(8)}`,
      key_id: 'ff', key: print(1),
    }))
      if (written[name] !== value) expect(await isAsked({ ...written, [name]: value }, asked), name).toBe(false);
  });
  test('gives the passkey anew that was compared', async () => {
    const asked = { kind: 'key_replaced', person: id(2) };
    const compared = await fingerprintOf({ id: key.key_id, key: key.key });
    expect(compared).toMatch(/^([0-9a-f]{4} ){4}[0-9a-f]{4}$/);
    expect(await isAsked(change('key_replaced', key), asked, compared)).toBe(true);
    expect(await isAsked(change('key_replaced', { ...key, key: print(5) + print(7) }), asked, compared)).toBe(false);
    expect(await isAsked(change('key_replaced', key), asked, '')).toBe(false);
  });
});

describe('a step of a request', () => {
  const none = { expert: '', call: '', answered: false, recorded: false, number_on_file: false, seconds: 0, number_age_days: 0, checks: 0 };
  const step = (kind: string, more: Partial<Step> = {}): Step =>
    ({ request: id(5), number: 3, before: print(2), at: 1, kind, by: id(2), customer: '', case: 0, fields: [], window_ms: 0, words: '', reader_key: '', ...none, ...more }) as Step;
  type Draft = Parameters<typeof isAskedStep>[1];
  const cases: [Draft, Step, string][] = [
    [{ kind: 'ask', customer: id(8), case: 2, fields: [4, 1], window_ms: 60_000, category: 'billing' },
      step('ask', { number: 1, customer: id(8), case: 2, fields: [1, 4], window_ms: 60_000, category: 'billing', words: print(4) }), print(4)],
    [{ request: id(5), kind: 'release', fields: [1] }, step('release', { fields: [1] }), ''],
    [{ request: id(5), kind: 'view', fields: [1], reader_key: print(9) }, step('view', { fields: [1], reader_key: print(9) }), ''],
    [{ request: id(5), kind: 'review', needed: true, used: false }, step('review', { needed: true, used: false, words: print(4) }), print(4)],
    [{ request: id(5), kind: 'pass' }, step('pass', { words: print(4), checks: 2, answered: true, call: id(9), seconds: 44 }), print(4)],
  ];
  test.each(cases)('is what was asked for: %j', (draft, written, words) => {
    expect(isAskedStep(written, draft, id(2), words)).toBe(true);
    expect(isAskedStep(written, draft, id(3), words), 'by another').toBe(false);
    expect(isAskedStep(written, draft, id(2), print(12)), 'other words').toBe(false);
    for (const [name, value] of Object.entries({
      kind: 'break', customer: id(7), case: 9, fields: [1, 2, 9], window_ms: 1, words: print(3), reader_key: print(1), category: 'repair', needed: false, used: true,
    }))
      expect(isAskedStep({ ...written, [name]: value }, draft, id(2), words), name).toBe(false);
    if (draft.request !== undefined) expect(isAskedStep({ ...written, request: id(7) }, draft, id(2), words), 'of another request').toBe(false);
    else expect(isAskedStep({ ...written, number: 2 }, draft, id(2), words), 'of one that was there').toBe(false);
  });
});

describe('an invitation', () => {
  type Case = Record<string, string> & { key_algorithm: Passkey['algorithm'] };
  const cases = (JSON.parse(readFileSync(new URL('../../../tests/vectors/disclosure.json', import.meta.url), 'utf8')).cases as Case[])
    .filter(({ kind, outcome }) => kind === 'invitation' && outcome === 'ok');
  test.each(cases)('is answered as C++ answers it: $name', async (one) => {
    const secret = fromHex(one.secret!);
    const { link, invite, opens } = await makeInvitation(secret);
    expect(link).toBe(`i${one.secret}`);
    expect(isInvitation(link)).toBe(true);
    expect(isInvitation(one.secret!)).toBe(false);
    expect(invite).toBe(one.invite);
    expect(await tokenOf(link)).toBe(one.link);
    const token = new TextEncoder().encode(one.link);
    expect(opens).toBe(toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', token))));
    const passkey = { id: one.key_id!, algorithm: one.key_algorithm, key: one.key! };
    expect(await answerInvitation(link, one.person!, passkey)).toBe(one.token);
  });
  test('is another each time', async () => {
    expect(cases.length).toBe(1);
    expect((await makeInvitation()).link).not.toBe((await makeInvitation()).link);
  });
});
