// All ways in, and what goes wrong on them: passwords and second factors on the issuer's own pages' origin, code and
// PKCE at an app's.
import assert from "node:assert/strict";
import { codeOf } from "./authenticators.mjs";
import { ISSUER, done } from "./program.mjs";
import {
  ANA, APP, COOKIE, OWN, TOKEN,
  asked, call, close, code, expire, families, heard, login, logout, newBrowser, ready, saved, tab, told,
} from "./sdk_world.mjs";

const CALLBACK = TOKEN.redirectUri;

await wrongOptions();
await byCode();
await byCodeWithAWrongClock();
await byCodeWithoutIndexedDb();
await answersToNobody();
await refusedAtThePages();
await tokensGoWhereTheyShould();
await whatAnApiRefuses();
await bySecondFactor();
await close();
done();

/** Where a sign-in at the pages ends; the address as the browser shows it first. */
async function signInAtThePages(page, how = {}) {
  const left = page.waitForRequest((request) => request.url().startsWith(`${ISSUER}/oauth/authorize`));
  page.evaluate((how) => heirloom.authorize(how), how).catch(() => {});
  const { searchParams } = new URL((await left).url());
  await page.waitForSelector("[name=username]");
  await page.fill("[name=username]", ANA.username);
  await page.fill("[name=password]", ANA.password);
  await page.click("form:last-of-type .primary");
  // About an app on this very machine people are asked each time.
  await page.click("button[value=allow]");
  await page.waitForURL(`${CALLBACK}?*`);
  return Object.fromEntries(searchParams);
}

function finish(page) {
  return page.evaluate(() => outcome(heirloom.callback()));
}

async function byCode() {
  const context = await newBrowser();
  const page = await tab(context, TOKEN, APP);
  const request = await signInAtThePages(page, { returnTo: `${APP}orders?page=2`, params: { ui_locales: "de" } });
  const { state, code_challenge, dpop_jkt, ...rest } = request;
  for (const random of [state, code_challenge, dpop_jkt]) assert.match(random, /^[\w-]{43}$/);
  assert.deepEqual(rest, {
    response_type: "code",
    client_id: "shop",
    redirect_uri: CALLBACK,
    scope: "openid",
    code_challenge_method: "S256",
    ui_locales: "de",
  });
  await ready(page, TOKEN);
  assert.deepEqual(await finish(page), { returnTo: `${APP}orders?page=2` });
  assert.deepEqual(await heard(page), ["signedIn"]);
  assert.equal(page.url(), CALLBACK, "the code is not left in the history");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.equal(await finish(page), null, "once");
  assert.equal((await saved(page)).tokens.type, "DPoP");
  assert.equal(await call(page), 200);
  await expire(page);
  assert.equal(await call(page), 200);
  assert.deepEqual(await families(), [2]);
  assert.equal(code(await login(page)), "wrong_origin", "a password is typed at the issuer's own origin alone");
  assert.equal(await logout(page), "done");
  assert.deepEqual(await families(), []);
  await context.close();
}

/** An app of another origin reads the server's time, too. */
async function byCodeWithAWrongClock() {
  const context = await newBrowser(() => {
    const { now } = Date;
    Date.now = () => now() + 3 * 3600 * 1000;
  });
  const page = await tab(context, TOKEN, APP);
  await signInAtThePages(page);
  await ready(page, TOKEN);
  assert.deepEqual(await finish(page), { returnTo: APP });
  assert.equal(await call(page), 200);
  assert.equal(await logout(page), "done");
  await context.close();
}

/** The key is made when the code comes. */
async function byCodeWithoutIndexedDb() {
  const context = await newBrowser(() => Object.defineProperty(window, "indexedDB", { value: undefined }));
  const page = await tab(context, TOKEN, APP);
  assert.equal((await signInAtThePages(page)).dpop_jkt, undefined);
  await ready(page, TOKEN);
  assert.deepEqual(await finish(page), { returnTo: APP });
  assert.equal(await call(page), 200);
  assert.equal(await logout(page), "done");
  await context.close();
}

/** Answers that nobody here asked for, and those of somebody else (RFC 9207). */
async function answersToNobody() {
  const context = await newBrowser();
  const page = await tab(context, TOKEN, APP);
  await signInAtThePages(page);
  const answer = new URL(page.url());
  const comesBack = async (changed) => {
    const url = new URL(answer);
    for (const [name, value] of Object.entries(changed)) {
      value === undefined ? url.searchParams.delete(name) : url.searchParams.set(name, value);
    }
    await page.goto(url.href);
    await ready(page, TOKEN);
    return code(await finish(page));
  };
  asked.length = 0;
  assert.equal(await comesBack({ state: "another" }), "state_mismatch");
  assert.equal(await comesBack({ iss: "https://evil.example" }), "issuer_mismatch");
  assert.equal(await comesBack({}), "state_mismatch", "it was used up");
  assert.deepEqual(asked, [], "no code went anywhere");
  await signInAgain();
  assert.equal(await comesBack({ iss: undefined }), "issuer_mismatch");
  assert.deepEqual(asked, []);
  await context.close();

  /** The browser knows its user by now. */
  async function signInAgain() {
    await page.evaluate(() => heirloom.authorize()).catch(() => {});
    await page.click("button[value=allow]");
    await page.waitForURL(`${CALLBACK}?code=*`);
    answer.search = new URL(page.url()).search;
  }
}

async function refusedAtThePages() {
  const context = await newBrowser();
  const page = await tab(context, TOKEN, APP);
  await page.evaluate(() => heirloom.authorize({ params: { prompt: "none" } })).catch(() => {});
  await page.waitForURL(`${CALLBACK}?error=*`);
  await ready(page, TOKEN);
  const { code, message } = await finish(page);
  assert.deepEqual([code, message], ["login_required", "The user has to sign in."]);
  assert.equal(page.url(), CALLBACK);
  await context.close();
}

async function wrongOptions() {
  const context = await newBrowser();
  const page = await tab(context, TOKEN);
  const refusal = (options) =>
    page.evaluate((options) => {
      try {
        sdk.createClient(options);
      } catch ({ code, message }) {
        return `${code} ${message}`;
      }
    }, options);
  const table = [
    [{ issuer: undefined }, "invalid_options issuer: is not a URL: undefined"],
    [{ issuer: "login.example.com" }, "invalid_options issuer: is not a URL: login.example.com"],
    [{ issuer: "http://login.example.com" }, "invalid_options issuer: is not https"],
    [{ issuer: "https://login.example.com/?a" }, "invalid_options issuer: has a query or a fragment"],
    [{ clientId: "" }, "invalid_options clientId: is missing"],
    [{ delivery: "header" }, 'invalid_options delivery: is neither "token" nor "cookie"'],
    [{ storage: "localStorage" }, 'invalid_options storage: is neither "indexedDB" nor "memory"'],
    [{ origins: ["api.example.com"] }, "invalid_options origins: is not a URL: api.example.com"],
    [
      { issuer: "https://login.example.com", delivery: "cookie" },
      "wrong_origin Only pages of https://login.example.com may do this. Others use authorize().",
    ],
    [{ issuer: `${ISSUER}/` }, undefined],
  ];
  for (const [changed, expected] of table) assert.equal(await refusal({ ...TOKEN, ...changed }), expected);
  const authorizing = async (options, how) => {
    await ready(page, options);
    const { code, message } = await page.evaluate((how) => outcome(heirloom.authorize(how)), how);
    return `${code} ${message}`;
  };
  const { redirectUri, ...without } = TOKEN;
  assert.equal(await authorizing(without), "invalid_options redirectUri: is missing");
  assert.equal(await authorizing(COOKIE), 'invalid_options delivery: codes are exchanged with "token" alone');
  for (const returnTo of ["https://evil.example/", "//evil.example", "javascript:alert(1)"]) {
    assert.equal(await authorizing(TOKEN, { returnTo }), "invalid_options returnTo: leads to another site");
  }
  await context.close();
}

async function tokensGoWhereTheyShould() {
  const context = await newBrowser();
  const page = await tab(context, TOKEN);
  assert.equal(await login(page), null);
  const elsewhere = new URL("/elsewhere", APP).href;
  let sent;
  page.on("request", (request) => request.url() === elsewhere && (sent = request.headers()));
  assert.equal(code(await call(page, elsewhere)), "foreign_origin");
  assert.equal(sent, undefined);
  // Another client on the same page shares the login, and has that API.
  await ready(page, { ...TOKEN, origins: [APP] });
  await call(page, elsewhere);
  await page.waitForFunction(() => true);
  assert(sent, "it was asked");
  // A request goes as it is, body and all.
  const posted = (init) => page.evaluate(([url, init]) => outcome(heirloom.fetch(url, init)), [`${ISSUER}/oauth/userinfo`, init]);
  assert.equal(await posted({ method: "POST", body: new URLSearchParams({ a: "b" }).toString() }), 200);
  assert.equal(await posted({ method: "HEAD" }), 200);
  assert.equal(await posted({ method: "DELETE" }), 405);
  assert.equal(await logout(page), "done");
  await context.close();
}

async function whatAnApiRefuses() {
  const context = await newBrowser();
  const page = await tab(context, COOKIE);
  assert.equal(await login(page), null);
  const revoke = async () => {
    const { access } = (await saved(page)).tokens;
    const body = new URLSearchParams({ client_id: COOKIE.clientId, token: access });
    assert.equal((await fetch(`${ISSUER}/oauth/revoke`, { method: "POST", body })).status, 200);
    asked.length = 0;
  };
  const age = (seconds) =>
    page.evaluate((by) => record((it) => ({ ...it, tokens: { ...it.tokens, got: it.tokens.got - by } })), seconds * 1000);
  // One that has just been got is as good as it gets.
  await revoke();
  assert.equal(await call(page), 401);
  assert.deepEqual(asked, []);
  // An older one is replaced, and the call is made again. (Two tokens of one second are one and the same.)
  await age(10);
  await told("advance 2");
  assert.equal(await call(page), 200);
  assert.deepEqual(asked, ["/refresh"]);
  // Where a newer login is wanted, a newer token does not help.
  await age(10);
  await told("advance 600");
  asked.length = 0;
  const ended = () => page.evaluate((url) => outcome(heirloom.fetch(url, { method: "DELETE" })), `${ISSUER}/sessions`);
  assert.equal(await ended(), 401);
  assert.deepEqual(asked, []);
  await told("advance -602");
  // What the server ended is over.
  await told("end");
  await expire(page);
  const { code, message } = await call(page);
  assert.deepEqual([code, message], ["signed_out", "This login has been ended. Please log in again."]);
  assert.deepEqual(await heard(page), ["signedIn", "signedOut ended"]);
  await context.close();
}

async function bySecondFactor() {
  const context = await newBrowser();
  const page = await tab(context, COOKIE);
  const wrong = await login(page, { ...ANA, password: "wrong" });
  assert.deepEqual([wrong.code, wrong.status], ["invalid_grant", 401]);
  const { key, codes } = await setUp(await context.newPage());

  const begins = (credentials = ANA) =>
    page.evaluate(async (it) => {
      window.factor = await heirloom.login(it);
      return factor.methods;
    }, credentials);
  const shows = (it) => page.evaluate((it) => outcome(factor.submit(it)), it);
  assert.deepEqual(await begins(), ["totp", "recovery_code"]);
  assert.equal(await page.evaluate(() => heirloom.signedIn()), false);
  assert.equal(code(await shows({ code: "000000" })), "invalid_grant");
  assert.equal(await shows({ code: codeOf(key) }), "done");
  assert.equal(await call(page), 200);
  assert.equal(await logout(page), "done");
  await ready(page, TOKEN);
  assert.deepEqual(await begins(), ["totp", "recovery_code"]);
  assert.equal(await shows({ recoveryCode: codes[0] }), "done");
  assert.equal(await call(page), 200);
  assert.equal(code(await shows({ recoveryCode: codes[1] })), "invalid_grant", "it was used up");
  assert.equal(await logout(page), "done");
  assert.equal((await families()).length, 0);
  await context.close();
}

/** Ana sets up an authenticator app, at the pages. */
async function setUp(page) {
  await page.goto(`${ISSUER}/account/sign-in-methods`);
  await page.fill("[name=username]", ANA.username);
  await page.fill("[name=password]", ANA.password);
  await page.click("form:last-of-type .primary");
  await page.click("main a[href$='/app']");
  const key = (await page.textContent("#key code")).replaceAll(" ", "");
  await page.fill("#code", codeOf(key, -1));
  await page.click("form .primary");
  await page.waitForSelector(".codes");
  return { key, codes: await page.locator(".codes code").allTextContents() };
}
