// JSON as the log keeps it (RFC 8785 for what an entry may hold): keys in order, no blank, whole numbers. What is
// signed is the hash of this text.
import { ascii, concat, refuse, type Bytes } from '../reader/bytes';
import { utf8 } from '../reader/note';

export type Json = string | number | boolean | Json[] | { [key: string]: Json };

export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object')
    return `{${Object.keys(value)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonical(value[key]!)}`)
      .join(',')}}`;
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return refuse('malformed', 'number');
  return JSON.stringify(value);
}

export type SignedAs = 'CWS1 chart' | 'CWS1 step';

// The challenge of the passkey that signs a change of the role chart or a step.
export async function hashOf(kind: SignedAs, value: Json): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', concat(ascii(kind), utf8(canonical(value)))));
}
