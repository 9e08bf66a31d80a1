// A service that takes tokens that are bound to a key (DPoP, RFC 9449), and no others: GET /orders.
// ISSUER=https://login.example.com AUDIENCE=https://orders.example.com PORT=8081 node dpop-service.mjs
// The status list is read as in service.mjs. The library does not remember proofs: one that was caught on its way here is
// good a second time for a minute.
import { createServer } from "node:http";
import * as oauth from "oauth4webapi";

const { ISSUER, AUDIENCE, PORT, PUBLIC_URL = `http://127.0.0.1:${PORT}` } = process.env;
const issuer = new URL(ISSUER);
// On a developer's own machine the issuer may go without TLS.
const plain = { [oauth.allowInsecureRequests]: issuer.hostname === "127.0.0.1" };
const found = await oauth.discoveryRequest(issuer, plain);
const server = await oauth.processDiscoveryResponse(issuer, found);

createServer(async (request, response) => {
  const answer = (status, body, challenge) => {
    if (challenge) response.setHeader("WWW-Authenticate", challenge);
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  };
  const { method, headers, url } = request;
  if (method !== "GET" || url !== "/orders") return answer(404, { error: "not_found" });
  const asked = new Request(new URL(url, PUBLIC_URL), { method, headers });
  try {
    const wanted = { ...plain, requireDPoP: true, signingAlgorithms: ["ES256", "EdDSA", "Ed25519", "RS256"] };
    const { sub, scope = "" } = await oauth.validateJwtAccessToken(server, asked, AUDIENCE, wanted);
    if (scope.split(" ").includes("orders:read")) return answer(200, { reader: sub, orders: [] });
    answer(403, { error: "insufficient_scope" }, 'DPoP error="insufficient_scope", scope="orders:read"');
  } catch (error) {
    if (!(error instanceof oauth.OperationProcessingError)) return answer(503, { error: "temporarily_unavailable" });
    const code = headers.authorization ? ' error="invalid_token",' : "";
    answer(401, { error: "invalid_token" }, `DPoP${code} algs="ES256 Ed25519"`);
  }
}).listen(Number(PORT), "127.0.0.1");
