// People look after their accounts by mail: they sign up, forget passwords, come in by a code, change addresses. With
// scripts and without, in light and dark, on a phone and on a desk; the mails come to a folder.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { arriveAtTheApp, authorization, launch, look, visitor } from "./chromium.mjs";
import { ISSUER, done } from "./program.mjs";

const { MAIL, PICTURES: folder } = process.env;
if (folder) mkdirSync(folder, { recursive: true });
const read = new Set();

/** The part of a mail that is text alone, whichever way it was encoded (RFC 2045). */
function plain(raw) {
  const part = raw.split(/\r\n--/).find((part) => /content-type: text\/plain/i.test(part));
  const [head, body] = part.split(/\r\n\r\n([\s\S]*)/);
  if (/base64/i.test(head)) return Buffer.from(body, "base64").toString();
  return body.replace(/=\r\n/g, "").replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

/** The next mail to somebody. */
async function mailTo(address) {
  for (let tries = 0; tries < 400; tries += 1) {
    for (const name of readdirSync(MAIL).filter((name) => name.endsWith(".eml") && !read.has(name))) {
      const raw = readFileSync(`${MAIL}/${name}`, "utf8");
      if (!raw.includes(`To: ${address}`)) continue;
      read.add(name);
      return plain(raw);
    }
    await sleep(50);
  }
  throw new Error(`no mail to ${address}`);
}

const linkTo = async (address) => (await mailTo(address)).match(new RegExp(`${ISSUER}/[^\\s"<>]+`))[0];

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
  await press();
  await page.waitForURL("**/sign-up/done*");
  await seen("sign-up-done");
  await page.click("a[href*='/sign-in']");
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
  await elsewhere.click("form .primary");
  await elsewhere.waitForURL("**/forgot/done*");
  await look(elsewhere, "forgot-done", { scripts, folder });
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
