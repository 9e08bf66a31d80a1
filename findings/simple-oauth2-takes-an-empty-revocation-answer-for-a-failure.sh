#!/usr/bin/env bash
# simple-oauth2 5.1.0 (npm): RFC 7009 section 2.2 lets a server answer a revocation with status 200 alone, since a client
# is to ignore the body. This client reads the body as JSON all the same: with no Content-Type the call fails with an error
# of status 406, though the server had answered 200 and revoked the token. revokeAll(), which revokes the access token
# and then the refresh token, stops at that error, so the refresh token is never sent and stays good, unless the server
# ends it along with the access token. The same empty body labelled application/json is taken well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund simple-oauth2@5.1.0
cat > finding.mjs <<'JS'
import http from 'node:http';
import { AuthorizationCode } from 'simple-oauth2';

let headers;
let revoked;
const server = http.createServer((request, response) => {
  let body = '';
  request.on('data', (part) => { body += part; });
  request.on('end', () => {
    revoked.push(new URLSearchParams(body).get('token'));
    response.writeHead(200, { 'content-length': 0, ...headers }).end();
  });
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));

const client = new AuthorizationCode({
  client: { id: 'client', secret: 'secret' },
  auth: { tokenHost: `http://127.0.0.1:${server.address().port}`, revokePath: '/revoke' },
});
const token = client.createToken({ access_token: 'access', refresh_token: 'refresh', token_type: 'Bearer' });

for (const [name, more] of [['no type', {}], ['JSON type', { 'content-type': 'application/json' }]]) {
  headers = more;
  revoked = [];
  let outcome = 'done';
  try {
    await token.revokeAll();
  } catch (error) {
    const { statusCode } = error.output;
    outcome = `failed with ${statusCode} at an answer of ${error.data.res.statusCode}: ${error.message}`;
  }
  console.log(`${name}: ${outcome}; the server revoked ${revoked.join(' and ')}`);
}
server.close();
server.closeAllConnections();
JS
node finding.mjs > output
cat output
type='The content-type is not JSON compatible'
grep -qx "no type: failed with 406 at an answer of 200: $type; the server revoked access" output
grep -qx 'JSON type: done; the server revoked access and refresh' output
echo "as described"
