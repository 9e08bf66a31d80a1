// openid-client: the user does not agree.
import assert from "node:assert/strict";
import * as client from "openid-client";
import { CLIENT_ID, ISSUER, REDIRECT_URI, done, visit } from "./program.mjs";

const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.None());
const pkceCodeVerifier = client.randomPKCECodeVerifier();
const url = client.buildAuthorizationUrl(config, {
  redirect_uri: REDIRECT_URI,
  scope: "openid",
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: "S256",
});
await assert.rejects(client.authorizationCodeGrant(config, await visit(url), { pkceCodeVerifier }), {
  name: "AuthorizationResponseError",
  error: "access_denied",
});
done();
