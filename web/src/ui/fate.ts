// What became of a second, as people see it: the account's six states, and of what is sealed that which opens to
// nobody: held for a person, or on its way to be erased.
import type { Interval } from '../api/client';

export const FATES = ['sealed', 'held', 'erasing', 'unheard', 'erased', 'lost', 'on_hold', 'silent'] as const;
export type Fate = (typeof FATES)[number];

export function fateOf({ state, reason }: Pick<Interval, 'state' | 'reason'>): Fate {
  if (state !== 'sealed') return state;
  return reason === 'held' ? 'held' : reason === 'erase_intended' ? 'erasing' : 'sealed';
}
// Nothing of it can be played, nor marked to be erased once more.
export const isClosed = (interval: Pick<Interval, 'state' | 'reason'>): boolean =>
  ['held', 'erasing', 'erased'].includes(fateOf(interval));
