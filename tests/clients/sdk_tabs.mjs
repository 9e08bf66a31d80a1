// Eight tabs share a login: one of them refreshes, all go on; without Web Locks too; and all are signed out at once.
import assert from "node:assert/strict";
import { done } from "./program.mjs";
import {
  COOKIE, TOKEN,
  allHear, asked, call, close, code, expire, families, heard, login, logout, newBrowser, ready, saved, tab,
} from "./sdk_world.mjs";

const ROUNDS = 3;
const ALL = Array.from({ length: 8 });

for (const locks of [true, false]) {
  await shares(TOKEN, locks);
  await shares({ ...COOKIE, dpop: locks }, locks);
}
await close();
done();

async function shares(options, locks) {
  const context = await newBrowser((locks) => {
    if (!locks) Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
  }, locks);
  const what = `${JSON.stringify(options)} ${locks}`;
  const tabs = await Promise.all(ALL.map(() => tab(context, options)));
  const [first] = tabs;
  assert.deepEqual(new Set(await Promise.all(tabs.map(async (it) => code(await call(it))))), new Set(["signed_out"]));
  assert.equal(await login(first), null, what);
  await allHear(tabs, "signedIn");
  const { tokens, extractable } = await saved(first);
  const bound = options.dpop ?? options === TOKEN;
  assert.equal(extractable, bound ? false : undefined, what);
  assert.equal(tokens.type, bound ? "DPoP" : "Bearer", what);
  assert.equal(tokens.refresh?.slice(0, 5), options === TOKEN ? "hrt1_" : undefined, what);

  for (let round = 1; round <= ROUNDS; round++) {
    await expire(first);
    asked.length = 0;
    // Two calls of each tab at once.
    const statuses = await Promise.all([...tabs, ...tabs].map((page) => call(page)));
    assert.deepEqual(new Set(statuses), new Set([200]), what);
    assert.equal(asked.length, 1, what);
    assert.deepEqual(await families(), [round + 1], what);
  }
  // A page that is loaded anew has it all.
  await first.reload();
  await ready(first, options);
  asked.length = 0;
  assert.equal(await first.evaluate(() => heirloom.signedIn()), true);
  assert.equal(await call(first), 200);
  assert.deepEqual(asked, []);

  assert.equal(await logout(tabs[3]), "done");
  await allHear(tabs, "signedOut logout");
  assert.deepEqual(await families(), [], what);
  for (const page of tabs) {
    assert.equal(code(await call(page)), "signed_out");
    assert.equal(await page.evaluate(() => heirloom.signedIn()), false);
  }
  assert.deepEqual(await saved(first), { out: { reason: "logout" }, extractable: undefined }, what);
  // The next one to come is not who was here.
  assert.equal(await login(tabs[5]), null);
  await allHear(tabs, "signedIn");
  assert.deepEqual(await families(), [1]);
  assert.equal(await first.evaluate(() => localStorage.length + sessionStorage.length), 0);
  assert.equal(await logout(first), "done");
  await context.close();
}
