// A real browser walks every page: in light and dark, on a phone and on a desk, with scripts and without.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { CALLBACK, arriveAtTheApp, authorization, keep, launch, look, redeem, showCode, visitor, weigh } from "./chromium.mjs";
import { ISSUER, done } from "./program.mjs";

const PASSWORD = process.env.PASSWORD;
const PICTURES = process.env.PICTURES;
if (PICTURES) mkdirSync(PICTURES, { recursive: true });

const phone = { viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true };
const desk = { viewport: { width: 1000, height: 800 } };
const walks = [
  ["light", "phone", phone],
  ["light", "desk", desk],
  ["dark", "phone", phone],
  ["dark", "desk", desk],
].flatMap(([colorScheme, place, screen]) => [
  { name: `${place}-${colorScheme}`, scripts: true, screen, colorScheme, locale: "en" },
  { name: `${place}-${colorScheme}-plain`, scripts: false, screen, colorScheme, locale: "de" },
]);

async function walk(browser, { name, scripts, screen, colorScheme, locale }) {
  const page = await visitor(browser, { ...screen, colorScheme, locale, javaScriptEnabled: scripts });
  const seen = async (what) => {
    await look(page, `${what} (${name})`, { scripts });
    assert.equal(await page.locator("html").getAttribute("lang"), locale);
    if (PICTURES) await keep(page, `${PICTURES}/${what}-${name}.webp`);
  };
  const signIn = async (password) => {
    await page.fill("[name=username]", "ana");
    await page.fill("[name=password]", password);
    await page.click("form .primary");
  };

  await page.goto(authorization());
  await seen("sign-in");
  await weigh(page, `sign-in (${name})`);
  await signIn("wrong");
  await page.waitForSelector("[role=alert]");
  assert.equal(await page.inputValue("[name=username]"), "ana");
  assert.equal(await page.inputValue("[name=password]"), "");
  await seen("sign-in-refused");
  await signIn(PASSWORD);
  await page.waitForURL("**/consent?*");
  await seen("consent");
  await weigh(page, `consent (${name})`);
  await page.click("button[value=deny]");
  assert.equal((await arriveAtTheApp(page)).get("error"), "access_denied");

  await page.goto(authorization({ prompt: "select_account consent" }));
  await seen("choose-account");
  await weigh(page, `choose-account (${name})`);
  await page.click(".account");
  await page.waitForURL("**/consent?*");
  await page.click("button[value=allow]");
  await redeem((await arriveAtTheApp(page)).get("code"));

  // The page that goes on by itself, or by a button where scripts are off.
  await page.goto(authorization({ response_mode: "form_post" }));
  const sent = page.waitForRequest((request) => request.method() === "POST" && request.url().includes("/callback"));
  await page.click("button[value=allow]");
  if (!scripts) {
    await page.waitForSelector("input[name=code]", { state: "attached" });
    await seen("form-post");
    await page.click("form .primary");
  }
  assert.match((await sent).postData(), /code=/);
  await page.waitForURL(CALLBACK);

  for (const [what, url] of [
    ["error-client", authorization({ client_id: "nobody" })],
    ["error-redirect", authorization({ redirect_uri: "https://evil.example/" })],
    ["error-request", `${authorization()}&scope=twice`],
  ]) {
    await page.goto(url);
    await seen(what);
  }

  await page.goto(`${ISSUER}/account`);
  await seen("account");
  await weigh(page, `account (${name})`);
  await page.click(".entries button");
  await page.waitForSelector("[role=status]");
  await seen("account-login-ended");
  await page.goto(`${ISSUER}/account/apps`);
  await seen("account-apps");
  await weigh(page, `account-apps (${name})`);
  await page.goto(`${ISSUER}/account/password`);
  await seen("account-password");
  await page.fill("#password", "wrong");
  await page.fill("#new_password", "another good password");
  await page.fill("#repeated", "another good password");
  await page.click("form .primary");
  await page.waitForSelector("[role=alert]");
  await seen("account-password-refused");

  // A television shows a code, and this is the browser that its user takes out.
  const { user_code, verification_uri, verification_uri_complete } = await showCode();
  await page.goto(verification_uri);
  await seen("device");
  await weigh(page, `device (${name})`);
  await page.fill("[name=user_code]", "WRNG-CODE");
  await page.click("form .primary");
  await page.waitForSelector("[role=alert]");
  await seen("device-refused");
  await page.goto(verification_uri_complete);
  await seen("device-same");
  await page.click("form .primary");
  await page.waitForSelector("button[value=allow]");
  await seen("device-consent");
  assert((await page.textContent("main")).includes(user_code));
  await page.click("button[value=allow]");
  await page.waitForSelector("button", { state: "detached" });
  await seen("device-done");

  await page.goto(`${ISSUER}/oauth/logout`);
  await seen("sign-out");
  await weigh(page, `sign-out (${name})`);
  await page.click("form .primary");
  await page.waitForURL("**/sign-out?*");
  await seen("signed-out");
  await page.context().close();
}

const browser = await launch();
const half = walks.length / 2;
const inTurn = async (some) => {
  for (const one of some) await walk(browser, one);
};
await Promise.all([inTurn(walks.slice(0, half)), inTurn(walks.slice(half))]);
await browser.close();
done();
