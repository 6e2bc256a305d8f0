// How somebody who is invited proves it without the server's word (docs/formats/chart.md): the owner's browser makes a
// secret, the link holds it behind #, and neither browser sends it. What the owner signs is of the key that follows from
// it; that key signs whose first passkey it is. What opens the link at the server follows from the secret, too, and
// leads to nothing.
import { ascii, concat, fromHex, sha256, toHex, type Bytes } from '../reader/bytes';
import { utf8 } from '../reader/note';
import type { Passkey } from './passkey';

const ED25519 = 'Ed25519';
// PKCS #8 (RFC 8410) up to the seed.
const BEFORE_SEED = fromHex('302e020100300506032b657004220420');

export interface Invitation {
  link: string; // what stands behind # of the link
  invite: string;
  opens: string; // SHA-256 of the token, as the server keeps it
}

interface Key {
  priv: CryptoKey;
  pub: Bytes;
}
async function keyOf(secret: Bytes): Promise<Key> {
  const seed = await sha256(ascii('CWS1 invitation key'), secret);
  const priv = await crypto.subtle.importKey('pkcs8', concat(BEFORE_SEED, seed), ED25519, true, ['sign']);
  const { x } = await crypto.subtle.exportKey('jwk', priv);
  const pub = atob(x!.replaceAll('-', '+').replaceAll('_', '/'));
  return { priv, pub: ascii(pub) };
}
const inviteOf = (key: Key): Promise<Bytes> => sha256(ascii('CWS1 invitation'), key.pub);

// A link of an invitation, told from those that the server makes by its first letter.
const MARK = 'i';
export const isInvitation = (tail: string): boolean => /^i[0-9a-f]{64}$/.test(tail);
const secretOf = (tail: string): Bytes => fromHex(tail.slice(MARK.length));

export async function tokenOf(tail: string): Promise<string> {
  return toHex(await sha256(ascii('CWS1 invitation link'), secretOf(tail)));
}

export async function makeInvitation(secret: Bytes = crypto.getRandomValues(new Uint8Array(32))): Promise<Invitation> {
  const link = MARK + toHex(secret);
  const key = await keyOf(secret);
  return { link, invite: toHex(await inviteOf(key)), opens: toHex(await sha256(utf8(await tokenOf(link)))) };
}

// What a first passkey comes with: the invitation's key, and its signature over whose and which it is.
export async function answerInvitation(tail: string, person: string, passkey: Passkey): Promise<string> {
  const key = await keyOf(secretOf(tail));
  const id = fromHex(passkey.id);
  const form = new DataView(new ArrayBuffer(6));
  form.setInt32(0, passkey.algorithm, true);
  form.setUint16(4, id.length, true);
  const said = await sha256(
    ascii('CWS1 first key'), fromHex(person), await inviteOf(key), new Uint8Array(form.buffer), id, fromHex(passkey.key),
  );
  return toHex(key.pub) + toHex(new Uint8Array(await crypto.subtle.sign(ED25519, key.priv, said)));
}
