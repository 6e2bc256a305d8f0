// This person's passkeys at work: what the browser refuses is said in words. Fetched when first wanted.
import { ask, client, Problem } from '../../api/client';
import { t } from '../../messages';
import { fromHex, Refused, type Bytes } from '../../reader/bytes';
import { makePasskey, ownActChallenge, signChallenge, type NewPasskey, type PersonSignature } from '../../vault/passkey';

function problemOf(error: unknown, making: boolean, party: string): Problem {
  if (error instanceof Problem) return error;
  const said = (words: string): Problem => new Problem(-1, 'passkey', words);
  if (error instanceof Refused) return said(t.passkey.failed);
  const name = error instanceof DOMException ? error.name : '';
  if (error instanceof DOMException && /TLS certificate/.test(error.message)) return said(t.passkey.certificate);
  if (name === 'NotAllowedError' || name === 'AbortError') return said(making ? t.passkey.notMade : t.passkey.cancelled);
  if (name === 'InvalidStateError') return said(t.passkey.known);
  if (name === 'SecurityError') return said(t.passkey.place(party));
  if (name === 'ConstraintError' || name === 'NotSupportedError') return said(t.passkey.weak);
  return said(t.passkey.failed);
}

async function guarded<T>(making: boolean, party: string, act: () => Promise<T>): Promise<T> {
  if (!('credentials' in navigator) || !('PublicKeyCredential' in globalThis))
    throw new Problem(-1, 'passkey', t.passkey.none);
  try {
    return await act();
  } catch (error) {
    throw problemOf(error, making, party);
  }
}

export const create = (
  party: string,
  person: { id: string; name: string },
  challenge: Bytes,
  known: string[] = [],
): Promise<NewPasskey> =>
  guarded(true, party, () => makePasskey(party, { id: fromHex(person.id), name: person.name }, challenge, known.map(fromHex)));

export const signWith = (party: string, person: string, challenge: Bytes, passkeys: string[]): Promise<PersonSignature> =>
  guarded(false, party, () => signChallenge(party, person, challenge, passkeys.map(fromHex)));

// What changes how somebody comes in takes their passkey anew, over a number that the server makes for this act alone.
export type OwnAct = 'passphrase' | 'codes' | 'no_codes' | 'end_sessions' | 'mail';
export async function confirmOwn(act: OwnAct, about?: Bytes): Promise<PersonSignature> {
  const { nonce, person, party, passkeys } = await ask(client.POST('/v1/own/confirmation', { body: { act } }));
  return signWith(party, person, await ownActChallenge(act, person, fromHex(nonce), about), passkeys);
}

// Who is signed in signs a challenge: a change of the role chart, a step. `challenge`: 32 bytes, made by this page.
export async function signAs(person: string, challenge: Bytes): Promise<PersonSignature> {
  const { keys } = await ask(client.GET('/v1/people/{id}', { params: { path: { id: person } } }));
  return signWith(location.hostname, person, challenge, keys.map((key) => key.id));
}
