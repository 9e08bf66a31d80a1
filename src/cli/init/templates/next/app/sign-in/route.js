import * as oidc from "openid-client";
import { at, server, session } from "../../lib/auth.js";

export async function GET(request) {
  const begun = {
    pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
    expectedState: oidc.randomState(),
    expectedNonce: oidc.randomNonce(),
  };
  const kept = await session();
  kept.begun = begun;
  kept.next = request.nextUrl.searchParams.get("next") === "/profile" ? "/profile" : "/";
  await kept.save();
  const url = oidc.buildAuthorizationUrl(await server(), {
    redirect_uri: at("/callback").href,
    scope: "openid profile email",
    resource: process.env.AUDIENCE,
    code_challenge: await oidc.calculatePKCECodeChallenge(begun.pkceCodeVerifier),
    code_challenge_method: "S256",
    state: begun.expectedState,
    nonce: begun.expectedNonce,
  });
  return Response.redirect(url);
}
