// A change of the role chart, as this page reads it: what is signed is its own hash of what it shows, and what it drafted
// is what was asked for. The server, which writes the change down, is believed neither.
import { ascii, fromHex, sha256, toHex, type Bytes } from '../reader/bytes';
import type { Json } from '../reader/log';
import { hashOf } from './signed_hash';

export type Change = {
  kind: string;
  person: string;
  roles: string; // words, a space between
  answers_to: string;
  extension: string;
  invite: string;
  token: string;
  custodians: string; // two ids, a space between
  key_id: string;
  key_algorithm: number;
  key: string;
} & Record<string, string | number>;

export interface Asked {
  kind: string;
  person: string;
  roles?: string[];
  answers_to?: string;
  extension?: string;
  invite?: string;
  custodians?: string[];
  passkey?: string;
  authenticator_data?: string;
}

export const challengeOf = (change: Change): Promise<Bytes> => hashOf('CWS1 chart', change as Json);

// 80 bits of it, in groups that are read aloud.
export async function fingerprintOf(key: { id: string; key: string }): Promise<string> {
  const digest = await sha256(ascii('CWS1 passkey'), fromHex(key.id), fromHex(key.key));
  return toHex(digest.slice(0, 10)).match(/.{4}/g)!.join(' ');
}

const sorted = (words: string[]): string => [...words].sort().join(' ');
// Roles, custodians: what a change writes with a space between.
export const words = (text: string): string[] => text.split(' ').filter((word) => word !== '');

// Whether the authenticator said this key: its id and its numbers stand in what it gave.
const said = (given: string, change: Change): boolean =>
  change.key !== '' && [change.key_id, change.key.slice(0, 64), change.key.slice(64)].every((part) => given.includes(part));

// `print`: of the passkey that was compared by voice, where the change brings one.
export async function isAsked(change: Change, asked: Asked, print = ''): Promise<boolean> {
  const keyed = { key_added: asked.authenticator_data !== undefined && said(asked.authenticator_data, change),
    key_removed: change.key_id === asked.passkey && change.key === '',
    key_replaced: print !== '' && (await fingerprintOf({ id: change.key_id, key: change.key })) === print } as Record<string, boolean>;
  return (
    change.kind === asked.kind &&
    change.person === asked.person &&
    sorted(words(change.roles)) === sorted(asked.roles ?? []) &&
    change.answers_to === (asked.answers_to ?? '') &&
    change.extension === (asked.extension ?? '') &&
    change.invite === (asked.invite ?? '') &&
    change.token === '' &&
    sorted(words(change.custodians)) === sorted(asked.custodians ?? []) &&
    (keyed[change.kind] ?? (change.key_id === '' && change.key === ''))
  );
}
