// How a client program of the tests talks to the test that started it (program.rs).
import { createInterface } from "node:readline";

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const { ISSUER, CLIENT_ID, CLIENT_SECRET, METHOD, REDIRECT_URI, AFTERWARDS, API } = process.env;
export const isPublic = METHOD === "none";

/** The private key of a client that proves with it who it is. */
export const clientKey = () =>
  crypto.subtle.importKey("pkcs8", Buffer.from(CLIENT_SECRET, "base64"), { name: "ECDSA", namedCurve: "P-256" }, false, [
    "sign",
  ]);

/** How the client proves who it is, in the words of a library: oauth4webapi and openid-client share them. */
export async function proof(library) {
  if (METHOD === "private_key_jwt") return library.PrivateKeyJwt({ key: await clientKey(), kid: "k-1" });
  const methods = { client_secret_basic: library.ClientSecretBasic, client_secret_post: library.ClientSecretPost };
  return isPublic ? library.None() : methods[METHOD](CLIENT_SECRET);
}

/** What the test says next. */
export const hear = async () => (await answers.next()).value;

/** Sends a user's browser somewhere; gives where it was sent in the end. */
export async function visit(url) {
  console.log(`visit ${url}`);
  return new URL(await hear());
}

/** Everything was as it should be. */
export function done() {
  console.log("done");
  process.stdin.destroy();
}
