// The browser package as it is shipped, in pages of two places: at the issuer's own origin, behind a proxy that loses
// what it is told to lose, and at an app's.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import { buffer } from "node:stream/consumers";
import { launch } from "./chromium.mjs";
import { ISSUER, hear } from "./program.mjs";

const { UPSTREAM, PACKAGE, PASSWORD } = process.env;
const HTML = `<!doctype html><title>The Shop</title><link rel="icon" href="data:,">
<script type="module">import * as sdk from "/app/heirloom.js"; Object.assign(window, { sdk });</script>`;
const ASKS = ["/login", "/login/mfa", "/refresh", "/logout", "/oauth/token", "/oauth/revoke"];

/** What was asked of the server, in its order; the test empties it. */
export const asked = [];
/** What becomes of the requests to come to these places: see `Fates`. */
export const fates = [];

const Fates = {
  // The server never gets it.
  refused: (request, response) => response.destroy(),
  // It gets it, and nobody gets its answer.
  lost: async (request, response) => {
    await forward(request);
    response.destroy();
  },
  // A part of its answer comes.
  cut: async (request, response) => {
    const { status, headers, body } = await forward(request);
    response.writeHead(status, headers);
    response.write(body.subarray(0, body.length / 2), () => response.destroy());
  },
  busy: (request, response) => {
    response.writeHead(503, { "content-type": "application/json", "retry-after": "0" });
    response.end('{"error":"temporarily_unavailable"}');
  },
  // What a proxy says while the server restarts, and what a café's network says to everybody.
  proxy: (request, response) => response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad Gateway"),
  portal: (request, response) => response.writeHead(200, { "content-type": "text/html" }).end("<h1>Welcome"),
  denied: (request, response) => response.writeHead(403, { "content-type": "text/html" }).end("<h1>Forbidden"),
};

/** How far the test has put the server's clock ahead, in seconds: its header does not know. */
let ahead = 0;

/** Asks the server in the browser's place. */
async function forward(request) {
  const { method, headers, body } = request;
  const answer = await new Promise((resolve, reject) => {
    const sent = ask(UPSTREAM + request.url, { method, headers, agent: false }, resolve).on("error", reject);
    sent.end(body);
  });
  const date = new Date(Date.parse(answer.headers.date) + ahead * 1000).toUTCString();
  return { status: answer.statusCode, headers: { ...answer.headers, date }, body: await buffer(answer) };
}

/** Where the browser believes the issuer to be. */
const proxy = createServer(async (request, response) => {
  if (request.url.startsWith("/app/")) return show(request, response);
  request.body = await buffer(request);
  const { pathname } = new URL(request.url, ISSUER);
  if (request.method === "POST" && ASKS.includes(pathname)) {
    asked.push(pathname);
    const fate = fates.shift();
    if (fate) return typeof fate === "function" ? fate(request, response, forward) : Fates[fate](request, response);
  }
  const { status, headers, body } = await forward(request);
  // That a proof needs a nonce is told before anything is asked.
  if (body.includes("use_dpop_nonce") && asked.includes(pathname)) asked.splice(asked.lastIndexOf(pathname), 1);
  response.writeHead(status, headers).end(body);
});

function show(request, response) {
  const isScript = request.url === "/app/heirloom.js";
  response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
  response.end(isScript ? readFileSync(`${PACKAGE}/dist/index.js`) : HTML);
}

const app = createServer(show);
const listening = (server, port) => new Promise((resolve) => server.listen(port, "127.0.0.1", resolve).unref());
await listening(proxy, Number(new URL(ISSUER).port));
await listening(app, 0);

/** A page of the issuer's own origin, and one of another. */
export const OWN = `${ISSUER}/app/`;
export const APP = `http://127.0.0.1:${app.address().port}/app/`;

export const COOKIE = { issuer: ISSUER, clientId: "spa", delivery: "cookie" };
export const TOKEN = { issuer: ISSUER, clientId: "shop", scope: "openid", redirectUri: `${APP}callback` };
export const ANA = { username: "ana", password: PASSWORD };

const browser = await launch();
export const close = () => browser.close();

/** Somebody's browser; `script` runs in each of its pages first. */
export async function newBrowser(script, argument) {
  const context = await browser.newContext();
  context.setDefaultTimeout(60_000);
  if (script) await context.addInitScript(script, argument);
  return context;
}

/** A tab with a client, and with all that the client told of in `heard`. */
export async function tab(context, options, place = OWN) {
  const page = await context.newPage();
  await page.goto(place);
  await ready(page, options);
  return page;
}

export async function ready(page, options) {
  await page.waitForFunction(() => window.sdk);
  await page.evaluate((options) => {
    window.heard = [];
    window.heirloom = sdk.createClient(options);
    for (const event of ["signedIn", "signedOut"]) {
      heirloom.on(event, (detail) => heard.push([event, ...(detail ? [detail.reason] : [])].join(" ")));
    }
    // Changes what is kept.
    window.record = (change) =>
      new Promise((resolve) => {
        indexedDB.open("heirloom").onsuccess = ({ target: { result: database } }) => {
          const logins = database.transaction("logins", "readwrite").objectStore("logins");
          logins.openCursor().onsuccess = ({ target: { result: cursor } }) => {
            const changed = change(cursor.value);
            cursor.update(changed).onsuccess = () => (database.close(), resolve(changed));
          };
        };
      });
    // What a call gives: an answer's status, a value, or an error's code.
    window.outcome = async (promise) => {
      try {
        const value = await promise;
        return value instanceof Response ? value.status : value === undefined ? "done" : value;
      } catch (error) {
        if (!(error instanceof sdk.HeirloomError)) return `${error}`;
        return Object.assign({ ...error }, { message: error.message });
      }
    };
  }, options);
}

export const login = (page, credentials = ANA) =>
  page.evaluate((it) => outcome(heirloom.login(it)), credentials);

/** Who is signed in, as the server tells whoever shows a token. */
export const call = (page, url = `${ISSUER}/oauth/userinfo`) =>
  page.evaluate((url) => outcome(heirloom.fetch(url)), url);

export const logout = (page) => page.evaluate(() => outcome(heirloom.logout()));
export const heard = (page) => page.evaluate(() => window.heard.splice(0));
export const code = (outcome) => outcome?.code ?? outcome;

/** Makes the access token that all tabs have an old one. */
export const expire = (page) => page.evaluate(() => record((it) => ({ ...it, tokens: { ...it.tokens, until: 0 } })));

/** What is kept of the only login; of the key, whether it can be taken elsewhere. */
export const saved = (page) =>
  page.evaluate(async () => {
    const { key, ...rest } = await record((it) => it);
    return { ...rest, extractable: key?.privateKey.extractable };
  });

/** What the test behind this program says. */
export async function told(question) {
  if (question.startsWith("advance ")) ahead += Number(question.slice(8));
  console.log(`ask ${question}`);
  return JSON.parse(await hear());
}

/** The server's families of Ana that are live: their generations. */
export const families = () => told("families");

export async function eventually(what, test) {
  for (let attempt = 0; attempt < 200; attempt++) {
    const value = await test();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`not in time: ${what}`);
}

/** Each tab hears of this, and of nothing else, once. */
export async function allHear(pages, event) {
  for (const page of pages) await page.waitForFunction(() => heard.length > 0);
  for (const page of pages) assert.deepEqual(await heard(page), [event]);
}
