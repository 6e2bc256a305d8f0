// What a passkey signs: the hash of a change of the role chart, or of a step, as the log keeps it.
import { ascii, sha256, type Bytes } from '../reader/bytes';
import { canonical, type Json } from '../reader/log';
import { utf8 } from '../reader/note';

export type SignedAs = 'CWS1 chart' | 'CWS1 step';

export async function hashOf(kind: SignedAs, value: Json): Promise<Bytes> {
  return sha256(ascii(kind), utf8(canonical(value)));
}
