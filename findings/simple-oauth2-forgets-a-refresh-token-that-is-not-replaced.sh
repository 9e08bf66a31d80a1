#!/usr/bin/env bash
# simple-oauth2 5.1.0 (npm): RFC 6749 section 6 leaves it to the server whether a refresh brings a new refresh token; where
# it brings none, the old one goes on being used. After such an answer the token that refresh() gives has no refresh token
# at all: it means to carry the old one over, but looks for it where it is not kept. The next refresh() sends the parameter
# with an empty value, which the server can only refuse. So the first refresh of a login works, and the second does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund simple-oauth2@5.1.0
cat > finding.mjs <<'JS'
import http from 'node:http';
import { AuthorizationCode } from 'simple-oauth2';

// A token endpoint whose refresh token is "refresh", before and after it has been used.
const server = http.createServer((request, response) => {
  let body = '';
  request.on('data', (part) => { body += part; });
  request.on('end', () => {
    const sent = new URLSearchParams(body).get('refresh_token');
    console.log(`sent: "${sent}"`);
    const good = sent === 'refresh';
    const answer = good
      ? { access_token: 'access', token_type: 'Bearer', expires_in: 300 }
      : { error: sent ? 'invalid_grant' : 'invalid_request' };
    response.writeHead(good ? 200 : 400, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(JSON.stringify(answer));
  });
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));

const client = new AuthorizationCode({
  client: { id: 'client', secret: 'secret' },
  auth: { tokenHost: `http://127.0.0.1:${server.address().port}`, tokenPath: '/token' },
});
let token = client.createToken({ access_token: 'first', refresh_token: 'refresh', token_type: 'Bearer' });
for (const turn of ['first', 'second']) {
  try {
    token = await token.refresh();
    console.log(`${turn}: refreshed, and the refresh token is now ${token.token.refresh_token}`);
  } catch (error) {
    console.log(`${turn}: refused: ${error.data.payload.error}`);
  }
}
server.close();
server.closeAllConnections();
JS
node finding.mjs > output
cat output
printf '%s\n' 'sent: "refresh"' 'first: refreshed, and the refresh token is now undefined' \
  'sent: ""' 'second: refused: invalid_request' > expected
diff expected output
echo "as described"
