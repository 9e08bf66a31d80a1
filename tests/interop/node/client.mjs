// A client that signs its user in, calls a service, refreshes and signs its user out.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import * as client from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, AFTERWARDS, API, SERVICE } = process.env;

/** Sends the user's browser somewhere; gives where it was sent in the end. */
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function visit(url) {
  console.log(`visit ${url}`);
  return new URL((await lines.next()).value);
}

// On a developer's own machine the issuer may go without TLS.
const execute = ISSUER.startsWith("http://127.0.0.1:") ? [client.allowInsecureRequests] : [];
const proof = client.ClientSecretBasic(CLIENT_SECRET);
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, proof, { execute });

const pkceCodeVerifier = client.randomPKCECodeVerifier();
const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
const callback = await visit(
  client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: "openid profile orders:read",
    resource: API,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: expectedState,
    nonce: expectedNonce,
  }),
);
const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
let tokens = await client.authorizationCodeGrant(config, callback, checks);
const { sub } = tokens.claims();
const { id_token } = tokens;

async function call() {
  const answer = await client.fetchProtectedResource(config, tokens.access_token, new URL(SERVICE), "GET");
  assert.equal((await answer.json()).reader, sub);
}
await call();
tokens = await client.refreshTokenGrant(config, tokens.refresh_token, { resource: API });
await call();

const leaving = { id_token_hint: id_token, post_logout_redirect_uri: AFTERWARDS, state: "bye" };
assert.equal((await visit(client.buildEndSessionUrl(config, leaving))).href, `${AFTERWARDS}?state=bye`);
await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
console.log("done");
process.exit();
