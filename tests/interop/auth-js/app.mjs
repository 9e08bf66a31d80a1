// A web app that Auth.js signs users in to. The page of its docs about refreshing has what `jwt` does.
import express from "express";
import { ExpressAuth, getSession } from "@auth/express";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORT } = process.env;
const issuer = await (await fetch(`${ISSUER}/.well-known/openid-configuration`)).json();

/** Sends a form as this client; gives the JSON of the answer. */
async function ask(endpoint, fields) {
  const authorization = `Basic ${btoa(`${CLIENT_ID}:${CLIENT_SECRET}`)}`;
  const answer = await fetch(endpoint, {
    method: "POST",
    headers: { authorization },
    body: new URLSearchParams(fields),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

const kept = ({ access_token, refresh_token, expires_in, expires_at }) => ({
  access_token,
  refresh_token,
  expires_at: expires_at ?? Math.floor(Date.now() / 1000) + expires_in,
});

const config = {
  secret: "of the test alone, and long enough for what it is",
  trustHost: true,
  providers: [
    {
      id: "heirloom",
      name: "Heirloom",
      type: "oidc",
      issuer: ISSUER,
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      authorization: { params: { scope: "openid profile" } },
      // The user's name is at the userinfo endpoint, not in the ID token.
      idToken: false,
      profile: ({ sub, preferred_username }) => ({ id: sub, name: preferred_username }),
    },
  ],
  callbacks: {
    async jwt({ token, account }) {
      if (account) return { ...token, ...kept(account) };
      if (Date.now() < token.expires_at * 1000) return token;
      const refresh = { grant_type: "refresh_token", refresh_token: token.refresh_token };
      return { ...token, ...kept(await ask(issuer.token_endpoint, refresh)) };
    },
  },
  events: {
    signOut: ({ token }) => ask(issuer.revocation_endpoint, { token: token.refresh_token }),
  },
};

express()
  .use("/auth", ExpressAuth(config))
  .get("/", async (request, response) => {
    const session = await getSession(request, config);
    response.send(session ? `Hello, ${session.user.name}` : "Nobody is signed in");
  })
  .listen(Number(PORT), "127.0.0.1");
