// The role chart as a tree, and what a change makes of it, in plain data.
import type { Person } from '../../api/client';

export const CHART_ROLES = ['agent', 'technician', 'expert', 'authorised', 'supervisor', 'reviewer', 'owner', 'administrator', 'auditor'] as const;
export const TWO_TO_GIVE: readonly string[] = ['expert', 'authorised', 'owner'];
// They come after the passkey: whoever gave the link would have the role.
export const MAY_SECOND: readonly string[] = [...TWO_TO_GIVE, 'reviewer', 'supervisor', 'administrator', 'auditor'];

export interface Branch {
  person: Person;
  below: Branch[];
}

const byName = (a: Person, b: Person): number => a.name.localeCompare(b.name);
export const inChart = (person: Person): boolean => person.state !== 'named' && person.state !== 'left';

// Who answers to nobody who is here stands at the top; a circle, which no chart has, is cut where it closes.
export function treeOf(people: Person[]): Branch[] {
  const here = people.filter(inChart).sort(byName);
  const known = new Set(here.map((one) => one.person));
  const placed = new Set<string>();
  const branch = (person: Person): Branch => {
    placed.add(person.person);
    const below = here.filter((one) => one.answers_to === person.person && !placed.has(one.person));
    return { person, below: below.map(branch) };
  };
  const roots = here.filter((one) => !known.has(one.answers_to)).map(branch);
  for (const one of here) if (!placed.has(one.person)) roots.push(branch(one));
  return roots;
}

// Whom somebody may answer to: who is in the chart, neither themselves nor anybody below them.
export function superiorsFor(person: string, people: Person[]): Person[] {
  const parent = new Map(people.map((one) => [one.person, one.answers_to]));
  const below = (id: string): boolean => {
    for (let at = id, steps = 0; at !== '' && steps < 20; at = parent.get(at) ?? '', steps += 1) if (at === person) return true;
    return false;
  };
  return people.filter((one) => inChart(one) && !below(one.person)).sort(byName);
}

// Who may sign a change second, besides custodians: a passkey, a role for it, neither the first nor whom it is about.
export const mayBeSecond = (people: Person[], first: string, about: string): Person[] =>
  people
    .filter((one) => one.state === 'here' && one.person !== first && one.person !== about && one.roles.some((role) => MAY_SECOND.includes(role)))
    .sort(byName);

// Whether giving it takes two: what opens something always does; what makes one the second of two, as soon as an owner
// and somebody else who may sign are here, neither of whom it is about; but an owner may be the first about themselves.
export function takesTwo(role: string, people: Person[], about: string): boolean {
  const counts = (one: Person): boolean =>
    one.state === 'here' && one.roles.some((held) => MAY_SECOND.includes(held)) && (one.person !== about || one.roles.includes('owner'));
  return TWO_TO_GIVE.includes(role) || (MAY_SECOND.includes(role) && people.filter(counts).length >= 2);
}

// Whose first passkey one owner alone gives: nobody's who may second, or is somebody's custodian. Theirs two give anew.
export const mayBeInvited = (person: Person, people: Person[]): boolean =>
  ['added', 'invited'].includes(person.state) &&
  !person.roles.some((role) => MAY_SECOND.includes(role)) &&
  !people.some((one) => one.custodians.includes(person.person));

// What an owner does next to have this person at work; '' when nothing is left.
export function nextOf(person: Person, people: Person[]): '' | 'named' | 'added' | 'invited' | 'waiting' | 'keyless' {
  if (person.state === 'named') return 'named';
  if (person.state === 'added' || person.state === 'invited') return mayBeInvited(person, people) ? person.state : 'keyless';
  return person.state === 'here' && person.roles.length === 0 ? 'waiting' : '';
}

export interface Difference {
  gets: string[];
  loses: string[];
  keeps: string[];
}
export const difference = (had: string[], gets: string[]): Difference => ({
  gets: gets.filter((role) => !had.includes(role)),
  loses: had.filter((role) => !gets.includes(role)),
  keeps: gets.filter((role) => had.includes(role)),
});

// 13:07 until it is void; '' when it is.
export function countdown(until: number, now: number): string {
  const seconds = Math.ceil((until - now) / 1000);
  return seconds <= 0 ? '' : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
