// What an owner's passkey signs of the retention of customers' fields: computed here, of what the page shows, so
// that nobody signs something unseen (docs/formats/chart.md).
import { ascii, fromHex, sha256, toHex, type Bytes } from '../reader/bytes';
import { utf8 } from '../reader/note';

export interface OwnersWord {
  by: string;
  nonce: string;
  customers: number;
  keep: { reference_days: number; contact_days: number; secret_hours: number };
  reasonHash: string;
  stop: string;
}

export function challengeOf(word: OwnersWord): Promise<Bytes> {
  const numbers = new DataView(new ArrayBuffer(20));
  numbers.setBigUint64(0, BigInt(word.customers), true);
  [word.keep.reference_days, word.keep.contact_days, word.keep.secret_hours].forEach((n, i) => numbers.setUint32(8 + 4 * i, n, true));
  return sha256(
    ascii('CWS1 retention'), fromHex(word.by), fromHex(word.nonce), new Uint8Array(numbers.buffer), fromHex(word.reasonHash), ascii(word.stop),
  );
}

// The reason stays here; its hash with a number of its own goes into the log. `r` and the reason prove it later.
export async function hashReason(reason: string): Promise<{ r: string; hash: string }> {
  const r = crypto.getRandomValues(new Uint8Array(16));
  return { r: toHex(r), hash: toHex(await sha256(r, utf8(reason))) };
}
