import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { ISSUER, AUDIENCE } = process.env;
let keys;

/** Answers whoever shows an access token for this API, and no cookie. */
export const protect = (handler) => async (request) => {
  const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  const refuse = (status, error, challenge) =>
    Response.json({ error }, { status, headers: challenge ? { "WWW-Authenticate": challenge } : {} });
  if (!token) return refuse(401, "unauthorized", "Bearer");
  try {
    keys ??= createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt" });
    return handler(request, payload);
  } catch (error) {
    // The issuer cannot be reached: that says nothing about the token.
    if (!(error instanceof errors.JOSEError)) return refuse(503, "temporarily_unavailable");
    return refuse(401, "invalid_token", 'Bearer error="invalid_token"');
  }
};
