// The network fails in the middle of a refresh, a hundred times and in every way that it knows: there is one login, and
// nobody is signed out of it.
import assert from "node:assert/strict";
import { done } from "./program.mjs";
import { COOKIE, TOKEN } from "./sdk_world.mjs";
import {
  asked, call, close, code, eventually, expire, families, fates, heard, login, logout, newBrowser, ready, saved, tab,
} from "./sdk_world.mjs";

const WAYS = ["lost", "refused", "cut", "busy", "portal", "lost", "proxy", "denied"];
const options = process.env.DELIVERY === "cookie" ? COOKIE : TOKEN;
const context = await newBrowser();
const tabs = [await tab(context, options), await tab(context, options)];
const [first, second] = tabs;
assert.equal(await login(first), null);
await second.waitForFunction(() => heard.length > 0);
for (const page of tabs) await heard(page);

let failures = 0;
for (let round = 0; failures < 100; round++) {
  await expire(first);
  asked.length = 0;
  if (round % 8 === 7) {
    await leaveInTheMiddle();
  } else {
    // Some come twice in a row, in another order each time.
    fates.push(WAYS[round % WAYS.length], ...(round % 3 ? [] : [WAYS[(round * 5 + 1) % WAYS.length]]));
  }
  const planned = fates.length;
  const statuses = await Promise.all(tabs.map((page) => call(page)));
  assert.deepEqual(statuses, [200, 200], `round ${round}`);
  assert.equal(fates.length, 0);
  assert(asked.length > planned, "it was asked again after each failure");
  failures += planned || 1;
}
assert.equal((await families()).length, 1);
for (const page of tabs) assert.deepEqual(await heard(page), []);

await givesUp();
await signsOutWithoutTheServer();
await close();
done();

/** A tab is loaded anew after the server has answered and before anybody has read that. */
async function leaveInTheMiddle() {
  const left = new Promise((resolve) => {
    fates.push(async (request, response, forward) => {
      await forward(request);
      resolve();
      await first.waitForEvent("load");
      response.destroy();
    });
  });
  const calling = call(first).catch(() => "left");
  await left;
  await first.reload();
  assert.equal(await calling, "left");
  await ready(first, options);
}

/** A server that stays away signs nobody out either; it is left alone for as long as it wants, and then all is well. */
async function givesUp() {
  await expire(first);
  asked.length = 0;
  fates.push((request, response) => {
    response.writeHead(503, { "content-type": "application/json", "retry-after": "30" });
    response.end('{"error":"temporarily_unavailable","error_description":"Not now."}');
  });
  const refused = await call(first);
  assert.deepEqual([refused.code, refused.status, refused.retryAfter], ["unavailable", 503, 30]);
  const again = await call(first);
  assert.deepEqual([again.code, again.retryAfter >= 29], ["unavailable", true]);
  assert.equal(asked.length, 1, "it was not asked before its time");
  assert.equal(await first.evaluate(() => heirloom.signedIn()), true);
  // A short wait is waited for.
  asked.length = 0;
  fates.push((request, response) => response.writeHead(429, { "retry-after": "1" }).end());
  const began = Date.now();
  assert.equal(await call(second), 200);
  assert(Date.now() - began >= 1000, "it waited for as long as it was told");
  assert.equal(asked.length, 2);
  assert.equal(await call(first), 200, "what another tab got is there for all");
  // A password is not sent again by itself.
  asked.length = 0;
  for (const fate of ["busy", "portal"]) {
    fates.push(fate);
    assert.equal(code(await login(first)), "unavailable");
  }
  assert.equal(asked.length, 2);
  assert.equal((await families()).length, 1);
  assert.equal((await saved(first)).out, undefined);
}

/** Nobody is signed in here any more, whatever the cookie says; the server is told when it can be. */
async function signsOutWithoutTheServer() {
  const away = (request, response) => {
    response.writeHead(503, { "content-type": "application/json", "retry-after": "30" });
    response.end('{"error":"temporarily_unavailable"}');
  };
  for (const howItEnds of ["logout", "login"]) {
    // Not the page that was told to wait.
    await first.reload();
    await ready(first, options);
    fates.push(away);
    assert.equal(code(await logout(first)), "unavailable");
    for (const page of tabs) await page.waitForFunction(() => heard.includes("signedOut logout"));
    for (const page of tabs) assert.equal(code(await call(page)), "signed_out");
    assert.equal((await families()).length, 1);
    await first.reload();
    await ready(first, options);
    assert.equal(await first.evaluate(() => heirloom.signedIn()), false);
    assert.equal(await (howItEnds === "logout" ? logout(first) : login(first)), howItEnds === "logout" ? "done" : null);
    const expected = howItEnds === "logout" ? [] : [1];
    await eventually("the server knows", async () => `${await families()}` === `${expected}`);
    if (howItEnds === "logout") assert.equal(await login(first), null);
    for (const page of tabs) await heard(page);
  }
}
