import { HeirloomError } from "./error.js";

const encode = (text: string) => new TextEncoder().encode(text);

const base64url = (bytes: ArrayBuffer | Uint8Array) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

/** 256 bits that nobody can guess. */
export const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

export const sha256 = async (text: string) => base64url(await crypto.subtle.digest("SHA-256", encode(text)));

/** Browsers have cryptography on https and on this machine itself. */
export function needCrypto() {
  if (!globalThis.crypto?.subtle) {
    throw new HeirloomError("insecure_context", "Browsers have no cryptography here: serve this page over https.");
  }
}

const CURVE = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A key that signs here and cannot be taken elsewhere: its private half is not extractable. */
export const newKey = (): Promise<CryptoKeyPair> => crypto.subtle.generateKey(CURVE, false, ["sign", "verify"]);

async function publicJwk(key: CryptoKeyPair) {
  const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", key.publicKey);
  return { crv, kty, x, y };
}

/** RFC 7638 §3: the members in the order of their names. */
export const thumbprint = async (key: CryptoKeyPair) => sha256(JSON.stringify(await publicJwk(key)));

/** What makes proofs (RFC 9449 §4), by what servers said of nonces and of the time. */
export function createProver() {
  /** By origin: a nonce is for the server that gave it. */
  const nonces = new Map<string, string>();
  /** How far this machine's clock is behind the server's, in milliseconds. */
  let behind = 0;

  return {
    behind: () => behind,

    /** The nonce that proofs for this server have. */
    nonce: (url: string) => nonces.get(new URL(url).origin),

    async prove(key: CryptoKeyPair, method: string, url: string, token?: string, late = behind) {
      const { origin, pathname } = new URL(url);
      const header = { typ: "dpop+jwt", alg: "ES256", jwk: await publicJwk(key) };
      const claims = {
        jti: random(),
        htm: method,
        htu: origin + pathname,
        iat: Math.floor((Date.now() + late) / 1000),
        nonce: nonces.get(origin),
        ath: token && (await sha256(token)),
      };
      const message = [header, claims].map((part) => base64url(encode(JSON.stringify(part)))).join(".");
      return `${message}.${base64url(await crypto.subtle.sign(CURVE, key.privateKey, encode(message)))}`;
    },

    /** Notes the nonce of an answer. */
    noteNonce(url: string, { headers }: Response) {
      const nonce = headers.get("DPoP-Nonce");
      if (nonce) nonces.set(new URL(url).origin, nonce);
    },

    /** A proof was refused: by the server's clock from now on, if it can be read. */
    noteTime({ headers }: Response) {
      behind = Date.parse(headers.get("Date") ?? "") - Date.now() || 0;
    },
  };
}

export type Prover = ReturnType<typeof createProver>;
