// A client whose tokens are bound to a key of its own (DPoP): a service takes them with the key, and not without.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import * as client from "openid-client";

const { ISSUER, CLIENT_ID, REDIRECT_URI, API, SERVICE } = process.env;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function visit(url) {
  console.log(`visit ${url}`);
  return new URL((await lines.next()).value);
}

const execute = ISSUER.startsWith("http://127.0.0.1:") ? [client.allowInsecureRequests] : [];
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.None(), { execute });
const [DPoP, another] = await Promise.all(
  ["ES256", "ES256"].map(async (kind) => client.getDPoPHandle(config, await client.randomDPoPKeyPair(kind))),
);

const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState();
const callback = await visit(
  client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: "openid orders:read",
    resource: API,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: expectedState,
    dpop_jkt: await DPoP.calculateThumbprint(),
  }),
);
const checks = { pkceCodeVerifier, expectedState, idTokenExpected: true };
let tokens = await client.authorizationCodeGrant(config, callback, checks, { resource: API }, { DPoP });
const { sub } = tokens.claims();

const call = (handle) =>
  client.fetchProtectedResource(config, tokens.access_token, new URL(SERVICE), "GET", undefined, undefined, {
    DPoP: handle,
  });
async function served() {
  assert.equal(tokens.token_type, "dpop");
  assert.equal((await (await call(DPoP)).json()).reader, sub);
}
async function refused(scheme, headers = {}) {
  const authorization = `${scheme} ${tokens.access_token}`;
  const answer = await fetch(SERVICE, { headers: { authorization, ...headers } });
  assert.equal(answer.status, 401, `${scheme} ${Object.keys(headers)}: ${await answer.text()}`);
}

await served();
// A stolen token: shown as another kind, without a proof, with nonsense, and with the thief's own key.
await refused("Bearer");
await refused("DPoP");
await refused("DPoP", { DPoP: "nonsense" });
await assert.rejects(call(another), (error) => error.status === 401 || error.cause?.[0]?.scheme === "dpop");
tokens = await client.refreshTokenGrant(config, tokens.refresh_token, { resource: API }, { DPoP });
await served();
console.log("done");
process.exit();
