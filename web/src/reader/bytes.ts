// Bytes, and why a reader refuses them. Everything in reader/ runs in a worker, in node and in tests alike:
// it knows neither the page nor the network.

export type Bytes = Uint8Array<ArrayBuffer>;

export type Outcome = 'malformed' | 'unsupported' | 'too_large' | 'erased' | 'corrupt';

export class Refused extends Error {
  constructor(
    readonly outcome: Outcome,
    readonly at: string,
  ) {
    super(`${outcome} at ${at}`);
  }
}

export function refuse(outcome: Outcome, at: string): never {
  throw new Refused(outcome, at);
}

export function fromHex(text: string): Bytes {
  if (text.length % 2 !== 0 || /[^0-9a-fA-F]/.test(text)) refuse('malformed', 'hex');
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; ++i) out[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

export function toHex(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) out += byte.toString(16).padStart(2, '0');
  return out;
}

export function fromBase64(text: string): Bytes {
  let raw: string;
  try {
    raw = atob(text);
  } catch {
    return refuse('malformed', 'base64');
  }
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; ++i) out[i] = raw.charCodeAt(i);
  return out;
}

export function toBase64(bytes: Uint8Array): string {
  let raw = '';
  for (const byte of bytes) raw += String.fromCharCode(byte);
  return btoa(raw);
}

export function concat(...parts: Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const ascii = (text: string): Bytes => Uint8Array.from(text, (c) => c.charCodeAt(0));

export async function sha256(...parts: Uint8Array[]): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', concat(...parts)));
}

// Looks at every byte whatever it finds, so that time tells nothing of where two differ.
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let different = 0;
  for (let i = 0; i < a.length; ++i) different |= a[i]! ^ b[i]!;
  return different === 0;
}

export const view = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
