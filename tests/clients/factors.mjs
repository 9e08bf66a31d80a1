// Second factors in a real browser: set up, asked for, lost; by the keyboard alone where a code is typed.
import assert from "node:assert/strict";
import { arriveAtTheApp, authorization, launch, look, redeem, visitor } from "./chromium.mjs";
import { codeOf } from "./authenticators.mjs";
import { ISSUER, done } from "./program.mjs";

const { PASSWORD, PICTURES: folder } = process.env;
const METHODS = `${ISSUER}/account/sign-in-methods`;

async function walk(browser, { scripts, locale, user }) {
  const page = await visitor(browser, { locale, javaScriptEnabled: scripts });
  const seen = (what) => look(page, what, { scripts, folder });
  const signIn = async () => {
    await page.fill("[name=username]", user);
    await page.fill("[name=password]", PASSWORD);
    await page.click("form:last-of-type .primary");
  };
  await page.goto(METHODS);
  await signIn();
  await page.waitForURL("**/account/sign-in-methods");
  await seen("sign-in-methods-none");
  await page.click("main a[href$='/app']");
  await seen("totp-setup");
  const key = (await page.textContent("#key code")).replaceAll(" ", "");
  await page.fill("#code", "000000");
  await page.click("form .primary");
  await page.waitForSelector("[role=alert]");
  await seen("totp-setup-refused");
  assert.equal((await page.textContent("#key code")).replaceAll(" ", ""), key);
  await page.fill("#code", codeOf(key, -1));
  await page.click("form .primary");
  await page.waitForSelector(".codes");
  await seen("recovery-codes");
  const codes = await page.locator(".codes code").allTextContents();
  assert.equal(codes.length, 10);
  await page.click("main a");
  await page.waitForURL("**/account/sign-in-methods");
  await seen("sign-in-methods");

  // The same user in a browser that was never here, by the keyboard alone.
  await page.context().clearCookies();
  await page.goto(authorization());
  await signIn();
  await page.waitForURL("**/sign-in/second?*");
  await seen("second");
  assert.equal(await page.getAttribute(":focus", "name"), "code");
  await page.keyboard.type("000000");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert]");
  await seen("second-refused");
  await page.keyboard.type(codeOf(key));
  await page.keyboard.press("Enter");
  await page.click("button[value=allow]");
  await redeem((await arriveAtTheApp(page)).get("code"));
  // The page from before, by the back button: its user is in.
  await page.goto(authorization());
  await page.waitForURL("**/consent?*");

  // The telephone is lost.
  await page.context().clearCookies();
  await page.goto(authorization());
  await signIn();
  await page.click("summary");
  await page.fill("#recovery_code", "none of them");
  await page.click("details .primary");
  await page.waitForSelector("[role=alert]");
  await seen("second-recovery-refused");
  await page.fill("#recovery_code", codes[0]);
  await page.click("details .primary");
  await page.waitForURL("**/consent?*");
  await page.goto(METHODS);
  assert.match(await page.textContent("main"), /: 9\b/);
  await page.click("button[name=remove]");
  await page.waitForSelector("[role=status]");
  await seen("sign-in-methods-removed");

  // What was left behind says so.
  await page.context().clearCookies();
  await page.goto(`${ISSUER}/sign-in/second?to=/account`);
  await page.waitForSelector("[role=alert]");
  await seen("second-over");
  await page.context().close();
}

const browser = await launch();
await Promise.all([
  walk(browser, { scripts: true, locale: "en", user: "ana" }),
  walk(browser, { scripts: false, locale: "de", user: "ben" }),
]);
await browser.close();
done();
