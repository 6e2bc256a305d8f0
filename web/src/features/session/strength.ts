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

// The server counts bytes of UTF-8.
export const bytesLacking = (passphrase: string): number =>
  Math.max(0, LENGTH_MIN - new TextEncoder().encode(passphrase).length);
