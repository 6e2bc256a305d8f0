// Passkeys, as the role chart knows them (docs/formats/chart.md): a key is two numbers and an id, a signature is what
// the authenticator said. No attestation is asked for; presence and verification always are.
import { ascii, fromHex, refuse, sha256, toHex, type Bytes } from '../reader/bytes';
import type { Json } from '../reader/log';
import { utf8 } from '../reader/note';
import { hashOf, type SignedAs } from './signed_hash';

export interface Passkey {
  id: string;
  algorithm: -7 | -8;
  key: string;
}
export interface PersonSignature {
  person: string;
  passkey: string;
  client_data: string;
  authenticator_data: string;
  signature: string;
}
export interface NewPasskey {
  passkey: Passkey;
  client_data: string;
  authenticator_data: string;
}

const ES256 = -7;
const EDDSA = -8;
const TIMEOUT_MS = 120_000;
const hex = (raw: ArrayBuffer): string => toHex(new Uint8Array(raw));
const text = (raw: ArrayBuffer): string => new TextDecoder().decode(raw);

// SubjectPublicKeyInfo to the raw key: P-256 ends in the point 04 || x || y, Ed25519 in its 32 bytes.
function rawKey(spki: Bytes, algorithm: number): Bytes {
  const length = algorithm === ES256 ? 64 : 32;
  if (spki.length < length + 1 || (algorithm === ES256 && spki[spki.length - 65] !== 4)) refuse('malformed', 'key');
  return spki.slice(spki.length - length);
}

export async function makePasskey(
  host: string,
  person: { id: Bytes; name: string },
  challenge: Bytes,
  known: Bytes[],
): Promise<NewPasskey> {
  const made = (await navigator.credentials.create({
    publicKey: {
      rp: { id: host, name: 'Callward' },
      user: { id: person.id, name: person.name, displayName: person.name },
      challenge,
      pubKeyCredParams: [ES256, EDDSA].map((alg) => ({ type: 'public-key', alg })),
      excludeCredentials: known.map((id) => ({ type: 'public-key', id })),
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
      attestation: 'none',
      timeout: TIMEOUT_MS,
    },
  })) as PublicKeyCredential | null;
  if (made === null) return refuse('malformed', 'passkey');
  const response = made.response as AuthenticatorAttestationResponse;
  const algorithm = response.getPublicKeyAlgorithm();
  const spki = response.getPublicKey();
  if (spki === null || (algorithm !== ES256 && algorithm !== EDDSA)) return refuse('unsupported', 'algorithm');
  return {
    passkey: { id: hex(made.rawId), algorithm, key: toHex(rawKey(new Uint8Array(spki), algorithm)) },
    client_data: text(response.clientDataJSON),
    authenticator_data: hex(response.getAuthenticatorData()),
  };
}

// SHA-256("CWS1 own act " || act || 0 || person || nonce || about): no other thing that is signed begins like this.
// `about`: what it is of, where that is not the person alone.
export async function ownActChallenge(act: string, person: string, nonce: Bytes, about: Bytes = new Uint8Array(0)): Promise<Bytes> {
  return sha256(ascii(`CWS1 own act ${act}\0`), fromHex(person), nonce, about);
}

// Where an owner is alarmed: SHA-256(whose || address).
export const aboutMail = (whose: string, address: string): Promise<Bytes> => sha256(fromHex(whose), utf8(address));

// `passkeys`: ids that may sign; none: whichever the authenticator has for this host.
export async function signChallenge(
  host: string,
  person: string,
  challenge: Bytes,
  passkeys: Bytes[] = [],
): Promise<PersonSignature> {
  const said = (await navigator.credentials.get({
    publicKey: {
      rpId: host,
      challenge,
      allowCredentials: passkeys.map((id) => ({ type: 'public-key', id })),
      userVerification: 'required',
      timeout: TIMEOUT_MS,
    },
  })) as PublicKeyCredential | null;
  if (said === null) return refuse('malformed', 'passkey');
  const response = said.response as AuthenticatorAssertionResponse;
  return {
    person,
    passkey: hex(said.rawId),
    client_data: text(response.clientDataJSON),
    authenticator_data: hex(response.authenticatorData),
    signature: hex(response.signature),
  };
}

export const sign = async (
  host: string,
  person: string,
  kind: SignedAs,
  value: Json,
  passkeys: Bytes[] = [],
): Promise<PersonSignature> => signChallenge(host, person, await hashOf(kind, value), passkeys);
