import { HeirloomError } from "./error.js";
import type { Prover } from "./proof.js";

/** How long an answer is waited for, and how long a call takes with all its attempts. */
const ATTEMPT = 10_000;
const PATIENCE = 20_000;

export type Body = Record<string, string | string[] | undefined>;

/** A request to the issuer. */
export interface Call {
  path: string;
  /** What to send, asked for anew at each attempt; members that are undefined are left out. */
  body: () => Promise<Body>;
  key?: CryptoKeyPair | undefined;
  /** Whether it may be sent again when nobody knows what became of it. */
  again: boolean;
}

/** What sends requests to the issuer and reads its answers. */
export function createServer(issuer: string, prover: Prover) {
  /** It asked to be left alone until then. */
  let pausedUntil = 0;

  return async function call(call: Call): Promise<any> {
    const left = pausedUntil - performance.now();
    if (call.again && left > 0) throw unavailable(left);
    for (let attempt = 0, spent = 0; ; attempt++) {
      const body = await call.body();
      const began = performance.now();
      try {
        return await once(call, body);
      } catch (error) {
        const { code, retryAfter = 0 } = error as HeirloomError;
        if (!call.again || code !== "unavailable") throw error;
        // Full jitter, so that many who lost the same connection do not come back together.
        const pause = Math.max(retryAfter * 1000, 50 + Math.random() * Math.min(200 * 2 ** attempt, 5000));
        // Time that the machine slept is not spent.
        spent += Math.min(performance.now() - began, ATTEMPT) + pause;
        if (spent > PATIENCE) {
          if (retryAfter) pausedUntil = performance.now() + pause;
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  };

  /** Once; and at once again where nothing but the proof was wrong: it had no nonce, another time, or came before. */
  async function once(call: Call, body: Body) {
    for (let corrections = 0; ; corrections++) {
      const [response, json] = await send(call, body);
      prover.noteNonce(issuer, response);
      if (response.ok && json) return json;
      const error = json?.error;
      // Browsers send a request again by themselves when a connection breaks, and the same proof is not taken twice.
      if (error === "invalid_dpop_proof") prover.noteTime(response);
      else if (error !== "use_dpop_nonce") throw failure(response, json);
      if (corrections > 2) throw failure(response, json);
    }
  }

  async function send({ path, key }: Call, body: Body) {
    const url = issuer + path;
    const isForm = path.startsWith("/oauth/");
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), ATTEMPT);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: {
          ...(!isForm && { "Content-Type": "application/json" }),
          ...(key && { DPoP: await prover.prove(key, "POST", url) }),
        },
        body: isForm ? form(body) : JSON.stringify(body),
        credentials: isForm ? "omit" : "same-origin",
        redirect: "error",
        signal: limit.signal,
        // A page that is left all the same finishes what it said.
        keepalive: true,
      });
      const text = await response.text();
      return [response, response.status === 204 ? {} : parse(text)] as const;
    } catch (cause) {
      throw unavailable(0, { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}

function form(body: Body) {
  const pairs = Object.entries(body).flatMap(([name, value]) => [value ?? []].flat().map((one) => [name, one]));
  return new URLSearchParams(pairs);
}

/** Its JSON; nothing where a proxy, or a café's network, answered in the server's place. */
function parse(text: string) {
  try {
    return JSON.parse(text);
  } catch {}
}

const wait = (milliseconds: number) => milliseconds > 0 && { retryAfter: Math.ceil(milliseconds / 1000) };

const unavailable = (milliseconds: number, more = {}) =>
  new HeirloomError("unavailable", "The server cannot answer right now. Please try again.", {
    ...wait(milliseconds),
    ...more,
  });

function failure({ status, headers }: Response, json: any) {
  // RFC 9110 §10.2.3: seconds, or a date.
  const after = headers.get("Retry-After") ?? "";
  const milliseconds = Number.isNaN(+after) ? Date.parse(after) - Date.now() : +after * 1000;
  const { error, error_description, methods, mfa_token: mfaToken } = json ?? {};
  // What the server itself says counts; anything else is on its way there.
  if (!error || status >= 500 || error === "temporarily_unavailable") return unavailable(milliseconds, { status });
  const more = { ...wait(milliseconds), ...(methods && { methods, mfaToken }) };
  return new HeirloomError(error, error_description ?? error, { status, ...more });
}
