// An API that access tokens open, and no cookies. Each token is bound to a key of the browser's (DPoP), which is proved.
import * as oauth from "oauth4webapi";

const { ISSUER, AUDIENCE } = process.env;
const options = { [oauth.allowInsecureRequests]: ISSUER?.startsWith("http:") };
let issuer;

async function discovered() {
  const url = new URL(ISSUER);
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, options));
}

/** For Vite, Connect and Express: below /api. */
export async function api(request, response, next) {
  const { originalUrl, method, headers } = request;
  const answer = (status, body) =>
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  try {
    issuer ??= await discovered();
    const asked = new Request(`http://${headers.host}${originalUrl}`, { method, headers });
    const claims = await oauth.validateJwtAccessToken(issuer, asked, AUDIENCE, options);
    if (request.url === "/hello" && method === "GET") return answer(200, { hello: claims.sub });
    next();
  } catch (error) {
    // The issuer cannot be reached: that says nothing about the token.
    if (error instanceof TypeError) return answer(503, { error: "temporarily_unavailable" });
    response.setHeader("WWW-Authenticate", 'DPoP algs="ES256"');
    answer(401, { error: "unauthorized" });
  }
}
