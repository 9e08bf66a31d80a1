// Passkeys in a real browser, with an authenticator of its own (WebDriver's virtual one, over CDP).
import assert from "node:assert/strict";
import { arriveAtTheApp, authorization, launch, look, redeem, visitor, weigh } from "./chromium.mjs";
import { withDevice } from "./authenticators.mjs";
import { ISSUER, done } from "./program.mjs";

const { PASSWORD, PICTURES: folder } = process.env;
const PLACE = `${ISSUER}/account/passkeys`;

async function signIn(page, user = "ana") {
  await page.fill("[name=username]", user);
  await page.fill("[name=password]", PASSWORD);
  await page.click("form:last-of-type .primary");
}

const seen = (page, what) => look(page, what, { scripts: true, folder });
const status = (page, done) => page.waitForURL(`**/account/passkeys?done=${done}`);

async function until(holds, what) {
  for (let tries = 0; !(await holds()); tries += 1) {
    assert(tries < 100, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Adds one, and gives it as the device has it. */
async function add(page, name) {
  await page.goto(PLACE);
  await page.fill("#name", name);
  await page.click("form.passkey .ask");
  await status(page, "passkey_added");
  return (await page.device.passkeys()).at(-1);
}

const browser = await launch();
const page = await withDevice(await visitor(browser));

await page.goto(PLACE);
await signIn(page);
await page.waitForURL("**/account/passkeys");
assert.match(await page.inputValue("#name"), /^Chrom.+ on Linux$/);
assert(!(await page.isVisible(".no-passkeys")));
await seen(page, "passkeys-none");
const first = await add(page, "Laptop");
await seen(page, "passkeys-added");
assert(first.isResidentCredential);
assert.equal(Buffer.from(first.userHandle, "base64").length, 16);
assert.equal(first.userName, "ana");

// The browser knows by itself what it has.
await page.click("form.passkey .ask");
await page.waitForSelector("form.passkey .problem:not([hidden])");
assert.match(await page.textContent("form.passkey .problem"), /already/);
await seen(page, "passkeys-taken");
// Nobody touches the device.
await page.device.send("setUserVerified", { isUserVerified: false });
await page.reload();
await page.evaluate(() => {
  const form = document.querySelector("form.passkey");
  const options = JSON.parse(form.dataset.options);
  form.dataset.options = JSON.stringify({ ...options, excludeCredentials: [], timeout: 500 });
});
await page.click("form.passkey .ask");
await page.waitForSelector("form.passkey .problem:not([hidden])");
assert.match(await page.textContent("form.passkey .problem"), /cancelled/);
await page.device.send("setUserVerified", { isUserVerified: true });

// Renamed and removed, without a script too.
const plain = await visitor(browser, { javaScriptEnabled: false, storageState: await page.context().storageState() });
await plain.goto(PLACE);
assert(!(await plain.isVisible("form.passkey")) && (await plain.isVisible(".no-passkeys")));
await look(plain, "passkeys", { scripts: false, folder });
await plain.fill("#name1", "Old laptop");
await plain.click("button[value=rename]");
await status(plain, "passkey_renamed");
assert.match(await plain.textContent("#key1"), /Old laptop/);
await plain.context().close();

// By the passkey alone: a button, and what the browser fills in by itself.
await page.setOld(true);
await page.device.send("clearCredentials");
await page.goto(PLACE);
await page.click("button[value=remove]");
await status(page, "passkey_removed");
const laptop = await add(page, "Laptop");
const signOut = () => page.context().clearCookies();
await signOut();
await page.goto(authorization());
await seen(page, "sign-in-passkey");
assert.equal(await page.getAttribute("[name=username]", "autocomplete"), "username webauthn");
await weigh(page, "sign-in-passkey");
await page.click("form.passkey .ask");
await page.waitForURL("**/consent?*");
await page.click("button[value=allow]");
await redeem((await arriveAtTheApp(page)).get("code"));
await page.goto(PLACE);
assert.match(await page.textContent(".entries"), /Last used/);
await page.setOld(false);
await signOut();
await page.goto(authorization());
await page.waitForURL("**/consent?*");

// Once it is removed, the device forgets it.
await page.goto(PLACE);
await page.click("button[value=remove]");
await status(page, "passkey_removed");
await until(async () => (await page.device.passkeys()).length === 0, "the device was told");
await seen(page, "passkeys-removed");

// One that has it still, as on another computer, is told when it comes with it.
const { backupEligibility, backupState, ...kept } = laptop;
await page.device.send("addCredential", { credential: kept });
await page.setOld(true);
await signOut();
await page.goto(PLACE);
await page.setOld(false);
await page.click("form.passkey .ask");
await page.waitForSelector("#problem");
assert.match(await page.textContent("#problem"), /is not known here/);
await until(async () => (await page.device.passkeys()).length === 0, "the device was told");
await seen(page, "sign-in-passkey-unknown");

await browser.close();
done();
