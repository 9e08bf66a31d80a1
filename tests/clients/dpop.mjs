// Tokens that are bound to a key (DPoP, RFC 9449), by openid-client and oauth4webapi: each makes its proofs by itself,
// and sends a request again when the server asks for a nonce.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import * as client from "openid-client";
import { CLIENT_ID, ISSUER, REDIRECT_URI } from "./program.mjs";
import { done, isPublic, proof, visit } from "./program.mjs";

const issuer = new URL(ISSUER);
const boundTo = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url")).cnf?.jkt;

await withOpenidClient("ES256");
await withOpenidClient("Ed25519");
await withOauth4webapi();
done();

async function withOpenidClient(algorithm) {
  const config = await client.discovery(issuer, CLIENT_ID, undefined, await proof(client));
  config.timeout = 60;
  assert(config.serverMetadata().dpop_signing_alg_values_supported.includes(algorithm));
  const handle = async () => client.getDPoPHandle(config, await client.randomDPoPKeyPair(algorithm));
  const [DPoP, another] = [await handle(), await handle()];
  const key = await DPoP.calculateThumbprint();

  // The key is named where the user signs in (§10), or proved where the request is pushed (§10.1).
  const ways = {
    named: async (parameters) => client.buildAuthorizationUrl(config, { ...parameters, dpop_jkt: key }),
    pushed: async (parameters) => client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP }),
  };
  let tokens, sub;
  for (const [way, build] of Object.entries(ways)) {
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const expectedState = client.randomState();
    const url = await build({
      redirect_uri: REDIRECT_URI,
      scope: "openid profile",
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      state: expectedState,
    });
    const callback = await visit(url);
    const checks = { pkceCodeVerifier, expectedState, idTokenExpected: true };
    const redeem = (options) => client.authorizationCodeGrant(config, callback, checks, undefined, options);
    const refused = { name: "ResponseBodyError", error: "invalid_dpop_proof" };
    await assert.rejects(redeem({ DPoP: another }), refused, way);
    if (!(await asksForNonces())) await assert.rejects(redeem(), refused, way);
    tokens = await redeem({ DPoP });
    sub = tokens.claims().sub;
    assert.equal(tokens.token_type, "dpop");
    assert.equal(boundTo(tokens.access_token), key, way);
  }

  // Bound once and for all, unless the client proves by itself who it is (§5).
  if (isPublic) {
    const refused = { name: "ResponseBodyError", error: "invalid_dpop_proof" };
    for (const options of [{ DPoP: another }, undefined]) {
      await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token, undefined, options), refused);
    }
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    assert.equal(boundTo(refreshed.access_token), key);
    tokens = refreshed;
  } else {
    const options = { DPoP: another };
    const moved = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, options);
    assert.equal(boundTo(moved.access_token), await another.calculateThumbprint());
    const own = await client.clientCredentialsGrant(config, { scope: "orders:read" }, { DPoP });
    assert.deepEqual([own.token_type, boundTo(own.access_token)], ["dpop", key]);
    const seen = await client.tokenIntrospection(config, own.access_token);
    assert.deepEqual([seen.token_type, seen.cnf.jkt], ["DPoP", key]);
    tokens = await client.refreshTokenGrant(config, moved.refresh_token, undefined, { DPoP });
  }

  const user = await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP });
  assert.equal(user.preferred_username, "ana");
  const challenged = { name: "WWWAuthenticateChallengeError" };
  await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub, { DPoP: another }), challenged);
  await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub), challenged);
}

/** Whether this server wants nonces: then a request without any proof is refused for that it has none. */
async function asksForNonces() {
  return process.env.NONCES === "true";
}

/** Here the caller sees each answer, and that of a nonce, too. */
async function withOauth4webapi() {
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer));
  const me = { client_id: CLIENT_ID, dpop_bound_access_tokens: true };
  const proves = await proof(oauth);
  const DPoP = oauth.DPoP(me, await oauth.generateKeyPair("ES256"));
  let asked = 0;
  const withNonce = async (send, read) => {
    try {
      return await read(await send());
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error;
      asked += 1;
      return read(await send());
    }
  };
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const parameters = new URLSearchParams({
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    response_type: "code",
    scope: "openid",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
  });
  const { request_uri } = await withNonce(
    () => oauth.pushedAuthorizationRequest(as, me, proves, parameters, { DPoP }),
    (answer) => oauth.processPushedAuthorizationResponse(as, me, answer),
  );
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({ client_id: CLIENT_ID, request_uri });
  const callback = oauth.validateAuthResponse(as, me, await visit(url), state);
  const tokens = await withNonce(
    () => oauth.authorizationCodeGrantRequest(as, me, proves, callback, REDIRECT_URI, verifier, { DPoP }),
    (answer) => oauth.processAuthorizationCodeResponse(as, me, answer),
  );
  assert.equal(tokens.token_type, "dpop");
  const refreshed = await withNonce(
    () => oauth.refreshTokenGrantRequest(as, me, proves, tokens.refresh_token, { DPoP }),
    (answer) => oauth.processRefreshTokenResponse(as, me, answer),
  );
  const { sub } = oauth.getValidatedIdTokenClaims(tokens);
  const told = await withNonce(
    () => oauth.userInfoRequest(as, me, refreshed.access_token, { DPoP }),
    (answer) => oauth.processUserInfoResponse(as, me, sub, answer),
  );
  assert.equal(told.sub, sub);
  // Once, at the first: from then on the library has it.
  assert.equal(asked, (await asksForNonces()) ? 1 : 0);
}
