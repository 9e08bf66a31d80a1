// A service that access tokens open: GET /orders, for apps that may read orders.
// ISSUER=https://login.example.com AUDIENCE=https://orders.example.com PORT=8081 node service.mjs
import { createServer } from "node:http";
import { inflateSync } from "node:zlib";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { ISSUER, AUDIENCE, PORT } = process.env;
const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`));
const algorithms = ["ES256", "EdDSA", "RS256"];

/** The claims of a token that is good here. */
async function verified(token) {
  const wanted = { issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt", algorithms, requiredClaims: ["exp"] };
  const { payload } = await jwtVerify(token, keys, wanted);
  // Only a service that asks for a proof of the key (DPoP) may take a token that is bound to one.
  if (payload.cnf) throw new errors.JWTInvalid("it is bound to a key");
  const entry = payload.status?.status_list;
  if (entry && (await isEnded(entry))) throw new errors.JWTInvalid("its login was ended");
  return payload;
}

const lists = new Map();

/** Whether the status list says that the login is over. A list is asked for again when its `ttl` is. */
async function isEnded({ uri, idx }) {
  let list = lists.get(uri);
  if (!list || list.next <= Date.now()) {
    // Whoever asks meanwhile takes the list that is here, which is good until its `exp`.
    if (list) list.next = Date.now() + 1000;
    list = await fetchList(uri).catch((error) => (list?.exp > Date.now() ? list : Promise.reject(error)));
    lists.set(uri, list);
  }
  const byte = list.bytes[idx >> 3];
  return byte === undefined || ((byte >> (idx & 7)) & 1) === 1;
}

async function fetchList(uri) {
  if (!uri.startsWith(`${ISSUER}/`)) throw new errors.JWTInvalid("a list of somebody else's");
  const answer = await fetch(uri, { redirect: "error", signal: AbortSignal.timeout(5000) });
  const wanted = { issuer: ISSUER, subject: uri, typ: "statuslist+jwt", algorithms, requiredClaims: ["exp"] };
  const { payload } = await jwtVerify(await answer.text(), keys, wanted);
  const bytes = inflateSync(Buffer.from(payload.status_list.lst, "base64url"), { maxOutputLength: 1 << 20 });
  const next = Math.max((payload.iat + payload.ttl) * 1000, Date.now() + 1000);
  return { bytes, next, exp: payload.exp * 1000 };
}

createServer(async (request, response) => {
  const answer = (status, body, challenge) => {
    if (challenge) response.setHeader("WWW-Authenticate", challenge);
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  };
  if (request.method !== "GET" || request.url !== "/orders") return answer(404, { error: "not_found" });
  const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (!token) return answer(401, { error: "unauthorized" }, "Bearer");
  try {
    const { sub, scope = "" } = await verified(token);
    if (scope.split(" ").includes("orders:read")) return answer(200, { reader: sub, orders: [] });
    answer(403, { error: "insufficient_scope" }, 'Bearer error="insufficient_scope", scope="orders:read"');
  } catch (error) {
    if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout))
      return answer(401, { error: "invalid_token" }, 'Bearer error="invalid_token"');
    // The issuer cannot be reached: that says nothing about the token.
    answer(503, { error: "temporarily_unavailable" });
  }
}).listen(Number(PORT), "127.0.0.1");
