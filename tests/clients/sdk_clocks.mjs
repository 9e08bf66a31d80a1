// Clocks that jump, a laptop that sleeps for an hour in the middle of a refresh, and one that sleeps for too long.
import assert from "node:assert/strict";
import { done } from "./program.mjs";
import { COOKIE, TOKEN } from "./sdk_world.mjs";
import { allHear, asked, call, close, expire, families, fates, heard, login, newBrowser, tab, told } from "./sdk_world.mjs";

const [MINUTE, HOUR, DAY] = [60, 3600, 24 * 3600];
/** How long the server and the machines have slept in all. */
let slept = 0;
const DELIVERIES = [TOKEN, { ...COOKIE, dpop: true }, COOKIE];

for (const options of DELIVERIES) await jumps(options);
for (const options of DELIVERIES) await sleeps(options);
await close();
done();

/** Tabs of a machine whose clock is wrong by some seconds. */
async function machine(options, count, wrong) {
  const context = await newBrowser((wrong) => {
    const { now } = Date;
    window.wrong = wrong;
    Date.now = () => now() + window.wrong * 1000;
  }, wrong);
  const tabs = await Promise.all(Array.from({ length: count }, () => tab(context, options)));
  const setClock = (wrong) => Promise.all(tabs.map((page) => page.evaluate((it) => (window.wrong = it), wrong)));
  assert.equal(await login(tabs[0]), null);
  await allHear(tabs, "signedIn");
  return { context, tabs, setClock };
}

function all(tabs) {
  return Promise.all(tabs.map((page) => call(page)));
}

/** The clock is wrong when the user logs in, and goes back and forth afterwards. */
async function jumps(options) {
  const { context, tabs, setClock } = await machine(options, 3, 2 * HOUR);
  for (const wrong of [2 * HOUR, 0, -2 * HOUR, -2 * HOUR + 8 * MINUTE, 400 * DAY, 90, 0]) {
    await setClock(wrong);
    assert.deepEqual(await all(tabs), [200, 200, 200], `${wrong}`);
    await expire(tabs[0]);
    assert.deepEqual(await all(tabs), [200, 200, 200], `${wrong}, refreshed`);
  }
  assert.equal((await families()).length, 1);
  for (const page of tabs) assert.deepEqual(await heard(page), []);
  await tabs[0].evaluate(() => heirloom.logout());
  await context.close();
}

/** One tab of eight has asked, and the lid is closed before the answer is there. */
async function sleeps(options) {
  const { context, tabs, setClock } = await machine(options, 8, slept);
  const sleep = async (seconds) => {
    await expire(tabs[0]);
    asked.length = 0;
    let wake;
    const woken = new Promise((resolve) => (wake = resolve));
    const answered = new Promise((resolve) => {
      fates.push(async function held(request, response, forward) {
        const { status, headers, body } = await forward(request);
        if (status !== 200) {
          // It wants a nonce first.
          fates.push(held);
          return response.writeHead(status, headers).end(body);
        }
        resolve();
        await woken;
        response.destroy();
      });
    });
    const calls = all(tabs);
    await answered;
    await told(`advance ${seconds}`);
    slept += seconds;
    await setClock(slept);
    fates.length = 0;
    wake();
    return calls;
  };
  assert.deepEqual(new Set(await sleep(HOUR)), new Set([200]));
  const [generation, ...more] = await families();
  assert.deepEqual(more, []);
  assert(generation === 3, `what the first answer had is skipped: ${generation}`);
  for (const page of tabs) assert.deepEqual(await heard(page), []);

  // The server ends what nobody used for so long, and says so.
  const outcomes = await sleep(8 * DAY);
  const message = "The refresh token has expired. Please log in again.";
  for (const outcome of outcomes) assert.deepEqual([outcome.code, outcome.message], ["signed_out", message]);
  await allHear(tabs, "signedOut ended");
  await told("end");
  await context.close();
}
