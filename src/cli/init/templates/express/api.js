// An API that access tokens open, and no cookies. It could be a service of its own.
import { Router } from "express";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { ISSUER, AUDIENCE } = process.env;
const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`));

export const api = Router();

api.use(async (request, response, next) => {
  const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (!token) return response.set("WWW-Authenticate", "Bearer").status(401).json({ error: "unauthorized" });
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt" });
    request.claims = payload;
  } catch (error) {
    // The issuer cannot be reached: that says nothing about the token.
    if (!(error instanceof errors.JOSEError)) return response.status(503).json({ error: "temporarily_unavailable" });
    return response.set("WWW-Authenticate", 'Bearer error="invalid_token"').status(401).json({ error: "invalid_token" });
  }
  next();
});

api.get("/hello", (request, response) => {
  response.json({ hello: request.claims.sub });
});
