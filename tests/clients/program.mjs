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

/** Sends a user's browser somewhere; gives where it was sent in the end. */
export async function visit(url) {
  console.log(`visit ${url}`);
  return new URL((await answers.next()).value);
}

/** Everything was as it should be. */
export function done() {
  console.log("done");
  process.stdin.destroy();
}
