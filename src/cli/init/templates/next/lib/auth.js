import { getIronSession } from "iron-session";
import { cookies } from "next/headers";
import * as oidc from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, SESSION_SECRET, BASE_URL = "http://localhost:3000" } = process.env;

/** A URL of this app. */
export const at = (path) => new URL(path, BASE_URL);

/** The session of this browser, sealed in a cookie: `user`, `tokens`, and what a sign-in begins with. */
export const session = async () =>
  getIronSession(await cookies(), {
    cookieName: "app",
    password: SESSION_SECRET,
    cookieOptions: { secure: BASE_URL.startsWith("https:") },
  });

let discovered;

/** The server, and this app's place there. */
export function server() {
  const execute = ISSUER.startsWith("http:") ? [oidc.allowInsecureRequests] : [];
  const secret = oidc.ClientSecretBasic(CLIENT_SECRET);
  discovered ??= oidc.discovery(new URL(ISSUER), CLIENT_ID, undefined, secret, { execute });
  discovered.catch(() => (discovered = undefined));
  return discovered;
}

/** What is kept of the server's answer. */
export const kept = (answer, before = {}) => ({
  access: answer.access_token,
  refresh: answer.refresh_token ?? before.refresh,
  id: answer.id_token ?? before.id,
  expires: Date.now() + answer.expires_in * 1000,
});
