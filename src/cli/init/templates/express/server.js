import express from "express";
import oidc from "express-openid-connect";
import { api } from "./api.js";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, AUDIENCE, SESSION_SECRET, PORT = 3000 } = process.env;
const { BASE_URL = `http://localhost:${PORT}` } = process.env;

const app = express();

app.use("/api", api);

app.use(
  oidc.auth({
    issuerBaseURL: ISSUER,
    clientID: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    baseURL: BASE_URL,
    secret: SESSION_SECRET,
    authRequired: false,
    idpLogout: true,
    idTokenSigningAlg: "ES256",
    authorizationParams: { response_type: "code", scope: "openid profile email", resource: AUDIENCE },
    routes: { login: "/sign-in", logout: "/sign-out" },
  }),
);

app.get("/", (request, response) => {
  const { user } = request.oidc;
  if (!user) return response.send(page('<h1>Hello</h1><p><a href="/sign-in">Sign in</a>'));
  response.send(page(`<h1>Hello, ${escape(user.name)}</h1><p><a href="/profile">Profile</a> <a href="/sign-out">Sign out</a>`));
});

// Whoever is not signed in is sent to sign in first, and comes back here.
app.get("/profile", oidc.requiresAuth(), async (request, response) => {
  let { accessToken } = request.oidc;
  try {
    if (accessToken.isExpired()) accessToken = await accessToken.refresh();
  } catch (error) {
    // The login was ended meanwhile.
    if (error.error === "invalid_grant") return response.oidc.login({ returnTo: "/profile" });
    throw error;
  }
  const headers = { authorization: `Bearer ${accessToken.access_token}` };
  const answer = await fetch(`${BASE_URL}/api/hello`, { headers });
  const { name, email } = request.oidc.user;
  response.send(
    page(`<h1>Profile</h1><p>${escape(name)}, ${escape(email)}
      <p>The API says: <output>${escape(await answer.text())}</output>
      <p><a href="/">Home</a> <a href="/sign-out">Sign out</a>`),
  );
});

app.listen(PORT, () => console.log(`The app is at ${BASE_URL}`));

const page = (body) => `<!doctype html><meta charset="utf-8"><title>App</title>${body}`;
const escape = (text = "") => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
