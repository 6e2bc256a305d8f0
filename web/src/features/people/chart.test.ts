import { describe, expect, test } from 'vitest';
import type { Person } from '../../api/client';
import { countdown, difference, mayBeInvited, mayBeSecond, nextOf, superiorsFor, takesTwo, treeOf, type Branch } from './chart';

const person = (name: string, answers_to = '', state: Person['state'] = 'here', roles: string[] = ['agent']): Person => ({
  person: name, name, state, roles, answers_to, extension: '', passkeys: state === 'here' ? 1 : 0, custodians: [], on_duty: false,
});
const shape = (branches: Branch[]): unknown => branches.map(({ person: { name }, below }) => (below.length === 0 ? name : [name, ...(shape(below) as unknown[])]));

describe('the tree', () => {
  const olga = person('olga', '', 'here', ['owner']);
  test('stands under who answers to nobody, by name; who left or has no role is not in it', () => {
    const all = [person('zoe', 'olga'), olga, person('adam', 'olga'), person('eva', 'adam', 'invited'), person('new', '', 'named'), person('old', '', 'left')];
    expect(shape(treeOf(all))).toEqual([['olga', ['adam', 'eva'], 'zoe']]);
  });
  test('whose superior is not here stands at the top; a circle is cut, and loses nobody', () => {
    expect(shape(treeOf([person('eva', 'gone'), olga]))).toEqual(['eva', 'olga']);
    const flat = JSON.stringify(shape(treeOf([person('a', 'b'), person('b', 'a'), olga])));
    for (const name of ['a', 'b', 'olga']) expect(flat).toContain(`"${name}"`);
  });
  test('nobody answers to who answers to them', () => {
    const all = [olga, person('adam', 'olga'), person('eva', 'adam'), person('zoe', 'eva')];
    expect(superiorsFor('adam', all).map((one) => one.name)).toEqual(['olga']);
    expect(superiorsFor('zoe', all).map((one) => one.name)).toEqual(['adam', 'eva', 'olga']);
  });
});

test('who may be the second one has a passkey, a role for it, and is neither of the two', () => {
  const all = [person('olga', '', 'here', ['owner']), person('adam', 'olga', 'here', ['administrator']), person('eva', 'olga', 'here', ['expert']), person('ann', 'olga'), person('ida', 'olga', 'invited', ['auditor'])];
  expect(mayBeSecond(all, 'olga', 'eva').map((one) => one.name)).toEqual(['adam']);
});

test('what takes two, and from when on', () => {
  const olga = person('olga', '', 'here', ['owner']), eva = person('eva', 'olga'), adam = person('adam', 'olga', 'here', ['administrator']);
  expect(takesTwo('expert', [olga, eva], 'eva')).toBe(true);
  expect(takesTwo('reviewer', [olga, eva], 'eva')).toBe(false);
  expect(takesTwo('reviewer', [olga, eva, adam], 'eva')).toBe(true);
  expect(takesTwo('reviewer', [olga, adam], 'adam')).toBe(false);
  const otto = person('otto', '', 'here', ['owner']);
  expect(takesTwo('reviewer', [olga, otto], 'otto')).toBe(true);
  expect(takesTwo('reviewer', [olga, eva], 'olga')).toBe(false);
  expect(takesTwo('technician', [olga, eva, adam], 'eva')).toBe(false);
});

test('what comes next: the passkey before every role but agent and technician', () => {
  const olga = person('olga', '', 'here', ['owner']);
  expect(nextOf(person('eva', '', 'named', []), [olga])).toBe('named');
  for (const roles of [[], ['agent'], ['agent', 'technician']]) expect(nextOf(person('eva', 'olga', 'added', roles), [olga])).toBe('added');
  expect(nextOf(person('eva', 'olga', 'invited', []), [olga])).toBe('invited');
  expect(nextOf(person('eva', 'olga', 'here', []), [olga])).toBe('waiting');
  expect(nextOf(person('eva', 'olga', 'here', ['agent']), [olga])).toBe('');
  // Whose passkeys were taken away: one owner gives nobody a new one who vouches for others.
  for (const role of ['reviewer', 'supervisor', 'administrator', 'auditor', 'expert', 'authorised', 'owner'])
    expect(nextOf(person('eva', 'olga', 'invited', [role]), [olga])).toBe('keyless');
  const custodian = { ...olga, custodians: ['eva', 'ann'] };
  expect(mayBeInvited(person('eva', 'olga', 'added'), [custodian])).toBe(false);
  expect(mayBeInvited(person('tom', 'olga', 'added'), [custodian])).toBe(true);
});

test('what a change gives and takes', () => {
  expect(difference(['agent', 'reviewer'], ['reviewer', 'expert'])).toEqual({ gets: ['expert'], loses: ['agent'], keeps: ['reviewer'] });
});

test('a countdown says nothing once it is over', () => {
  expect(countdown(60_000, 0)).toBe('1:00');
  expect(countdown(60_000, 50_500)).toBe('0:10');
  expect(countdown(60_000, 60_000)).toBe('');
});
