#!/usr/bin/env bash
# @auth/express 0.12.3 (npm, with express 5.2.1): the session lives in an encrypted cookie, and the guide of Auth.js
# refreshes its tokens in the callback "jwt". A page of the app's own asks getSession() who is signed in, as its README
# says. That runs the callback, too, so the page gets the refreshed token, but getSession() knows no response: the new
# cookie is made, and dropped. The browser keeps the old one, and the next page refreshes with the same refresh token
# again. Where refresh tokens rotate, each page presents one that was used before. The library's own route /auth/session
# does the same work and sets the cookie.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund @auth/express@0.12.3 express@5.2.1
cat > finding.mjs <<'JS'
import express from 'express';
import { ExpressAuth, getSession } from '@auth/express';
import { encode } from '@auth/core/jwt';

const secret = 'a secret of this program alone, nowhere else used';
const name = 'authjs.session-token';
const config = {
  secret,
  trustHost: true,
  providers: [],
  callbacks: {
    // It stands for a refresh: the token with the next number is what the server would hand out.
    jwt: ({ token }) => ({ ...token, generation: token.generation + 1 }),
    session: ({ session, token }) => ({ ...session, generation: token.generation }),
  },
};
const app = express();
app.use('/auth', ExpressAuth(config));
app.get('/', async (request, response) => response.json(await getSession(request, config)));
const server = app.listen(0, '127.0.0.1');
await new Promise((listening) => server.once('listening', listening));

let kept = await encode({ secret, salt: name, token: { name: 'somebody', generation: 1 } });
for (const path of ['/', '/', '/auth/session', '/auth/session', '/']) {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}${path}`, {
    headers: { cookie: `${name}=${kept}` },
  });
  const { generation } = await answer.json();
  const cookie = answer.headers.getSetCookie().find((it) => it.startsWith(`${name}=`));
  if (cookie) kept = cookie.slice(name.length + 1).split(';')[0];
  console.log(`${path}: generation ${generation}, ${cookie ? 'kept' : 'forgotten'}`);
}
server.close();
server.closeAllConnections();
JS
node finding.mjs > output
cat output
printf '%s\n' '/: generation 2, forgotten' '/: generation 2, forgotten' '/auth/session: generation 2, kept' \
  '/auth/session: generation 3, kept' '/: generation 4, forgotten' > expected
diff expected output
echo "as described"
