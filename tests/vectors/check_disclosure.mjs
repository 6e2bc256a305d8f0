// Reads disclosure.json by the formats' pages (chart.md, steps.md, customer.md), with Node's own cryptography.
import { createDecipheriv, createPrivateKey, createPublicKey, createHmac, diffieHellman, verify } from 'node:crypto';
import { canonical, fromHex, refuse, sha256 } from './parts.mjs';

const isHex = (text, most) => typeof text === 'string' && text.length <= 2 * most && /^([0-9a-f]{2})*$/.test(text);
const isDigest = (text) => text === '' || (/^[0-9a-f]{64}$/.test(text) && !/^0*$/.test(text));
const isId = (text) => text === '' || (/^[0-9a-f]{32}$/.test(text) && !/^0*$/.test(text));
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;

const CHANGES = ['founded', 'person', 'left', 'invited', 'first_key', 'key_added', 'key_removed', 'key_replaced', 'custodians'];
const STEPS = ['ask', 'assign', 'withdraw', 'ring', 'no_answer', 'pass', 'fail', 'release', 'decline', 'break', 'view', 'end', 'revoke', 'review', 'time'];
const ROLES = ['reviewer', 'owner', 'agent', 'technician', 'expert', 'authorised', 'supervisor', 'administrator', 'auditor'];
const isRoles = (text) => text === '' || (() => {
  const at = text.split(' ').map((word) => ROLES.indexOf(word));
  return at.every((place, i) => place >= 0 && (i === 0 || place > at[i - 1]));
})();

const CHANGE = {
  number: (v) => isCount(v) && v >= 1, before: isDigest, at: Number.isSafeInteger, kind: (v) => CHANGES.includes(v), person: isId,
  roles: isRoles, answers_to: isId, extension: (v) => typeof v === 'string', invite: isDigest, token: (v) => isHex(v, 96),
  custodians: (v) => v === '' || /^[0-9a-f]{32} [0-9a-f]{32}$/.test(v), key_id: (v) => isHex(v, 512),
  key_algorithm: (v) => [0, -7, -8].includes(v), key: (v) => isHex(v, 64),
};
const isFlag = (value) => typeof value === 'boolean';
const STEP = {
  request: isId, number: (v) => isCount(v) && v >= 1, before: isDigest, at: isCount, kind: (v) => STEPS.includes(v), by: isId, customer: isId,
  case: isCount, fields: (v) => Array.isArray(v) && v.length <= 64 && v.every(isCount), expert: isId, call: isId, answered: isFlag,
  recorded: isFlag, number_on_file: isFlag, seconds: isCount, number_age_days: isCount, checks: isCount, window_ms: isCount, words: isDigest,
  reader_key: isDigest,
};
const CATEGORIES = ['repair', 'billing', 'contract', 'complaint', 'safety', 'other', 'own_data']; // of the first step alone, where it was said
function readFields(json, shape) {
  if (shape === STEP && 'category' in json) {
    if (json.number !== 1 || !CATEGORIES.includes(json.category)) refuse('malformed', 'category');
    json = Object.fromEntries(Object.entries(json).filter(([name]) => name !== 'category'));
  }
  const names = Object.keys(json);
  for (const name of Object.keys(shape)) if (!names.includes(name) || !shape[name](json[name])) refuse('malformed', name);
  if (names.length !== Object.keys(shape).length) refuse('malformed', 'a field too many');
}
function readWritten(item) {
  readFields(item.json, item.kind === 'change' ? CHANGE : STEP);
  const hash = sha256(Buffer.from(item.kind === 'change' ? 'CWS1 chart' : 'CWS1 step'), Buffer.from(canonical(item.json)));
  return hash.toString('hex') === item.hash;
}

function readSignature(item) {
  const said = item.json;
  const client = JSON.parse(said.client_data);
  if (client.type !== 'webauthn.get' || client.origin !== item.origin || client.crossOrigin === true || 'topOrigin' in client ||
      client.challenge !== fromHex(item.challenge).toString('base64url')) refuse('denied', 'client data');
  const data = fromHex(said.authenticator_data);
  if (data.length !== 37) refuse('malformed', 'authenticator data');
  if (!data.subarray(0, 32).equals(sha256(Buffer.from(item.party)))) refuse('denied', 'party');
  if ((data[32] & 5) !== 5 || (data[32] & 128) !== 0) refuse('denied', 'flags');
  const spki = Buffer.concat([fromHex('302a300506032b6570032100'), fromHex(item.key)]); // Ed25519
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const message = Buffer.concat([data, sha256(Buffer.from(said.client_data))]);
  return verify(null, message, key, fromHex(said.signature)) || refuse('denied', 'signature');
}

// RFC 9180, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
const hmac = (key, ...parts) => createHmac('sha256', key).update(Buffer.concat(parts)).digest();
const expand = (key, info, length) => {
  let [out, last] = [Buffer.alloc(0), Buffer.alloc(0)];
  for (let i = 1; out.length < length; ++i) out = Buffer.concat([out, (last = hmac(key, last, info, Buffer.from([i])))]);
  return out.subarray(0, length);
};
const KEM = Buffer.from('4b454d0020', 'hex'), HPKE = Buffer.from('48504b45002000010002', 'hex');
const extractLabeled = (suite, salt, label, key) => hmac(salt, Buffer.from('HPKE-v1'), suite, Buffer.from(label), key);
const expandLabeled = (suite, key, label, info, length) =>
  expand(key, Buffer.concat([Buffer.from([length >> 8, length & 255]), Buffer.from('HPKE-v1'), suite, Buffer.from(label), info]), length);
function openHpke(secret, enc, info, aad, sealed) {
  const own = createPrivateKey({ key: Buffer.concat([fromHex('302e020100300506032b656e04220420'), secret]), format: 'der', type: 'pkcs8' });
  const x25519 = (raw) => createPublicKey({ key: Buffer.concat([fromHex('302a300506032b656e032100'), raw]), format: 'der', type: 'spki' });
  const receiver = createPublicKey(own).export({ format: 'der', type: 'spki' }).subarray(12);
  const dh = diffieHellman({ privateKey: own, publicKey: x25519(enc) });
  const shared = expandLabeled(KEM, extractLabeled(KEM, Buffer.alloc(0), 'eae_prk', dh), 'shared_secret', Buffer.concat([enc, receiver]), 32);
  const none = Buffer.alloc(0);
  const context = Buffer.concat([Buffer.from([0]), extractLabeled(HPKE, none, 'psk_id_hash', none), extractLabeled(HPKE, none, 'info_hash', info)]);
  const prk = extractLabeled(HPKE, shared, 'secret', none);
  const cipher = createDecipheriv('aes-256-gcm', expandLabeled(HPKE, prk, 'key', context, 32), expandLabeled(HPKE, prk, 'base_nonce', context, 12));
  cipher.setAAD(aad).setAuthTag(sealed.subarray(-16));
  try {
    return Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
  } catch {
    return refuse('corrupt', 'tag');
  }
}
function readIntake(item) {
  const plain = openHpke(fromHex(item.secret), fromHex(item.enc), Buffer.from(item.info), Buffer.from(item.aad), fromHex(item.ciphertext));
  return plain.toString() === item.plain;
}

function readReader(item) {
  const at = Buffer.alloc(8);
  at.writeBigInt64LE(BigInt(item.at));
  return sha256(Buffer.from('CWS1 reader'), fromHex(item.person), fromHex(item.key), at).toString('hex') === item.challenge;
}
const PURPOSES = { play: 1, export: 2, transcript: 3, challenge: 4 };
function readConsent(item) {
  const at = Buffer.alloc(8);
  at.writeBigInt64LE(BigInt(item.at));
  const scope = [fromHex(item.call), Buffer.from([PURPOSES[item.purpose]])];
  return sha256(Buffer.from('CWS2 reader'), fromHex(item.person), fromHex(item.key), at, ...scope).toString('hex') === item.challenge &&
    sha256(Buffer.from('CWS2 fingerprint'), fromHex(item.key), ...scope).toString('hex', 0, 8) === item.fingerprint;
}
function readOwner(item) {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(item.case, 0);
  numbers.writeUInt32LE(item.leaf, 4);
  return sha256(Buffer.from('CWF1'), fromHex(item.customer), numbers, Buffer.from(item.field)).toString('hex', 0, 16) === item.owner;
}

// docs/formats/chart.md, "An invitation".
function readInvitation(item) {
  const secret = fromHex(item.secret), token = fromHex(item.token), id = fromHex(item.key_id);
  if (sha256(Buffer.from('CWS1 invitation link'), secret).toString('hex') !== item.link) return false;
  const seed = sha256(Buffer.from('CWS1 invitation key'), secret);
  const own = createPrivateKey({ key: Buffer.concat([fromHex('302e020100300506032b657004220420'), seed]), format: 'der', type: 'pkcs8' });
  const raw = createPublicKey(own).export({ format: 'der', type: 'spki' }).subarray(12);
  if (sha256(Buffer.from('CWS1 invitation'), raw).toString('hex') !== item.invite) return false;
  const form = Buffer.alloc(6);
  form.writeInt32LE(item.key_algorithm, 0);
  form.writeUInt16LE(id.length, 4);
  const said = sha256(Buffer.from('CWS1 first key'), fromHex(item.person), fromHex(item.invite), form, id, fromHex(item.key));
  return (token.length === 96 && token.subarray(0, 32).equals(raw) && verify(null, said, createPublicKey(own), token.subarray(32))) || refuse('denied', 'token');
}

export function readDisclosure(item) {
  const readers = { change: readWritten, step: readWritten, signature: readSignature, intake: readIntake, reader: readReader, consent: readConsent, owner: readOwner,
    invitation: readInvitation };
  return readers[item.kind](item);
}
