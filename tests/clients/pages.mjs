// A real browser walks every page, with scripts and without; `look` is what it does at each.
import assert from "node:assert/strict";
import { APP, CALLBACK, HOME, ONWARD } from "./chromium.mjs";
import { arriveAtTheApp, asked, authorization, launch, look, redeem, registerStranger, showCode, visitor, weigh } from "./chromium.mjs";
import { ISSUER, done } from "./program.mjs";

const { PASSWORD, PICTURES: folder } = process.env;
const ZONE = "Pacific/Auckland";
const ANOTHER = "another good password";

async function walk(browser, { scripts, locale, user }) {
  const page = await visitor(browser, { locale, timezoneId: ZONE, javaScriptEnabled: scripts });
  const seen = async (what) => {
    await look(page, what, { scripts, folder });
    assert.equal(await page.locator("html").getAttribute("lang"), locale, what);
  };
  const open = async (path, what) => {
    await page.goto(`${ISSUER}${path}`);
    await seen(what);
  };
  const press = (selector) => page.click(selector);
  const alert = (role = "alert") => page.waitForSelector(`[role=${role}]`);
  const signIn = async (password) => {
    await page.fill("[name=username]", user);
    await page.fill("[name=password]", password);
    await press("form:last-of-type .primary");
  };
  const changePassword = async (password, next, repeated) => {
    await page.fill("#password", password);
    await page.fill("#new_password", next);
    await page.fill("#repeated", repeated);
    await press("form .primary");
  };
  const untilTooMany = async (guess) => {
    for (let status, tries = 0; status !== 429; tries += 1) {
      assert(tries < 20, "nobody may guess for ever");
      const answer = page.waitForResponse((it) => it.request().method() === "POST");
      await guess(tries);
      status = (await answer).status();
    }
  };
  // What a page's script does by itself, everybody can do without it: once with the page held still, once not.
  const heldStill = async (script, visit) => {
    await page.route(script, (route) => route.fulfill({ contentType: "text/javascript", body: "" }));
    await visit(true);
    await page.unroute(script);
    if (scripts) await visit(false);
  };
  const letIn = async () => {
    await page.goto(authorization());
    await press("button[value=allow]");
    await redeem((await arriveAtTheApp(page)).get("code"));
  };

  // A stranger's question that shall be answered without a page is answered by one where nobody is signed in.
  await page.goto(authorization({ client_id: await registerStranger(), scope: "openid", prompt: "none" }));
  await page.locator("main a", { hasText: APP }).waitFor();

  // A form that another browser was given.
  await page.goto(authorization());
  await page.context().clearCookies();
  await signIn(PASSWORD);
  await seen("error-forged");
  await press("main a");
  await page.waitForURL("**/sign-in?*");

  await page.goto(authorization());
  await seen("sign-in");
  assert.equal(await page.isVisible("button.show"), scripts);
  if (scripts) {
    await page.fill("[name=password]", PASSWORD);
    await press("button.show");
    assert.equal(await page.getAttribute("[name=password]", "type"), "text");
    await seen("sign-in-shown");
    await press("button.show");
    assert.equal(await page.getAttribute("[name=password]", "type"), "password");
  }
  await weigh(page, "sign-in");
  await press(".elsewhere button");
  await alert();
  await seen("sign-in-elsewhere-unreachable");
  await page.goto(authorization());
  await signIn("wrong");
  await alert();
  assert.equal(await page.inputValue("[name=username]"), user);
  assert.equal(await page.inputValue("[name=password]"), "");
  await seen("sign-in-refused");
  await signIn(PASSWORD);
  await page.waitForURL("**/consent?*");
  await seen("consent");
  await weigh(page, "consent");
  await press("button[value=deny]");
  assert.equal((await arriveAtTheApp(page)).get("error"), "access_denied");

  await open("/account", "account-empty");
  await open("/account/apps", "account-apps-none");
  await page.goto(authorization({ prompt: "select_account consent" }));
  await seen("choose-account");
  await press(".account");
  await page.waitForURL("**/consent?*");
  await press("button[value=allow]");
  await redeem((await arriveAtTheApp(page)).get("code"));
  await page.goto(authorization({ prompt: "login" }));
  await seen("sign-in-again");

  // The page that goes on by itself, or by a button.
  await heldStill("**/assets/submit.js?*", async (held) => {
    await page.goto(authorization({ response_mode: "form_post" }));
    const sent = page.waitForRequest((request) => request.method() === "POST" && request.url().includes("/callback"));
    await press("button[value=allow]");
    if (held) {
      await page.waitForSelector("input[name=code]", { state: "attached" });
      await seen("form-post");
      await press("form .primary");
    }
    assert.match((await sent).postData(), /code=/);
    await page.waitForURL(CALLBACK);
  });

  // An app may send its user on to another of its places, whichever button of ours comes before.
  for (const response_mode of ["query", "form_post"]) {
    await page.goto(authorization({ response_mode, ...ONWARD }));
    await press("button[value=allow]");
    if (!scripts && response_mode === "form_post") {
      await page.waitForSelector("input[name=code]", { state: "attached" });
      await press("form .primary");
    }
    await page.waitForURL(HOME);
  }

  for (const [what, url] of [
    ["error-client", authorization({ client_id: "nobody" })],
    ["error-redirect", authorization({ redirect_uri: "https://evil.example/" })],
    ["error-request", `${authorization()}&scope=twice`],
  ]) {
    await page.goto(url);
    await seen(what);
  }

  // To the place of an app that registered itself goes who presses what says so, and nobody else.
  const stranger = await registerStranger();
  const there = { client_id: stranger, scope: "openid" };
  const leads = (selector) => page.locator(selector, { hasText: APP }).click();
  await page.goto(authorization({ ...there, response_type: "bogus" }));
  await seen("refused");
  await weigh(page, "refused");
  await leads("main a");
  assert.equal((await arriveAtTheApp(page)).get("error"), "unsupported_response_type");
  await page.goto(authorization({ ...there, response_type: "bogus", response_mode: "form_post" }));
  await seen("refused-form-post");
  await leads("form button");
  await page.waitForURL(CALLBACK);
  await page.goto(authorization(there));
  await press("button[value=deny]");
  await page.waitForSelector("button", { state: "detached" });
  await seen("refused-denied");
  await leads("main a");
  assert.equal((await arriveAtTheApp(page)).get("error"), "access_denied");

  await letIn();
  await open("/account", "account");
  await weigh(page, "account");
  const used = page.locator("time").first();
  const text = await used.evaluate((time, [language, timeZone]) =>
    new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", timeZone }).format(new Date(time.dateTime)),
  [locale, ZONE]);
  if (scripts) assert.equal(await used.textContent(), text);
  else assert.match(await used.textContent(), / UTC$/);
  const login = { username: user, password: PASSWORD, device: "Kitchen tablet" };
  const headers = { "Content-Type": "application/json" };
  for (let nth = 0; nth < 22; nth += 1) {
    const answer = await fetch(`${ISSUER}/login`, { method: "POST", headers, body: JSON.stringify(login) });
    assert.equal(answer.status, 200);
  }
  await open("/account", "account-long");
  await weigh(page, "account-long");
  await press("[rel=next]");
  await page.waitForURL("**/account?after=*");
  await seen("account-rest");
  await page.goto(`${ISSUER}/account`);
  await press(".entries button");
  await alert("status");
  await seen("account-login-ended");
  await press("button[value=others]");
  await alert("status");
  await seen("account-others-ended");
  await press("button[value=all]");
  await page.waitForSelector("[name=sure]", { state: "attached" });
  await seen("account-end-all");
  await press("main .note a");
  await page.waitForURL("**/account*");
  await open("/account/apps", "account-apps");
  await press(".entries button");
  await alert("status");
  await seen("account-app-withdrawn");
  await open("/account/password", "account-password");
  await changePassword("wrong", ANOTHER, ANOTHER);
  await alert();
  await seen("account-password-refused");
  await changePassword(PASSWORD, ANOTHER, `${ANOTHER}!`);
  await alert();
  await seen("account-password-differs");
  await changePassword(PASSWORD, ANOTHER, ANOTHER);
  await alert("status");
  await seen("account-password-changed");
  await open("/account/links", "account-links");
  await open("/account/activity", "account-activity");
  await weigh(page, "account-activity");
  await open("/account/data", "account-data");
  const [download] = await Promise.all([page.waitForEvent("download"), press("form .primary")]);
  assert.equal(download.suggestedFilename(), "account.json");
  await open("/account/delete", "account-delete");

  // A television shows a code, and this is the browser that its user takes out.
  const { user_code, verification_uri, verification_uri_complete } = await showCode();
  await page.goto(verification_uri);
  await seen("device");
  await page.fill("[name=user_code]", "WRNG-CODE");
  await press("form .primary");
  await alert();
  await seen("device-refused");
  await page.goto(verification_uri_complete);
  await seen("device-same");
  await press("form .primary");
  await page.waitForSelector("button[value=allow]");
  await seen("device-consent");
  assert((await page.textContent("main")).includes(user_code));
  await press("button[value=allow]");
  await page.waitForSelector("button", { state: "detached" });
  await seen("device-done");
  await page.goto((await showCode()).verification_uri_complete);
  await press("form .primary");
  await press("button[value=deny]");
  await page.waitForSelector("button", { state: "detached" });
  await seen("device-denied");
  await untilTooMany(async () => {
    await page.goto(verification_uri);
    // One that could be, or it would not count.
    await page.fill("[name=user_code]", "BBBB-BBBB");
    await press("form .primary");
  });
  await alert();
  await seen("device-too-many");

  // The app is told in a frame (Front-Channel Logout §3), and the user stays.
  await letIn();
  const told = asked.length;
  await open("/oauth/logout", "sign-out");
  await weigh(page, "sign-out");
  await press("form .primary");
  await page.waitForURL("**/sign-out?*");
  await page.waitForSelector("iframe", { state: "attached" });
  await seen("signed-out");
  const frame = asked.slice(told).find((url) => url.startsWith("/front?"));
  assert(frame && new URL(frame, APP).searchParams.get("iss") === ISSUER, `${asked.slice(told)}`);
  assert(new URL(frame, APP).searchParams.get("sid"));

  // Again, and then on to the app: by itself, or by a link.
  const back = new URLSearchParams({ client_id: process.env.CLIENT_ID, post_logout_redirect_uri: `${APP}/bye`, state: "s" });
  await heldStill("**/assets/onward.js?*", async (held) => {
    await page.goto(`${ISSUER}/account`);
    if (held) await seen("sign-in-account");
    await signIn(ANOTHER);
    await page.waitForURL("**/account");
    await letIn();
    await page.goto(`${ISSUER}/oauth/logout?${back}`);
    await press("form .primary");
    if (held) {
      await page.waitForSelector("#onward");
      await seen("signed-out-onward");
      await press("#onward");
    }
    await page.waitForURL(`${APP}/bye?state=s`);
  });

  await page.goto(verification_uri_complete);
  await seen("sign-in-device");
  await untilTooMany((tries) => signIn(`wrong ${tries}`));
  await alert();
  await seen("sign-in-too-many");
  await page.context().close();
}

const browser = await launch();
await Promise.all([
  walk(browser, { scripts: true, locale: "en", user: "ana" }),
  walk(browser, { scripts: false, locale: "de", user: "ben" }),
]);
await browser.close();
done();
