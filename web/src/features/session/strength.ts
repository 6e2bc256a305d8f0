// How good a passphrase is, as the server says.
const LENGTH_MIN = 12;

export type Strength =
  | { state: 'empty' | 'asking' | 'good' | 'unknown' }
  | { state: 'short'; left: number }
  | { state: 'weak'; of: string };

// The server refuses a passphrase before it looks at the passkey, and says how it rates it.
export function strengthOf(detail: string): Strength {
  const rated = /\((\d) of 4/.exec(detail);
  if (rated) return { state: 'weak', of: rated[1]! };
  return detail.includes('passphrase') ? { state: 'unknown' } : { state: 'good' };
}

// As the server counts: code points, not the halves of which a string is made here.
export const charactersLacking = (passphrase: string): number => Math.max(0, LENGTH_MIN - [...passphrase].length);
