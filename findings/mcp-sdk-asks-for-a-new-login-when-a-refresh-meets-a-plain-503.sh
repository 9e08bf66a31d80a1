#!/usr/bin/env bash
# @modelcontextprotocol/sdk 1.32.2 (npm), auth() of the client: a refresh that a server cannot answer just now leads to one
# of two ends, and the body decides which, not the status. A 503 with the HTML page of a proxy is taken for server_error:
# the good refresh token is passed over, and the user is sent to the authorization endpoint. A 503 with the JSON error
# server_error leads there too. A 503 with the JSON error temporarily_unavailable is thrown to the caller, who may try
# again, so only that one spares the user a login; yet RFC 6749 gives both codes to the authorization endpoint and neither
# to the token endpoint. A Retry-After is not heeded in any of the three.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund @modelcontextprotocol/sdk@1.32.2
cat > finding.mjs <<'JS'
import http from 'node:http';
import { auth } from '@modelcontextprotocol/sdk/client/auth.js';

let failure;
let refreshes;
const server = http.createServer((request, response) => {
  const json = (body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  request.resume().on('end', () => {
    if (request.url === '/token') {
      refreshes += 1;
      response.writeHead(503, { 'content-type': failure.type, 'retry-after': '1' }).end(failure.body);
    } else if (request.url === '/.well-known/oauth-protected-resource/mcp') {
      json({ resource: `${issuer}/mcp`, authorization_servers: [issuer] });
    } else if (request.url === '/.well-known/oauth-authorization-server') {
      json({
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256'],
      });
    } else {
      response.writeHead(404).end();
    }
  });
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const json = (error) => ({ name: error, type: 'application/json', body: JSON.stringify({ error }) });
const page = { name: 'HTML', type: 'text/html', body: '<h1>503 Service Unavailable</h1>' };
for (failure of [page, json('server_error'), json('temporarily_unavailable')]) {
  refreshes = 0;
  let logins = 0;
  const provider = {
    redirectUrl: 'http://127.0.0.1/callback',
    clientMetadata: { redirect_uris: ['http://127.0.0.1/callback'] },
    clientInformation: () => ({ client_id: 'client', issuer }),
    tokens: () => ({ access_token: 'old', refresh_token: 'good', token_type: 'Bearer', issuer }),
    saveTokens: () => {},
    saveCodeVerifier: () => {},
    redirectToAuthorization: () => { logins += 1; },
  };
  const outcome = await auth(provider, { serverUrl: `${issuer}/mcp` }).catch((error) => `throws ${error.errorCode}`);
  console.log(`503 ${failure.name}: ${outcome}, refreshes ${refreshes}, new logins ${logins}`);
}
server.close();
server.closeAllConnections();
JS
node finding.mjs > output
cat output
cat > expected <<'TEXT'
503 HTML: REDIRECT, refreshes 1, new logins 1
503 server_error: REDIRECT, refreshes 1, new logins 1
503 temporarily_unavailable: throws temporarily_unavailable, refreshes 1, new logins 0
TEXT
diff expected output
echo "as described"
