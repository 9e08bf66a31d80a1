import { HeirloomError } from "./error.js";
import { checked, wrong, wrongOrigin } from "./options.js";
import { createProver, needCrypto, newKey, random, sha256, thumbprint } from "./proof.js";
import { createServer, type Body } from "./server.js";
import { createStore, type Change, type Saved, type Tokens } from "./store.js";
import { createTabs } from "./tabs.js";
import type { Client, Events, Options } from "./types.js";

/** A token that was got so lately is as good as it gets: what refuses it has other reasons. */
const YOUNG = 5000;
/** A token is replaced so long before it expires. */
const MARGIN = 30_000;

/** The login of one client at one issuer, shared by all tabs. Nothing is sent before one of its methods is called. */
export function createClient(options: Options): Client {
  const { issuer, clientId, redirectUri, scope, resource, dpop, inMemory, own } = checked(options);
  const id = `heirloom ${issuer} ${clientId}`;
  const usesCookie = options.delivery === "cookie";
  const prover = createProver();
  const call = createServer(issuer, prover);
  const store = createStore(id, inMemory);
  const tabs = createTabs(id, store, hear);
  const listeners: { [E in keyof Events]: Set<(detail: any) => void> } = { signedIn: new Set(), signedOut: new Set() };
  let wasIn: boolean | undefined;
  let refreshing: Promise<Tokens> | undefined;

  if (globalThis.location) {
    read();
    // Who missed what other tabs said finds out when somebody looks.
    globalThis.document?.addEventListener("visibilitychange", read);
  }

  return {
    login({ username, password, device }) {
      const { origin } = new URL(issuer);
      return tabs.exclusive(async () => {
        if (location.origin !== origin) throw wrongOrigin(origin);
        try {
          await begin("/login", { username, password, device, scope, resource });
          return null;
        } catch (error) {
          const { methods, mfaToken: mfa_token } = error as { methods?: string[]; mfaToken?: string };
          if (!methods || !mfa_token) throw error;
          return {
            methods,
            submit: (answer) => {
              const shown = "code" in answer ? answer : { recovery_code: answer.recoveryCode };
              return tabs.exclusive(() => begin("/login/mfa", { mfa_token, ...shown }));
            },
          };
        }
      });
    },

    async authorize({ returnTo = location.href, params = {} } = {}) {
      if (usesCookie) throw wrong('delivery: codes are exchanged with "token" alone');
      if (!redirectUri) throw wrong("redirectUri: is missing");
      needCrypto();
      // Whoever chooses the link to a sign-in must not choose where it ends.
      const back = new URL(returnTo, location.href);
      if (back.origin !== location.origin) throw wrong("returnTo: leads to another site");
      const [state, verifier] = [random(), random()];
      sessionStorage.setItem(id, JSON.stringify({ state, verifier, returnTo: back.href }));
      const key = await sharedKey();
      const url = new URL(`${issuer}/oauth/authorize`);
      const parameters = {
        response_type: "code",
        client_id: clientId,
        redirect_uri: redirectUri,
        scope,
        resource,
        state,
        code_challenge: await sha256(verifier),
        code_challenge_method: "S256",
        // RFC 9449 §10. A key that only this page has is gone with it.
        dpop_jkt: key && !store.isOwn() ? await thumbprint(key) : undefined,
        ...params,
      };
      for (const [name, value] of Object.entries(parameters)) {
        for (const one of [value ?? []].flat()) url.searchParams.append(name, one);
      }
      location.assign(url);
    },

    async callback() {
      const url = new URL(location.href);
      const take = (name: string) => {
        const value = url.searchParams.get(name);
        url.searchParams.delete(name);
        return value;
      };
      const [code, state, iss, error, description] = ["code", "state", "iss", "error", "error_description"].map(take);
      if (!state || !(code || error)) return null;
      // The code is nobody's to find in a history or a referrer.
      history.replaceState(history.state, "", url);
      const begun = JSON.parse(sessionStorage.getItem(id) ?? "{}");
      if (state !== begun.state) {
        throw new HeirloomError("state_mismatch", "This tab did not begin this sign-in. Please sign in again.");
      }
      sessionStorage.removeItem(id);
      // RFC 9207 §2.4.
      if (iss !== issuer) throw new HeirloomError("issuer_mismatch", `The answer is not of ${issuer}.`);
      if (!code) throw new HeirloomError(error!, description ?? error!);
      const parameters = { grant_type: "authorization_code", code, redirect_uri: redirectUri };
      await tabs.exclusive(() => begin("/oauth/token", { ...parameters, code_verifier: begun.verifier }));
      return { returnTo: begun.returnTo };
    },

    async fetch(input, init) {
      const request = new Request(input, init);
      const { origin } = new URL(request.url);
      if (!own.includes(origin)) {
        throw new HeirloomError("foreign_origin", `No token goes to ${origin} unless origins names it.`);
      }
      const tokens = await current();
      const response = await present(request, tokens);
      const age = Date.now() - tokens.got;
      // RFC 6750 §3.1, RFC 9470 §3: what is insufficient stays so.
      const isFinal = /insufficient_/.test(response.headers.get("WWW-Authenticate") ?? "");
      if (response.status !== 401 || isFinal || (age >= 0 && age < YOUNG)) return response;
      return present(request, await current(tokens.access));
    },

    async signedIn() {
      const { tokens, out } = await read();
      if (tokens || out || !usesCookie) return !out && !!tokens;
      try {
        return !!(await current());
      } catch (error) {
        if ((error as HeirloomError).code === "signed_out") return false;
        throw error;
      }
    },

    async logout() {
      const out = { reason: "logout" } as const;
      // From now on no tab refreshes. The tokens go when the server knows.
      await change(({ tokens }) => ({ tokens, out }));
      tabs.tell(out);
      await tabs.exclusive(async () => {
        const { tokens, out } = await read();
        if (!out) return;
        await end(tokens);
        await change((saved) => (saved.out ? { out } : undefined));
      });
    },

    on(event, listener) {
      listeners[event].add(listener);
      return () => void listeners[event].delete(listener);
    },
  };

  /** An access token that is good for a while yet, and is not the one that was refused. */
  async function current(refused?: string): Promise<Tokens> {
    const saved = await read();
    if (isGood(saved, refused)) return saved.tokens;
    return (refreshing ??= tabs.exclusive(() => refresh(refused)).finally(() => (refreshing = undefined)));
  }

  async function refresh(refused?: string): Promise<Tokens> {
    const before = await read();
    // Another tab was here.
    if (isGood(before, refused)) return before.tokens;
    const { out, tokens: { access, refresh } = {} } = before;
    if (out || !(refresh || usesCookie)) throw signedOut(out);
    const isStill = ({ out, tokens }: Saved) => !out && tokens?.access === access && tokens?.refresh === refresh;
    // Between two attempts the laptop may have slept: nobody presents a token that another tab has replaced meanwhile.
    const overtaken = {};
    const body = async () => {
      if (!isStill(await read())) throw overtaken;
      return usesCookie ? {} : { grant_type: "refresh_token", refresh_token: refresh };
    };
    let saved: Saved;
    try {
      const tokens = await ask(usesCookie ? "/refresh" : "/oauth/token", body, true);
      saved = await change((now) => (isStill(now) ? { ...now, tokens } : undefined));
    } catch (error) {
      const { code, message } = error as HeirloomError;
      const isOver = code === "invalid_grant" || (usesCookie && code === "invalid_dpop_proof");
      if (!isOver && error !== overtaken) throw error;
      // The token that was refused goes; one that another tab got meanwhile stays.
      const out = { reason: "ended", message } as const;
      saved = await change((now) => (isOver && isStill(now) ? { out } : undefined));
      if (isOver) tabs.tell(saved.out);
    }
    if (saved.out || !saved.tokens) throw signedOut(saved.out);
    return saved.tokens;
  }

  /** A login begins. */
  async function begin(path: string, body: Body) {
    // A logout that the server was not told of; what is not in a cookie waits until somebody is in.
    const before = await read();
    if (usesCookie && before.out && before.tokens) await end(before.tokens).catch(() => {});
    const tokens = await ask(path, async () => body, path === "/oauth/token");
    let former: Tokens | undefined;
    wasIn ??= false;
    await change((saved) => {
      former = saved.tokens;
      return { key: saved.key, tokens };
    });
    tabs.tell(undefined);
    // The login that was here is nobody's any more.
    if (!usesCookie) end(former).catch(() => {});
  }

  /** Tokens from the server, of the kind that they are to be. */
  async function ask(path: string, body: () => Promise<Body>, again: boolean): Promise<Tokens> {
    const key = await sharedKey();
    const named = async () => ({ client_id: clientId, ...(await body()) });
    const answer = await call({ path, body: named, key, again });
    const { access_token: access, token_type: type, expires_in, refresh_token: refresh } = answer;
    if (key && type !== "DPoP") throw new HeirloomError("not_bound", "The server bound the token to no key.");
    const got = Date.now();
    const until = got + expires_in * 1000 - Math.min(MARGIN, expires_in * 250);
    return { access, type, got, until, behind: prover.behind(), refresh };
  }

  /** Tells the server that a login is over. */
  async function end(tokens: Tokens | undefined) {
    const token = tokens?.refresh;
    const body = async () => ({ client_id: clientId, token });
    if (usesCookie || token) await call({ path: usesCookie ? "/logout" : "/oauth/revoke", body, again: true });
  }

  /** The key that all tabs have, if tokens are to be bound to one. */
  async function sharedKey() {
    const { key } = await read();
    // What began with a key goes on with it.
    if (key || !dpop) return key;
    const made = await newKey();
    // Of two tabs that made one at once the first has it.
    return (await change((saved) => (saved.key ? undefined : { ...saved, key: made }))).key;
  }

  /** Sends a request with a token; once more where a nonce was missing. */
  async function present(request: Request, { access, type, behind }: Tokens) {
    const key = type === "DPoP" && (await sharedKey());
    for (let attempt = 0; ; attempt++) {
      const copy = request.clone();
      const nonce = prover.nonce(copy.url);
      copy.headers.set("Authorization", `${type} ${access}`);
      if (key) copy.headers.set("DPoP", await prover.prove(key, copy.method, copy.url, access, behind));
      const response = await fetch(copy);
      prover.noteNonce(copy.url, response);
      if (response.status !== 401 || !key || attempt || nonce === prover.nonce(copy.url)) return response;
    }
  }

  /** What another tab said: signed out, and why, or in. */
  async function hear(out: Saved["out"]) {
    const saved = await read();
    if (!store.isOwn()) return;
    // Without a record that both see, this tab ends its own login, or asks the server who is there.
    if (usesCookie) await change(({ key }) => ({ key, out }));
    else if (out?.reason === "logout") {
      await change(() => ({ out }));
      await end(saved.tokens).catch(() => {});
    }
  }

  function read() {
    return change(() => {});
  }

  /** Changes the record, and tells this tab's listeners whether somebody is signed in now who was not before. */
  async function change(change: Change) {
    const saved = await store.update(change);
    const isIn = !!saved.tokens && !saved.out;
    if (wasIn !== undefined && wasIn !== isIn) {
      const told = listeners[isIn ? "signedIn" : "signedOut"];
      for (const listener of told) queueMicrotask(() => listener(saved.out));
    }
    wasIn = isIn;
    return saved;
  }
}

/** Whether there is a token that is worth sending; a clock that was put back is found out by who refuses it. */
function isGood(saved: Saved, refused?: string): saved is Saved & { tokens: Tokens } {
  const { tokens, out } = saved;
  return !out && !!tokens && tokens.access !== refused && Date.now() < tokens.until;
}

const signedOut = (out: Saved["out"]) =>
  new HeirloomError("signed_out", out?.message ?? "Nobody is signed in. Please sign in.");
