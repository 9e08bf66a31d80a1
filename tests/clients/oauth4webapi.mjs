// oauth4webapi, the strict one: every answer is checked by the section of the specification that it comes from.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import { AFTERWARDS, CLIENT_ID, ISSUER, METHOD, REDIRECT_URI } from "./program.mjs";
import { clientKey, done, isPublic, proof, visit } from "./program.mjs";

const issuer = new URL(ISSUER);
const client = { client_id: CLIENT_ID };
const key = METHOD === "private_key_jwt" ? await clientKey() : undefined;
const proves = await proof(oauth);

const documents = await Promise.all(
  ["oidc", "oauth2"].map(async (algorithm) => {
    const answer = await oauth.discoveryRequest(issuer, { algorithm });
    return oauth.processDiscoveryResponse(issuer, answer);
  }),
);
assert.deepEqual(documents[0], documents[1]);
const [as] = documents;
assert(as.token_endpoint_auth_methods_supported.includes(METHOD));
// Only then do clients insist on `iss` (RFC 9207 §2.3).
assert.equal(as.authorization_response_iss_parameter_supported, true);

/** Signs a user in; the request goes to the server as `send` has it. */
async function signIn(scope, send = (parameters) => parameters) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const url = new URL(as.authorization_endpoint);
  const parameters = new URLSearchParams({
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    response_type: "code",
    scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: as.code_challenge_methods_supported[0],
    state,
    ...(scope.includes("openid") && { nonce }),
  });
  url.search = new URLSearchParams(await send(parameters));
  const answer = oauth.validateAuthResponse(as, client, await visit(url), state);
  const redeem = () => oauth.authorizationCodeGrantRequest(as, client, proves, answer, REDIRECT_URI, verifier);
  return [redeem, nonce];
}

const [redeem, expectedNonce] = await signIn("openid profile");
const answer = await redeem();
const copy = answer.clone();
const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, {
  expectedNonce,
  requireIdToken: true,
});
// Signed by a key that is published.
await oauth.validateApplicationLevelSignature(as, answer);
assert.equal(copy.headers.get("cache-control"), "no-store");
const { sub } = oauth.getValidatedIdTokenClaims(tokens);

const userInfo = await oauth.userInfoRequest(as, client, tokens.access_token);
const { updated_at: _, ...user } = await oauth.processUserInfoResponse(as, client, sub, userInfo);
assert.deepEqual(user, { sub, preferred_username: "ana" });

// RFC 9068: what a service makes of the access token.
const call = new Request(as.issuer, { headers: { authorization: `Bearer ${tokens.access_token}` } });
const claims = await oauth.validateJwtAccessToken(as, call, as.issuer);
assert.deepEqual([claims.sub, claims.client_id, claims.scope], [sub, CLIENT_ID, "openid profile"]);

const refresh = async (token) => {
  const answer = await oauth.refreshTokenGrantRequest(as, client, proves, token);
  return oauth.processRefreshTokenResponse(as, client, answer);
};
const refreshed = await refresh(tokens.refresh_token);
assert.notEqual(refreshed.refresh_token, tokens.refresh_token);

// The request is pushed (RFC 9126), signed (RFC 9101), or both.
const push = async (parameters) => {
  const answer = await oauth.pushedAuthorizationRequest(as, client, proves, parameters);
  const { request_uri, expires_in } = await oauth.processPushedAuthorizationResponse(as, client, answer);
  assert(expires_in > 0 && expires_in <= 600);
  return { client_id: CLIENT_ID, request_uri };
};
const sign = async (parameters) => {
  const request = await oauth.issueRequestObject(as, client, parameters, { key, kid: "k-1" });
  return { client_id: CLIENT_ID, request };
};
const ways = [...(isPublic ? [] : [push]), ...(key ? [sign, async (it) => push(await sign(it))] : [])];
for (const way of ways) {
  const [redeem, expectedNonce] = await signIn("openid", way);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, await redeem(), { expectedNonce });
  assert.deepEqual([tokens.scope, oauth.getValidatedIdTokenClaims(tokens).sub], ["openid", sub]);
}

// A device without a browser (RFC 8628): its user has not said yes, then has.
const shown = await oauth.processDeviceAuthorizationResponse(
  as,
  client,
  await oauth.deviceAuthorizationRequest(as, client, proves, { scope: "openid profile" }),
);
const poll = async () => {
  const answer = await oauth.deviceCodeGrantRequest(as, client, proves, shown.device_code);
  return oauth.processDeviceCodeResponse(as, client, answer);
};
await assert.rejects(poll(), { code: oauth.RESPONSE_BODY_ERROR, error: "authorization_pending", status: 400 });
await assert.rejects(poll(), { code: oauth.RESPONSE_BODY_ERROR, error: "slow_down", status: 400 });
await visit(shown.verification_uri_complete);
assert.equal((await poll()).scope, "openid profile");
await assert.rejects(poll(), { code: oauth.RESPONSE_BODY_ERROR, error: "invalid_grant", status: 400 });

// Without `openid` there is no ID token, and nothing to be told at the userinfo endpoint.
const [redeemPlain] = await signIn("orders:read");
const plain = await oauth.processAuthorizationCodeResponse(as, client, await redeemPlain());
assert.equal(plain.id_token, undefined);
const forbidden = await oauth.userInfoRequest(as, client, plain.access_token);
await assert.rejects(oauth.processUserInfoResponse(as, client, oauth.skipSubjectCheck, forbidden), (error) => {
  const [challenge] = error.cause;
  assert.equal(error.code, oauth.WWW_AUTHENTICATE_CHALLENGE);
  assert.deepEqual([error.status, challenge.scheme, challenge.parameters.error], [403, "bearer", "insufficient_scope"]);
  return true;
});

if (!isPublic) {
  const answer = await oauth.introspectionRequest(as, client, proves, refreshed.access_token);
  const seen = await oauth.processIntrospectionResponse(as, client, answer);
  assert.deepEqual([seen.active, seen.sub, seen.iss], [true, sub, as.issuer]);
  // RFC 9701: the same, signed.
  const asJwt = { requestJwtResponse: true };
  const signed = await oauth.introspectionRequest(as, client, proves, refreshed.access_token, asJwt);
  const alg = as.introspection_signing_alg_values_supported[0];
  const told = await oauth.processIntrospectionResponse(as, { ...client, introspection_signed_response_alg: alg }, signed);
  await oauth.validateApplicationLevelSignature(as, signed);
  assert.deepEqual(told, seen);
  const own = await oauth.clientCredentialsGrantRequest(as, client, proves, { scope: "orders:read" });
  assert.equal((await oauth.processClientCredentialsResponse(as, client, own)).scope, "orders:read");
  const wrong = oauth.ClientSecretBasic("wrong");
  const liar = await oauth.clientCredentialsGrantRequest(as, client, wrong, {});
  await assert.rejects(oauth.processClientCredentialsResponse(as, client, liar), (error) => {
    assert.deepEqual([error.code, error.status], [oauth.WWW_AUTHENTICATE_CHALLENGE, 401]);
    return true;
  });
}

const revoked = await oauth.revocationRequest(as, client, proves, refreshed.refresh_token);
await oauth.processRevocationResponse(revoked);
const ended = { code: oauth.RESPONSE_BODY_ERROR, error: "invalid_grant", status: 400 };
await assert.rejects(refresh(refreshed.refresh_token), ended);

const logout = new URL(as.end_session_endpoint);
logout.search = new URLSearchParams({
  id_token_hint: tokens.id_token,
  post_logout_redirect_uri: AFTERWARDS,
});
assert.equal((await visit(logout)).href, AFTERWARDS);
// Another login of the same user goes on.
assert((await refresh(plain.refresh_token)).access_token);
done();
