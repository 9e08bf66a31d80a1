// Sign-in elsewhere in a real browser: somebody comes from another server, gets an account, sets up the second factor
// that is wanted here, looks after the link, and goes again.
import assert from "node:assert/strict";
import { codeOf } from "./authenticators.mjs";
import { arriveAtTheApp, authorization, launch, look, redeem, visitor } from "./chromium.mjs";
import { ISSUER, done } from "./program.mjs";

const { PASSWORD, PROVIDER, PICTURES: folder } = process.env;
const LINKS = `${ISSUER}/account/links`;
const NEW = "sailing over the pond";

async function walk(browser, { scripts, locale }) {
  const page = await visitor(browser, { locale, javaScriptEnabled: scripts });
  const seen = (what) => look(page, what, { scripts, folder });
  const signInThere = async () => {
    await page.waitForURL(`${PROVIDER}/sign-in?*`);
    await page.fill("#username", "ana");
    await page.fill("#password", PASSWORD);
    await page.click("form .primary");
  };

  await page.goto(authorization());
  await page.click(".elsewhere button");
  await signInThere();
  await page.click("button[value=allow]");
  await page.waitForURL(`${ISSUER}/sign-in/new?*`);
  await seen("sign-in-new");
  assert.equal(await page.inputValue("#username"), "ana");
  await page.click("form .primary");
  await page.waitForSelector("[role=alert]");
  await seen("sign-in-new-refused");
  await page.fill("#username", "anna");
  await page.click("form .primary");
  await page.waitForSelector("#key");
  await seen("sign-in-enrol");
  await page.fill("#code", "000000");
  await page.click("form .primary");
  await page.waitForSelector("[role=alert]");
  await seen("sign-in-enrol-refused");
  const key = (await page.textContent("#key code")).replaceAll(" ", "");
  await page.fill("#code", codeOf(key, -1));
  await page.click("form .primary");
  await page.waitForSelector(".codes");
  await seen("sign-in-recovery-codes");
  await page.click("main a");
  await page.waitForURL("**/consent?*");
  await page.click("button[value=allow]");
  await redeem((await arriveAtTheApp(page)).get("code"));
  // The buttons for back lead nowhere that is not good any more.
  await page.goBack();
  await page.goto(`${ISSUER}/sign-in/new?attempt=x`);
  await page.waitForURL(`${ISSUER}/account`);

  // Whoever has no other way in keeps this one; whoever sets a password may do without.
  await page.goto(LINKS);
  await seen("account-links-linked");
  await page.click(".entries button");
  await page.waitForSelector("[role=alert]");
  await seen("account-links-last");
  await page.goto(`${ISSUER}/account/password`);
  await seen("account-password-first");
  await page.fill("#new_password", NEW);
  await page.fill("#repeated", NEW);
  await page.click("form .primary");
  await page.waitForSelector("[role=status]");
  // Two tabs: in the second one it is gone already.
  await page.goto(LINKS);
  const tab = await page.context().newPage();
  await tab.goto(LINKS);
  await page.click(".entries button");
  await page.waitForSelector("[role=status]");
  await seen("account-links-unlinked");
  await tab.click(".entries button");
  await tab.waitForURL(LINKS);
  assert.equal(await tab.locator(".entries").count(), 0);
  await tab.close();
  await page.click("button[name=link]");
  // The other server remembers who is signed in, and asks who agrees.
  await page.click("button[value=allow]");
  await page.waitForURL(`${LINKS}?done=linked`);
  await seen("account-links-again");

  await page.goto(`${ISSUER}/account/delete`);
  await page.fill("#password", NEW);
  await page.click("form .primary");
  await page.waitForSelector("form", { state: "detached" });
  await seen("account-deleted");
  await page.context().close();
}

const browser = await launch();
await walk(browser, { scripts: true, locale: "en" });
await walk(browser, { scripts: false, locale: "de" });
await browser.close();
done();
