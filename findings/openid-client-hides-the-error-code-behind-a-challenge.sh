#!/usr/bin/env bash
# openid-client 6.9.0 (npm): a client that authenticates with HTTP Basic and is refused gets status 401, a JSON body with
# the error invalid_client and a WWW-Authenticate header: RFC 6749 section 5.2 asks for all three. With the header there,
# the library throws an error about the challenge alone and does not read the body, so that error has neither the code
# nor the description the server sent, and a caller that looks for invalid_client does not find it. The same answer
# without the header, which is the less correct one, gives both. The body is still there in error.response to be read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund openid-client@6.9.0
cat > finding.mjs <<'JS'
import http from 'node:http';
import * as client from 'openid-client';

let headers;
const server = http.createServer((request, response) => {
  request.resume().on('end', () => {
    response.writeHead(401, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
    response.end(JSON.stringify({ error: 'invalid_client', error_description: 'the secret has expired' }));
  });
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;
const configuration = new client.Configuration(
  { issuer, token_endpoint: `${issuer}/token` }, 'client', undefined, client.ClientSecretBasic('secret'),
);
client.allowInsecureRequests(configuration);

for (const [name, more] of [['no challenge', {}], ['challenge', { 'www-authenticate': 'Basic realm="server"' }]]) {
  headers = more;
  try {
    await client.clientCredentialsGrant(configuration);
  } catch (error) {
    console.log(`${name}: ${error.code}, error ${error.error}, description ${error.error_description}`);
    if (!error.response.bodyUsed) {
      console.log(`${name}: left unread: ${(await error.response.json()).error}`);
    }
  }
}
server.close();
server.closeAllConnections();
JS
node finding.mjs > output
cat output
cat > expected <<'TEXT'
no challenge: OAUTH_RESPONSE_BODY_ERROR, error invalid_client, description the secret has expired
challenge: OAUTH_WWW_AUTHENTICATE_CHALLENGE, error undefined, description undefined
challenge: left unread: invalid_client
TEXT
diff expected output
echo "as described"
