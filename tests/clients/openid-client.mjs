// openid-client: discovery, sign-in, userinfo, refresh, introspection, revocation, sign-out; and what is refused.
import assert from "node:assert/strict";
import * as client from "openid-client";
import { AFTERWARDS, API, CLIENT_ID, ISSUER, METHOD, REDIRECT_URI } from "./program.mjs";
import { clientKey, done, isPublic, proof, visit } from "./program.mjs";

const key = METHOD === "private_key_jwt" ? await clientKey() : undefined;

async function discover(more = {}) {
  const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, await proof(client), {
    execute: [client.enableNonRepudiationChecks],
    ...more,
  });
  config.timeout = 60;
  return config;
}

const config = await discover();
assert(config.serverMetadata().supportsPKCE());
const asOAuth = await discover({ algorithm: "oauth2" });
assert.deepEqual({ ...asOAuth.serverMetadata() }, { ...config.serverMetadata() });

/** Signs a user in; gives the callback's URL and what to check it with. */
async function signIn(more = {}, build = client.buildAuthorizationUrl) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const url = await build(config, {
    redirect_uri: REDIRECT_URI,
    scope: "openid profile email",
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: expectedState,
    nonce: expectedNonce,
    ...more,
  });
  return [await visit(url), { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }];
}

const refused = (error) => ({ name: "ResponseBodyError", error });

const [callback, checks] = await signIn();
const tokens = await client.authorizationCodeGrant(config, callback, checks);
const { sub } = tokens.claims();
assert.equal(tokens.scope, "email openid profile");
assert(tokens.expiresIn() > 800);

const { updated_at: _, ...user } = await client.fetchUserInfo(config, tokens.access_token, sub);
assert.deepEqual(user, { sub, preferred_username: "ana", email: "ana@example.com", email_verified: false });

// Signed in and agreed already: nobody is asked.
const [silent, silentChecks] = await signIn({ prompt: "none" });
assert.equal((await client.authorizationCodeGrant(config, silent, silentChecks)).claims().sub, sub);

const [again, checksAgain] = await signIn({ max_age: "600", resource: API });
const second = await client.authorizationCodeGrant(config, again, { ...checksAgain, maxAge: 600 });
assert.equal(second.claims().sub, sub);
assert.notEqual(second.claims().sid, tokens.claims().sid);
const posted = await signIn({ response_mode: "form_post" });
const request = new Request(REDIRECT_URI, { method: "POST", body: posted[0].searchParams });
await client.authorizationCodeGrant(config, request, posted[1]);

// The request itself is pushed (RFC 9126), and signed (RFC 9101): the browser brings but a reference, or what it cannot
// change.
if (!isPublic) {
  const [pushed, pushedChecks] = await signIn({}, async (...request) => {
    const url = await client.buildAuthorizationUrlWithPAR(...request);
    assert.deepEqual([...url.searchParams.keys()].sort(), ["client_id", "request_uri"]);
    return url;
  });
  await client.authorizationCodeGrant(config, pushed, pushedChecks);
  // RFC 9126 §4: it is good for one request.
  let used;
  await signIn({}, async (...request) => (used = await client.buildAuthorizationUrlWithPAR(...request)));
  assert.equal((await visit(used)).origin, new URL(ISSUER).origin);
}
if (key) {
  const [signed, signedChecks] = await signIn({}, async (...request) => {
    const url = await client.buildAuthorizationUrlWithJAR(...request, { key, kid: "k-1" });
    assert.deepEqual([...url.searchParams.keys()].sort(), ["client_id", "request"]);
    return url;
  });
  await client.authorizationCodeGrant(config, signed, signedChecks);
  const [both, bothChecks] = await signIn({}, async (...request) => {
    const url = await client.buildAuthorizationUrlWithJAR(...request, { key, kid: "k-1" });
    const { client_id: _, ...pushed } = Object.fromEntries(url.searchParams);
    return client.buildAuthorizationUrlWithPAR(config, pushed);
  });
  await client.authorizationCodeGrant(config, both, bothChecks);
  // RFC 9101 §6.2: signed by a key that is not the client's.
  const { privateKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  const forged = { redirect_uri: REDIRECT_URI, scope: "openid" };
  const refusal = await client.buildAuthorizationUrlWithJAR(config, forged, { key: privateKey, kid: "k-1" });
  assert.equal((await visit(refusal)).origin, new URL(ISSUER).origin);
}

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
assert.equal(refreshed.claims().sub, sub);
// Its answer was lost on the way: asked again, it is the same.
const replayed = await client.refreshTokenGrant(config, tokens.refresh_token);
assert.equal(replayed.refresh_token, refreshed.refresh_token);
const narrow = { scope: "email", resource: API };
const forApi = await client.refreshTokenGrant(config, second.refresh_token, narrow);
assert.equal(forApi.scope, "email");

if (!isPublic) {
  const seen = await client.tokenIntrospection(config, forApi.access_token);
  assert.deepEqual([seen.active, seen.sub, seen.client_id, seen.aud], [true, sub, CLIENT_ID, [API]]);
  assert((await client.tokenIntrospection(config, refreshed.refresh_token)).active);
  const own = await client.clientCredentialsGrant(config, { scope: "orders:read", resource: API });
  const ownSeen = await client.tokenIntrospection(config, own.access_token);
  assert.deepEqual([ownSeen.active, ownSeen.sub, ownSeen.aud], [true, CLIENT_ID, [API]]);
}

await client.tokenRevocation(config, refreshed.refresh_token);
await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token), refused("invalid_grant"));
if (!isPublic) {
  assert.deepEqual({ ...(await client.tokenIntrospection(config, refreshed.access_token)) }, { active: false });
}

// RFC 6749 §4.1.2: a code is good once. What it gave goes on, for it comes again at once, as after a lost answer.
await assert.rejects(client.authorizationCodeGrant(config, again, checksAgain), refused("invalid_grant"));
assert((await client.refreshTokenGrant(config, forApi.refresh_token)).refresh_token);

// RFC 7636 §4.6, with somebody else's verifier.
const [stolen, ownChecks] = await signIn();
const foreign = { ...ownChecks, pkceCodeVerifier: client.randomPKCECodeVerifier() };
await assert.rejects(client.authorizationCodeGrant(config, stolen, foreign), refused("invalid_grant"));
await assert.rejects(client.fetchUserInfo(config, "nonsense", sub), { name: "WWWAuthenticateChallengeError" });

if (!isPublic) {
  const liar = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.ClientSecretPost("wrong"));
  const refusal = { name: "WWWAuthenticateChallengeError", status: 401 };
  await assert.rejects(client.refreshTokenGrant(liar, refreshed.refresh_token), refusal);
}

const [last, lastChecks] = await signIn();
const lastTokens = await client.authorizationCodeGrant(config, last, lastChecks);
const afterwards = await visit(
  client.buildEndSessionUrl(config, {
    id_token_hint: lastTokens.id_token,
    post_logout_redirect_uri: AFTERWARDS,
    state: "bye",
  }),
);
assert.equal(afterwards.href, `${AFTERWARDS}?state=bye`);
const [nobody, nobodyChecks] = await signIn({ prompt: "none" });
await assert.rejects(client.authorizationCodeGrant(config, nobody, nobodyChecks), {
  name: "AuthorizationResponseError",
  error: "login_required",
});
await assert.rejects(client.refreshTokenGrant(config, lastTokens.refresh_token), refused("invalid_grant"));
done();
