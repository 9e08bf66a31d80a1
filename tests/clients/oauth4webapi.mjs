// oauth4webapi, the strict one: every answer is checked by the section of the specification that it comes from.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import { AFTERWARDS, CLIENT_ID, CLIENT_SECRET, ISSUER, METHOD, REDIRECT_URI } from "./program.mjs";
import { clientKey, done, isPublic, visit } from "./program.mjs";

const http = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(ISSUER);
const client = { client_id: CLIENT_ID };
const key = METHOD === "private_key_jwt" ? await clientKey() : undefined;
const proof = {
  none: () => oauth.None(),
  client_secret_basic: () => oauth.ClientSecretBasic(CLIENT_SECRET),
  client_secret_post: () => oauth.ClientSecretPost(CLIENT_SECRET),
  private_key_jwt: () => oauth.PrivateKeyJwt({ key, kid: "k-1" }),
}[METHOD]();

const documents = await Promise.all(
  ["oidc", "oauth2"].map(async (algorithm) => {
    const answer = await oauth.discoveryRequest(issuer, { algorithm, ...http });
    return oauth.processDiscoveryResponse(issuer, answer);
  }),
);
assert.deepEqual(documents[0], documents[1]);
const [as] = documents;
assert(as.token_endpoint_auth_methods_supported.includes(METHOD));

async function signIn(scope) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    response_type: "code",
    scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: as.code_challenge_methods_supported[0],
    state,
    ...(scope.includes("openid") && { nonce }),
  });
  const parameters = oauth.validateAuthResponse(as, client, await visit(url), state);
  const redeem = () =>
    oauth.authorizationCodeGrantRequest(as, client, proof, parameters, REDIRECT_URI, verifier, http);
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
await oauth.validateApplicationLevelSignature(as, answer, http);
assert.equal(copy.headers.get("cache-control"), "no-store");
const { sub } = oauth.getValidatedIdTokenClaims(tokens);

const userInfo = await oauth.userInfoRequest(as, client, tokens.access_token, http);
const { updated_at: _, ...user } = await oauth.processUserInfoResponse(as, client, sub, userInfo);
assert.deepEqual(user, { sub, preferred_username: "ana" });

// RFC 9068: what a service makes of the access token.
const call = new Request(as.issuer, { headers: { authorization: `Bearer ${tokens.access_token}` } });
const claims = await oauth.validateJwtAccessToken(as, call, as.issuer, http);
assert.deepEqual([claims.sub, claims.client_id, claims.scope], [sub, CLIENT_ID, "openid profile"]);

const refresh = async (token) => {
  const answer = await oauth.refreshTokenGrantRequest(as, client, proof, token, http);
  return oauth.processRefreshTokenResponse(as, client, answer);
};
const refreshed = await refresh(tokens.refresh_token);
assert.notEqual(refreshed.refresh_token, tokens.refresh_token);

// Without `openid` there is no ID token, and nothing to be told at the userinfo endpoint.
const [redeemPlain] = await signIn("orders:read");
const plain = await oauth.processAuthorizationCodeResponse(as, client, await redeemPlain());
assert.equal(plain.id_token, undefined);
const forbidden = await oauth.userInfoRequest(as, client, plain.access_token, http);
await assert.rejects(oauth.processUserInfoResponse(as, client, oauth.skipSubjectCheck, forbidden), (error) => {
  const [challenge] = error.cause;
  assert.equal(error.code, oauth.WWW_AUTHENTICATE_CHALLENGE);
  assert.deepEqual([error.status, challenge.scheme, challenge.parameters.error], [403, "bearer", "insufficient_scope"]);
  return true;
});

if (!isPublic) {
  const answer = await oauth.introspectionRequest(as, client, proof, refreshed.access_token, http);
  const seen = await oauth.processIntrospectionResponse(as, client, answer);
  assert.deepEqual([seen.active, seen.sub, seen.iss], [true, sub, as.issuer]);
  const own = await oauth.clientCredentialsGrantRequest(as, client, proof, { scope: "orders:read" }, http);
  assert.equal((await oauth.processClientCredentialsResponse(as, client, own)).scope, "orders:read");
  const wrong = oauth.ClientSecretBasic("wrong");
  const liar = await oauth.clientCredentialsGrantRequest(as, client, wrong, {}, http);
  await assert.rejects(oauth.processClientCredentialsResponse(as, client, liar), (error) => {
    assert.deepEqual([error.code, error.status], [oauth.WWW_AUTHENTICATE_CHALLENGE, 401]);
    return true;
  });
}

const revoked = await oauth.revocationRequest(as, client, proof, refreshed.refresh_token, http);
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
