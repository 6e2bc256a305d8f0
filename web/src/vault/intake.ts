// What people type, sealed to the keeper's intake key before it leaves the page (HPKE, RFC 9180). The associated data
// says what for, so that it serves nothing else; the server passes it on unread.
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { ascii, concat, fromBase64, sha256, toBase64, type Bytes } from '../reader/bytes';
import { utf8 } from '../reader/note';

export interface IntakeKey {
  key: number;
  publicKey: string; // base64
}
export interface SealedValue {
  key: number;
  enc: string;
  ciphertext: string;
}
export type Purpose = 'field' | 'find' | 'check' | 'code' | 'words';

export const intakeAad = (purpose: Purpose, about: string[]): string =>
  ['callward intake ' + purpose, ...about].join('|');

const suite = (): CipherSuite =>
  new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

// One context (RFC 9180, 5.2): what is sealed in it is opened in the same order, and costs one agreement of keys.
export class IntakeSealer {
  private constructor(
    private readonly key: number,
    private readonly sender: Awaited<ReturnType<CipherSuite['createSenderContext']>>,
  ) {}
  static async to(to: IntakeKey): Promise<IntakeSealer> {
    const hpke = suite();
    const recipientPublicKey = await hpke.kem.deserializePublicKey(fromBase64(to.publicKey).buffer);
    return new IntakeSealer(to.key, await hpke.createSenderContext({ recipientPublicKey, info: ascii('callward intake v1').buffer }));
  }
  async seal(plain: Bytes, purpose: Purpose, about: string[]): Promise<SealedValue> {
    const sealed = await this.sender.seal(plain.buffer, utf8(intakeAad(purpose, about)).buffer);
    plain.fill(0);
    return { key: this.key, enc: toBase64(new Uint8Array(this.sender.enc)), ciphertext: toBase64(new Uint8Array(sealed)) };
  }
  text(text: string, purpose: Purpose, about: string[]): Promise<SealedValue> {
    return this.seal(utf8(text), purpose, about);
  }
}
export const sealBytes = async (to: IntakeKey, plain: Bytes, purpose: Purpose, about: string[]): Promise<SealedValue> =>
  (await IntakeSealer.to(to)).seal(plain, purpose, about);

export const sealText = (to: IntakeKey, text: string, purpose: Purpose, about: string[]): Promise<SealedValue> =>
  sealBytes(to, utf8(text), purpose, about);

// What is said with a step: r || text. `hash` stands in the step that is signed, the text nowhere.
export interface Said {
  plain: Bytes;
  hash: Bytes;
}
export async function say(text: string): Promise<Said> {
  const plain = concat(crypto.getRandomValues(new Uint8Array(16)), utf8(text));
  return { plain, hash: await sha256(plain) };
}
