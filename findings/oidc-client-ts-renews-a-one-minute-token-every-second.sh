#!/usr/bin/env bash
# oidc-client-ts 3.5.0 (npm): a renewal is due accessTokenExpiringNotificationTimeInSeconds before the token expires, which
# is 60 unless it is set, and at the earliest one second from now. RFC 6749 sets no least expires_in. With tokens that
# live a minute or less, each new token is due for renewal at once, so the token endpoint gets a refresh about every second
# for as long as the page is open, and a server that replaces refresh tokens does so as often. In six and a half seconds:
# six requests with a lifetime of 60 or of 30 seconds, none with one of 120, and none with 60 if the setting is 10.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund oidc-client-ts@3.5.0
cat > finding.mjs <<'JS'
import http from 'node:http';
import { User, UserManager } from 'oidc-client-ts';

let requests = 0;
let lifetime;
const server = http.createServer((request, response) => {
  request.resume().on('end', () => {
    requests += 1;
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    const tokens = { access_token: `access-${requests}`, refresh_token: `refresh-${requests}` };
    response.end(JSON.stringify({ ...tokens, token_type: 'Bearer', expires_in: lifetime, scope: 'openid' }));
  });
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;

for (const [seconds, settings] of [
  [60, {}], [30, {}], [120, {}], [60, { accessTokenExpiringNotificationTimeInSeconds: 10 }],
]) {
  lifetime = seconds;
  requests = 0;
  // Outside a browser the library keeps the user in memory by itself; automaticSilentRenew is on by default.
  const manager = new UserManager({
    authority: issuer,
    client_id: 'client',
    redirect_uri: `${issuer}/callback`,
    metadata: { issuer, token_endpoint: `${issuer}/token` },
    ...settings,
  });
  const now = Math.floor(Date.now() / 1000);
  await manager.storeUser(new User({
    access_token: 'access-0',
    refresh_token: 'refresh-0',
    token_type: 'Bearer',
    scope: 'openid',
    profile: { sub: 'user', iss: issuer, aud: 'client', iat: now, exp: now + lifetime },
    expires_at: now + lifetime,
  }));
  await manager.getUser();
  await new Promise((done) => setTimeout(done, 6500));
  manager.stopSilentRenew();
  await manager.removeUser();
  console.log(`lifetime ${seconds} ${JSON.stringify(settings)}: ${requests} requests`);
}
server.close();
server.closeAllConnections();
JS
node finding.mjs > output
cat output
# A slow machine may miss a second or two.
grep -Eqx 'lifetime 60 \{\}: [4-7] requests' output
grep -Eqx 'lifetime 30 \{\}: [4-7] requests' output
grep -qx 'lifetime 120 {}: 0 requests' output
grep -qx 'lifetime 60 {"accessTokenExpiringNotificationTimeInSeconds":10}: 0 requests' output
echo "as described"
