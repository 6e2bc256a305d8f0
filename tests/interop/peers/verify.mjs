// @simplewebauthn/server over a pipe, for tests/interop/passkey_test.py: a JSON object a line in, {ok, why | key, id, count} out.
import { createInterface } from "node:readline";
import { verifyAuthenticationResponse, verifyRegistrationResponse } from "@simplewebauthn/server";

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64url"));

async function registration(asked) {
  const { verified, registrationInfo } = await verifyRegistrationResponse({ ...asked.expected, supportedAlgorithmIDs: [-7, -8] });
  if (!verified) return { ok: false, why: "not verified" };
  const { id, publicKey, counter } = registrationInfo.credential;
  return { ok: true, id, key: Buffer.from(publicKey).toString("hex"), count: counter };
}

async function assertion(asked) {
  const { id, key, count } = asked.credential;
  const { verified, authenticationInfo } = await verifyAuthenticationResponse({
    ...asked.expected, credential: { id, publicKey: bytes(key), counter: count },
  });
  return verified ? { ok: true, count: authenticationInfo.newCounter } : { ok: false, why: "not verified" };
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const answer = await (asked.do === "registration" ? registration : assertion)(asked).catch((error) => ({ ok: false, why: error.message }));
  process.stdout.write(JSON.stringify(answer) + "\n");
}
