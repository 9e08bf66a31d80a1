// Browsers that lack something, and tabs that come too late.
import assert from "node:assert/strict";
import { done } from "./program.mjs";
import { COOKIE, OWN, TOKEN } from "./sdk_world.mjs";
import {
  allHear, asked, call, close, code, eventually, expire, families, fates, heard, login, logout, newBrowser, ready, saved, tab, told,
} from "./sdk_world.mjs";

await withoutIndexedDb();
await inMemory();
await cookieInMemory();
await withoutBroadcastChannel();
await withoutCryptography();
for (const locks of [true, false]) await whoeverHoldsTheLockIsAsleep(locks);
await theLosersRefusal();
await theLateOneAsksNoMore();
await close();
done();

/** Private windows of some browsers: a login is of its tab, and bound to a key all the same. */
async function withoutIndexedDb() {
  for (const kind of ["missing", "refused"]) {
    const context = await newBrowser((kind) => {
      const value = { open: () => { throw new DOMException("not in a private window", "InvalidStateError"); } };
      Object.defineProperty(window, "indexedDB", { value: kind === "missing" ? undefined : value });
    }, kind);
    await aLoginOfOneTab(context, TOKEN);
    await context.close();
  }
}

/** Nothing is written down where the app wants it so. */
async function inMemory() {
  const context = await newBrowser();
  const page = await aLoginOfOneTab(context, { ...TOKEN, storage: "memory" });
  assert.deepEqual(await page.evaluate(() => indexedDB.databases()), []);
  await context.close();
}

async function aLoginOfOneTab(context, options) {
  const [page, other] = [await tab(context, options), await tab(context, options)];
  assert.equal(await login(page), null);
  assert.equal(await call(page), 200);
  assert.equal(code(await call(other)), "signed_out");
  assert.equal(await login(other), null);
  assert.deepEqual(await families(), [1, 1]);
  // Signing out in one tab ends what the other has, too.
  assert.equal(await logout(page), "done");
  await other.waitForFunction(() => heard.length > 1);
  assert.deepEqual(await heard(other), ["signedIn", "signedOut logout"]);
  await eventually("the server knows", async () => (await families()).length === 0);
  assert.equal(code(await call(other)), "signed_out");
  // A reload ends it for this browser.
  assert.equal(await login(page), null);
  await page.reload();
  await ready(page, options);
  assert.equal(await page.evaluate(() => heirloom.signedIn()), false);
  await told("end");
  return page;
}

/** The cookie is there for all tabs: each asks for itself who is signed in. */
async function cookieInMemory() {
  const options = { ...COOKIE, storage: "memory" };
  const context = await newBrowser();
  const tabs = [await tab(context, options), await tab(context, options)];
  assert.equal(await tabs[1].evaluate(() => heirloom.signedIn()), false);
  const before = (await families()).length;
  assert.equal(await login(tabs[0]), null);
  for (const page of tabs) assert.equal(await call(page), 200);
  assert.equal((await families()).length, before + 1);
  await tabs[0].reload();
  await ready(tabs[0], options);
  assert.equal(await tabs[0].evaluate(() => heirloom.signedIn()), true);
  assert.equal(await logout(tabs[0]), "done");
  await eventually("the server knows", async () => code(await call(tabs[1])) === "signed_out");
  assert.equal((await families()).length, before);
  await context.close();
}

/** Other tabs are told when they look, or are looked at. */
async function withoutBroadcastChannel() {
  const context = await newBrowser(() => delete window.BroadcastChannel);
  const tabs = [await tab(context, TOKEN), await tab(context, TOKEN), await tab(context, TOKEN)];
  assert.equal(await login(tabs[0]), null);
  assert.equal(await call(tabs[1]), 200);
  assert.deepEqual(await heard(tabs[1]), ["signedIn"]);
  await tabs[2].evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await allHear([tabs[2]], "signedIn");
  assert.equal(await logout(tabs[0]), "done");
  assert.equal(code(await call(tabs[1])), "signed_out");
  assert.deepEqual(await heard(tabs[1]), ["signedOut logout"]);
  await context.close();
}

/** No key, no tokens: a page over plain http is told so, and is not given lesser ones. */
async function withoutCryptography() {
  const context = await newBrowser(() => Object.defineProperty(Crypto.prototype, "subtle", { value: undefined }));
  const page = await context.newPage();
  await page.goto(OWN);
  await page.waitForFunction(() => window.sdk);
  const refused = (options) =>
    page.evaluate((it) => { try { sdk.createClient(it); } catch (error) { return error.code; } }, options);
  assert.equal(await refused(TOKEN), "insecure_context");
  assert.equal(await refused(COOKIE), undefined);
  await context.close();
}

/** A tab that was put to sleep with the lock is not waited for without end. */
async function whoeverHoldsTheLockIsAsleep(locks) {
  const context = await newBrowser((locks) => {
    if (!locks) Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
  }, locks);
  await context.clock.install();
  const asleep = await context.newPage();
  const page = await tab(context, COOKIE);
  assert.equal(await login(page), null);
  await expire(page);
  if (locks) {
    await asleep.goto(OWN);
    await asleep.evaluate(holdForEver, lockOf(COOKIE));
  } else {
    await page.evaluate(() => record((it) => ({ ...it, busy: Date.now() + 30_000 })));
  }
  asked.length = 0;
  const calling = call(page);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(asked, [], "it waits");
  await context.clock.fastForward(31_000);
  assert.equal(await calling, 200);
  assert.deepEqual(asked, ["/refresh"]);
  await asleep.close();
  assert.equal(await logout(page), "done");
  await context.close();
}

/** Done when the lock is held: a browser hears of two tabs' requests in whatever order they reach it. */
function holdForEver(name) {
  return new Promise((held) => {
    navigator.locks.request(name, () => {
      held();
      return new Promise(() => {});
    });
  });
}

/** The record and the lock of a login have this name. */
function lockOf({ issuer, clientId }) {
  return `heirloom ${issuer} ${clientId}`;
}

/** Two tabs that both ask, as their lock is not there any more. */
async function twoTabs() {
  const context = await newBrowser(() => Object.defineProperty(Navigator.prototype, "locks", { value: undefined }));
  const tabs = [await tab(context, TOKEN), await tab(context, TOKEN)];
  assert.equal(await login(tabs[0]), null);
  await allHear(tabs, "signedIn");
  await expire(tabs[0]);
  return { context, tabs };
}

/** Holds the next request, until the other tab has got what it wanted. */
function hold(then) {
  let [release, arrive] = [];
  const released = new Promise((resolve) => (release = resolve));
  const arrived = new Promise((resolve) => (arrive = resolve));
  fates.push(async (request, response) => {
    arrive();
    await released;
    then(response);
  });
  return { arrived, release };
}

function forgetLease(page) {
  return page.evaluate(() => record((it) => ({ ...it, busy: 0 })));
}

/** A tab's token was refused when another tab had a better one: nobody is signed out. */
async function theLosersRefusal() {
  const { context, tabs: [loser, winner] } = await twoTabs();
  const refuse = (response) => {
    response.writeHead(400, { "content-type": "application/json" });
    response.end('{"error":"invalid_grant","error_description":"The refresh token was already used."}');
  };
  const { arrived, release } = hold(refuse);
  const calling = call(loser);
  await arrived;
  await forgetLease(winner);
  assert.equal(await call(winner), 200);
  const { tokens } = await saved(winner);
  release();
  assert.equal(await calling, 200);
  assert.deepEqual((await saved(winner)).tokens, tokens);
  for (const page of [loser, winner]) assert.deepEqual(await heard(page), []);
  // Refused, with nobody there who has a better one: then it is over.
  await expire(loser);
  fates.push((request, response) => refuse(response));
  const over = await call(loser);
  assert.deepEqual([over.code, over.message], ["signed_out", "The refresh token was already used."]);
  await allHear([loser, winner], "signedOut ended");
  await context.close();
}

/** A tab whose answer was lost finds another tab's token, and does not ask with its own again. */
async function theLateOneAsksNoMore() {
  const { context, tabs: [late, other] } = await twoTabs();
  const { arrived, release } = hold((response) => response.destroy());
  const calling = call(late);
  await arrived;
  await forgetLease(other);
  assert.equal(await call(other), 200);
  await expire(other);
  await forgetLease(other);
  assert.equal(await call(other), 200);
  asked.length = 0;
  release();
  assert.equal(await calling, 200);
  // Chromium by itself sends once more what was on a connection that broke.
  assert(asked.length <= 1, `${asked}`);
  assert.equal((await families()).filter((generation) => generation === 3).length, 1);
  assert.equal(await logout(late), "done");
  await context.close();
}
