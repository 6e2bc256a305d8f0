// Who acts in this page: the person, where their passkeys are known, and the key that what they may read is sealed to.
import { ask, client } from '../api/client';
import { fromHex, type Bytes } from '../reader/bytes';
import { session } from '../features/session/session.svelte';
import type { ReaderKey } from './reader_key';

export type Role = 'agent' | 'technician' | 'expert' | 'authorised' | 'supervisor' | 'reviewer' | 'owner' | 'administrator' | 'auditor';
export const is = (...roles: Role[]): boolean => roles.some((role) => session.me?.roles.includes(role) ?? false);
export const me = (): string => session.me?.person ?? '';

export const party = (): string => location.hostname;

let known: { person: string; passkeys: Promise<Bytes[]> } | null = null;
export async function passkeys(): Promise<Bytes[]> {
  const person = me();
  if (known?.person !== person) {
    const asked = ask(client.GET('/v1/people/{id}', { params: { path: { id: person } } }));
    known = { person, passkeys: asked.then((found) => found.keys.map((key) => fromHex(key.id))) };
  }
  try {
    return await known.passkeys;
  } catch (error) {
    known = null;
    throw error;
  }
}

export const readerKey = (): ReaderKey | null => null;
