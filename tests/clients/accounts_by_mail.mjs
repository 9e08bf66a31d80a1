// People look after their accounts by mail: they sign up, forget passwords, come in by a code, change addresses. With
// scripts and without, in light and dark, on a phone and on a desk; the mails come to a folder.
import assert from "node:assert/strict";
import { arriveAtTheApp, authorization, launch, look, visitor } from "./chromium.mjs";
import { linkTo, mailTo } from "./mailbox.mjs";
import { ISSUER, done } from "./program.mjs";

const { PICTURES: folder } = process.env;

async function walk(browser, { scripts, locale, name }) {
  const page = await visitor(browser, { locale, javaScriptEnabled: scripts });
  const seen = (what) => look(page, what, { scripts, folder });
  const press = () => page.click("form:last-of-type .primary");
  const address = `${name}@example.com`;

  await page.goto(authorization({ prompt: "login consent" }));
  await seen("sign-in-with-mail");
  await page.click("a[href*='/sign-up']");
  await seen("sign-up");
  await page.fill("[name=email]", address);
  // Nothing but a keyboard.
  await page.keyboard.press("Enter");
  await page.waitForURL("**/sign-up/sent*");
  await seen("sign-up-sent");
  await page.goto(await linkTo(address));
  await seen("sign-up-finish");
  await page.fill("[name=username]", name);
  await page.fill("[name=new_password]", "password1");
  await page.fill("[name=repeated]", "password2");
  await press();
  await page.waitForSelector("[role=alert]");
  assert.equal(await page.inputValue("[name=username]"), name);
  assert.equal(await page.inputValue("[name=new_password]"), "");
  await seen("sign-up-refused");
  await page.fill("[name=new_password]", "sailing over the pond");
  await page.fill("[name=repeated]", "sailing over the pond");
  // Whoever presses twice has one account. Without a script the second answer is what is seen: the link was used.
  const finish = page.url();
  await page.dblclick("form:last-of-type .primary");
  await page.waitForFunction(() => !document.querySelector("form"));
  if (scripts) {
    await page.waitForURL("**/sign-up/done*");
    await seen("sign-up-done");
  }
  // Another tab with the same mail.
  await page.goto(finish);
  assert.equal(await page.locator("form").count(), 0);
  await page.goto(authorization({ prompt: "login consent" }));
  await page.fill("[name=username]", address);
  await page.fill("[name=password]", "sailing over the pond");
  await press();
  await page.waitForURL("**/consent?*");
  await page.click("button[value=allow]");
  assert((await arriveAtTheApp(page)).get("code"));

  await page.goto(`${ISSUER}/account/addresses`);
  await seen("account-addresses");
  await page.fill("[name=email]", `new-${address}`);
  await press();
  await page.waitForSelector("[role=status]");
  await seen("account-addresses-mailed");
  await page.goto(await linkTo(`new-${address}`));
  await seen("verify");
  await press();
  await page.waitForURL("**/account/addresses?done=email");
  await seen("account-addresses-verified");
  await mailTo(address);

  // Forgotten; and opened in a browser that was never here.
  await page.goto(authorization({ prompt: "login consent" }));
  await page.click("a[href*='/forgot']");
  await seen("forgot");
  await page.fill("[name=username]", `new-${address}`);
  await press();
  await page.waitForURL("**/forgot/sent*");
  await seen("forgot-sent");
  const link = await linkTo(`new-${address}`);
  const elsewhere = await visitor(browser, { locale, javaScriptEnabled: scripts });
  await elsewhere.goto(link);
  await look(elsewhere, "forgot-new", { scripts, folder });
  await elsewhere.fill("[name=new_password]", "walking under the bridge");
  await elsewhere.fill("[name=repeated]", "walking under the bridge");
  await elsewhere.dblclick("form .primary");
  await elsewhere.waitForFunction(() => !document.querySelector("form"));
  if (scripts) {
    await elsewhere.waitForURL("**/forgot/done*");
    await look(elsewhere, "forgot-done", { scripts, folder });
  }
  await elsewhere.goBack();
  await elsewhere.goto(link);
  await look(elsewhere, "link-used", { scripts, folder });
  await elsewhere.goto(`${ISSUER}/verify?token=x`);
  await look(elsewhere, "link-no-good", { scripts, folder });

  await page.goto(`${ISSUER}/account`);
  await page.waitForURL(/\/sign-in\?/);
  await page.fill("[name=username]", name);
  await page.fill("[name=password]", "walking under the bridge");
  await press();
  await page.waitForURL(`${ISSUER}/account`);
  await page.context().close();
}

const browser = await launch();
await walk(browser, { scripts: true, locale: "en", name: "eva" });
await walk(browser, { scripts: false, locale: "de", name: "finn" });
await browser.close();
done();
