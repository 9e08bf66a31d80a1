// The life of an account, from its first day to the day when its owner has lost everything: sign-up, a second factor, a
// passkey, a lost phone, a forgotten password. Once with nothing but a keyboard, once without scripts.
import assert from "node:assert/strict";
import { arriveAtTheApp, authorization, launch, look, redeem, token, visitor } from "./chromium.mjs";
import { codeOf, withDevice } from "./authenticators.mjs";
import { keyboard, mouse } from "./hands.mjs";
import { linkTo, mailTo } from "./mailbox.mjs";
import { ISSUER, done } from "./program.mjs";

const { PICTURES: folder } = process.env;
const FIRST = "sailing over the pond";
const SECOND = "walking under the bridge";
const METHODS = `${ISSUER}/account/sign-in-methods`;
const PASSKEYS = `${ISSUER}/account/passkeys`;

const claimsOf = (tokens) => JSON.parse(Buffer.from(tokens.id_token.split(".")[1], "base64url"));

async function live(browser, { scripts, hands, locale, name }) {
  const begin = async () => {
    const page = await visitor(browser, { locale, javaScriptEnabled: scripts });
    return scripts ? withDevice(page) : page;
  };
  const page = await begin();
  const seen = (what, where = page) => look(where, `life-${what}`, { scripts, folder });
  const fill = (field, text) => hands.fill(page, field, text);
  const press = (what) => hands.press(page, what);
  const address = `${name}@example.com`;
  // The way to an app that asks who agrees to it, from wherever somebody was let in.
  const comeToTheApp = async (where = page) => {
    await where.waitForURL("**/consent?*");
    await hands.press(where, "button[value=allow]");
    return redeem((await arriveAtTheApp(where)).get("code"));
  };
  const signIn = async (password, where = page) => {
    await hands.fill(where, "#username", name);
    await hands.fill(where, "#password", password);
    await where.keyboard.press("Enter");
  };
  const signOut = async () => {
    await page.goto(`${ISSUER}/oauth/logout`);
    await press("form .primary");
    await page.waitForURL("**/sign-out?*");
  };
  const atTheApp = async (acr, amr, tokens) => {
    const claims = claimsOf(tokens);
    assert.deepEqual([claims.acr, claims.amr], [acr, amr]);
    return tokens;
  };

  // Sign-up, and a mail: whoever answers it has shown the address.
  await page.goto(authorization());
  await press("a[href*='/sign-up?']");
  await page.waitForURL("**/sign-up?*");
  await fill("#email", address);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/sign-up/sent*");
  await page.goto(await linkTo(address));
  await fill("#username", name);
  await fill("#new_password", FIRST);
  await fill("#repeated", FIRST);
  await press("form .primary");
  await page.waitForURL("**/sign-up/done*");
  await press("main a[href*='/sign-in']");
  await page.waitForURL("**/sign-in?*");
  await signIn(FIRST);
  const login = await atTheApp("1", ["pwd"], await comeToTheApp());
  const { email, email_verified } = await (
    await fetch(`${ISSUER}/oauth/userinfo`, { headers: { authorization: `Bearer ${login.access_token}` } })
  ).json();
  assert.deepEqual([email, email_verified], [address, true]);
  const early = await begin();
  await early.goto(authorization());
  await signIn(FIRST, early);
  await comeToTheApp(early);

  // An authenticator app.
  await page.goto(METHODS);
  await seen("methods-none");
  await press("main a[href*='/sign-in-methods/app']");
  await page.waitForSelector("#key");
  const key = (await page.textContent("#key code")).replaceAll(" ", "");
  await fill("#code", codeOf(key, -1));
  await page.keyboard.press("Enter");
  await page.waitForSelector(".codes");
  await seen("recovery-codes");
  const codes = await page.locator(".codes code").allTextContents();
  await press("main a[href*='/sign-in-methods']");
  await page.waitForURL(METHODS);
  await seen("methods");

  await signOut();
  await seen("signed-out");
  await page.goto(authorization());
  await signIn(FIRST);
  await page.waitForURL("**/sign-in/second?*");
  await seen("second");
  await fill("#code", codeOf(key));
  await page.keyboard.press("Enter");
  await atTheApp("2", ["pwd", "otp", "mfa"], await comeToTheApp());

  // A browser that was let in before is asked for what is missing, and nothing else.
  if (!scripts) {
    await early.goto(authorization({ acr_values: "2" }));
    await early.waitForSelector("#code");
    assert.equal(await early.locator("[type=password]").count(), 0);
    await hands.fill(early, "#code", codeOf(key, 1));
    await early.keyboard.press("Enter");
    await atTheApp("2", ["pwd", "otp", "mfa"], await comeToTheApp(early));
  } else {
    await addPasskeyAndUseIt();
  }

  // The phone is lost.
  await signOut();
  if (scripts) await page.setOld(true);
  await page.goto(authorization());
  await signIn(FIRST);
  await page.waitForURL("**/sign-in/second?*");
  await press("summary");
  await fill("#recovery_code", codes[0]);
  await page.keyboard.press("Enter");
  const last = await atTheApp("2", ["pwd", "otp", "mfa"], await comeToTheApp());
  await page.goto(METHODS);
  assert.match(await page.textContent("main"), /: 9\b/);

  // The password, too. The new one is set in a browser that was never here, and by that all devices are out.
  const other = await begin();
  await other.goto(authorization());
  await hands.press(other, "a[href*='/forgot?']");
  await other.waitForURL("**/forgot?*");
  await hands.fill(other, "#username", address);
  await other.keyboard.press("Enter");
  await other.waitForURL("**/forgot/sent*");
  await other.goto(await resetLink());
  await seen("forgot-new", other);
  await hands.fill(other, "#new_password", SECOND);
  await hands.fill(other, "#repeated", SECOND);
  await other.keyboard.press("Enter");
  await other.waitForURL("**/forgot/done*");
  await seen("forgot-done", other);
  for (const { refresh_token } of [login, last]) {
    const answer = await token({ grant_type: "refresh_token", refresh_token });
    assert.equal((await answer.json()).error, "invalid_grant");
  }
  for (const device of [page, early]) {
    await device.goto(`${ISSUER}/account`);
    await device.waitForURL(/\/sign-in\?/);
  }

  // A mail is one factor, as the password is: the other one is asked for as ever.
  await page.goto(authorization());
  await press("a[href*='/sign-in/mail?']");
  await page.waitForURL("**/sign-in/mail?*");
  await seen("sign-in-mail");
  await fill("#username", name);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/sign-in/code?*");
  await seen("sign-in-code");
  await fill("#code", "12345");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert]");
  await seen("sign-in-code-refused");
  await fill("#code", await mailedCode());
  await page.keyboard.press("Enter");
  await page.waitForURL("**/sign-in/second?*");
  await press("summary");
  await fill("#recovery_code", codes[1]);
  await page.keyboard.press("Enter");
  await comeToTheApp();
  await page.context().close();

  async function addPasskeyAndUseIt() {
    await page.goto(PASSKEYS);
    await page.setOld(true);
    await page.reload();
    await fill("#name", "Laptop");
    await press("form.passkey .ask");
    await page.waitForURL("**/account/passkeys?done=passkey_added");
    assert.equal((await page.device.passkeys()).length, 1);
    // By a button, and by what the browser fills in.
    await withPasskey(() => press("form.passkey .ask"));
    await page.goto(PASSKEYS);
    await page.setOld(false);
    await withPasskey(() => {});
    // An app that wants no less sends back whoever came by a password and a code.
    await signOut();
    await page.setOld(true);
    await page.goto(authorization());
    await signIn(FIRST);
    await page.waitForURL("**/sign-in/second?*");
    await fill("#code", codeOf(key, 1));
    await page.keyboard.press("Enter");
    assert.equal(claimsOf(await comeToTheApp()).acr, "2");
    await page.goto(authorization({ acr_values: "phr" }));
    await page.waitForURL("**/sign-in/second?*");
    await seen("step-up");
    await press("form.passkey .ask");
    assert.equal(claimsOf(await comeToTheApp()).acr, "phr");
  }

  async function withPasskey(show) {
    await signOut();
    await page.goto(authorization());
    await show();
    const tokens = await comeToTheApp();
    assert.equal(claimsOf(tokens).acr, "phr");
    return tokens;
  }

  // Owners are told of more than they asked for.
  async function resetLink() {
    for (;;) {
      const link = (await mailTo(address)).match(/http\S+\/forgot\/new\?token=[^\s"<>]+/);
      if (link) return link[0];
    }
  }

  async function mailedCode() {
    for (;;) {
      const code = (await mailTo(address)).match(/^\s*(\d{6})\s*$/m);
      if (code) return code[1];
    }
  }
}

const browser = await launch();
await Promise.all([
  live(browser, { scripts: true, hands: keyboard, locale: "en", name: "eva" }),
  live(browser, { scripts: false, hands: mouse, locale: "de", name: "finn" }),
]);
await browser.close();
done();
