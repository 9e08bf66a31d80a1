import { HeirloomError } from "./error.js";
import { needCrypto } from "./proof.js";
import type { Options } from "./types.js";

export const wrong = (message: string) => new HeirloomError("invalid_options", message);

/** Options as they were meant, or what is wrong with them. */
export function checked(options: Options) {
  const { clientId, delivery = "token", storage = "indexedDB", dpop = delivery === "token", origins = [] } = options;
  const issuer = urlOf("issuer", options.issuer);
  if (issuer.protocol !== "https:" && !/^(localhost|127\.0\.0\.1|\[::1\])$/.test(issuer.hostname)) {
    throw wrong("issuer: is not https");
  }
  if (issuer.search || issuer.hash) throw wrong("issuer: has a query or a fragment");
  if (!clientId) throw wrong("clientId: is missing");
  if (delivery !== "token" && delivery !== "cookie") throw wrong('delivery: is neither "token" nor "cookie"');
  if (storage !== "indexedDB" && storage !== "memory") throw wrong('storage: is neither "indexedDB" nor "memory"');
  const own = origins.map((it) => urlOf("origins", it).origin);
  const page = globalThis.location?.origin;
  if (page) {
    if (delivery === "cookie" && page !== issuer.origin) throw wrongOrigin(issuer.origin);
    if (dpop) needCrypto();
    own.push(page);
  }
  own.push(issuer.origin);
  return { ...options, issuer: options.issuer.replace(/\/$/, ""), dpop, inMemory: storage === "memory", own };
}

export const wrongOrigin = (origin: string) =>
  new HeirloomError("wrong_origin", `Only pages of ${origin} may do this. Others use authorize().`);

function urlOf(name: string, text: string) {
  try {
    return new URL(text);
  } catch {
    throw wrong(`${name}: is not a URL: ${text}`);
  }
}
