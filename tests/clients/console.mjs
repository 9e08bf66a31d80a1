// The console in a real browser: once with nothing but a keyboard, once without scripts. A stolen laptop's login is
// ended, a client is registered, and the lines that its page shows are pasted and run.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { CALLBACK, arriveAtTheApp, launch, look, visitor } from "./chromium.mjs";
import { keyboard, mouse } from "./hands.mjs";
import { ISSUER, done } from "./program.mjs";

const { PASSWORD, PICTURES: folder, PYTHON } = process.env;
const CONSOLE = `${ISSUER}/admin`;

/** Ana is logged in on a device of this name: the login's id. */
async function logIn(device) {
  const answer = await fetch(`${ISSUER}/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "ana", password: PASSWORD, device }),
  });
  assert.equal(answer.status, 200);
  const { access_token, refresh_token } = await answer.json();
  const { sid } = JSON.parse(Buffer.from(access_token.split(".")[1], "base64url"));
  return { sid, refresh_token };
}

const refresh = ({ refresh_token }) =>
  fetch(`${ISSUER}/refresh`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ refresh_token }),
  });

async function work(browser, { scripts, hands, locale, name }) {
  const page = await visitor(browser, { locale, javaScriptEnabled: scripts });
  const seen = (what) => look(page, `console-${what}`, { scripts, folder });
  const fill = (field, text) => hands.fill(page, field, text);
  const press = (what) => hands.press(page, what);
  const said = () => page.waitForSelector("[role=status]");
  const wrong = () => page.waitForSelector("[role=alert]");
  const open = async (place, what) => {
    await page.goto(`${CONSOLE}${place}`);
    await seen(what);
  };
  const [laptop, phone] = [await logIn(`Laptop of ${name}`), await logIn(`Phone of ${name}`)];

  // A laptop was stolen. Somebody who was never here begins at the sign-in page.
  const began = Date.now();
  await page.goto(CONSOLE);
  await page.waitForURL("**/sign-in?*");
  await fill("#username", name);
  await fill("#password", PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/admin");
  await fill("#q", "ana");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/admin/users?*");
  await press(".entries h2 a");
  await page.waitForURL("**/admin/users/*-*");
  await press(`a[href*='/logins/${laptop.sid}/end']`);
  await page.waitForURL("**/end");
  assert.match(await page.textContent("dl"), new RegExp(`Laptop of ${name}`));
  assert.equal((await refresh(phone)).status, 200);
  await press("form .primary");
  await said();
  const seconds = (Date.now() - began) / 1000;
  assert(seconds < 30, `it took ${seconds} seconds`);
  console.log(`ended after ${seconds} seconds`);
  assert.equal((await refresh(laptop)).status, 401);
  await seen("ended");

  // Everything else is looked at.
  await open("", "start");
  for (const period of ["hour", "month"]) await open(`?period=${period}`, `start-${period}`);
  await page.click("summary");
  await seen("start-numbers");
  await open("/users", "users");
  await open("/users?q=nobody", "users-nobody");
  await open("/users/new", "user-new");
  await fill("#username", name);
  await fill("#roles", "editor");
  await press("form .primary");
  await wrong();
  assert.equal(await page.inputValue("#roles"), "editor");
  assert.equal(await page.getAttribute("[aria-invalid]", "id"), "username");
  await seen("user-refused");
  await fill("#username", `friend of ${name}`);
  await press("form .primary");
  await said();
  await seen("user-added");
  await press("a[href$='/password']");
  await page.waitForSelector("#new_password");
  await fill("#new_password", "short");
  await press("form .primary");
  await wrong();
  await seen("user-password-refused");
  await open("/logins", "logins");
  await open("/logins?user=nobody", "logins-nobody");
  await open(`/logins/${phone.sid}`, "login");
  await open(`/logins/${laptop.sid}`, "login-ended");
  await open("/clients", "clients");
  await press("a[href*='/clients/new']");
  await page.waitForURL("**/clients/new*");
  await seen("client-kinds");
  await press("a[href*='kind=web']");
  await page.waitForSelector("#client_id");
  await seen("client-new");
  await fill("#client_id", `shop-of-${name}`);
  await fill("#name", "The Shop");
  await fill("#redirect_uris", "nowhere");
  await press("form .primary");
  await wrong();
  await seen("client-refused");
  await fill("#redirect_uris", CALLBACK);
  await press("form .primary");
  await page.waitForSelector("#secret");
  await seen("client-added");
  const secret = await page.textContent("section.done code");
  const lines = {};
  for (const text of await page.locator("details").all()) {
    lines[await text.locator("summary").textContent()] = await text.locator("code").textContent();
  }
  assert.deepEqual(Object.keys(lines), ["curl", "JavaScript", "Python", "Go", "Java"]);
  await open(`/clients/shop-of-${name}`, "client");
  await open(`/clients/shop-of-${name}/change`, "client-change");
  await open(`/clients/shop-of-${name}/remove`, "client-remove");

  // Ana agrees to the app, and an administrator takes that back.
  await signIn(browser, request(`shop-of-${name}`));
  await open("/users?q=ana", "users-found");
  await press(".entries h2 a");
  await press("a[href*='/consents']");
  await page.waitForSelector(`a[href*='/consents/shop-of-${name}']`);
  await seen("consents");
  await press(`a[href*='/consents/shop-of-${name}']`);
  await page.waitForSelector("form .primary");
  await seen("consent-withdraw");
  await press("form .primary");
  await said();
  assert.equal(await page.locator(`a[href*='/consents/shop-of-${name}']`).count(), 0);
  await seen("consents-withdrawn");

  // Somebody may register one client.
  await open("/registration-tokens", "registration-tokens");
  await press("a[href*='/registration-tokens/new']");
  await page.waitForSelector("#uses");
  await fill("#uses", "many");
  await press("form .primary");
  await wrong();
  assert.equal(await page.getAttribute("[aria-invalid]", "id"), "uses");
  await seen("registration-token-refused");
  await fill("#uses", "1");
  await press("form .primary");
  await page.waitForSelector("section.done code");
  await seen("registration-token-added");
  await press("a[href$='/remove']");
  await page.waitForSelector("form .primary");
  await seen("registration-token-remove");
  await press("form .primary");
  await said();

  await open("/keys", "keys");
  await open("/keys/withdraw", "keys-withdraw");
  await open("/events", "events");
  await open("/events?user=nobody", "events-nobody");
  await open("/settings", "settings");
  await page.goto(`${CONSOLE}/users/nobody`);
  await seen("gone");

  // Whoever is no administrator.
  const other = await visitor(browser, { locale, javaScriptEnabled: scripts });
  await other.goto(CONSOLE);
  await hands.fill(other, "#username", "ana");
  await hands.fill(other, "#password", PASSWORD);
  await other.keyboard.press("Enter");
  await other.waitForURL("**/admin");
  assert.equal(await other.locator("nav").count(), 0);
  await look(other, "console-denied", { scripts, folder });
  await other.context().close();
  await page.context().close();
  return { lines, secret };
}

/** An app's request; the challenge is of RFC 7636 Appendix B. */
function request(app) {
  const parameters = new URLSearchParams({
    client_id: app, redirect_uri: CALLBACK, response_type: "code", scope: "openid", state: "s", nonce: "n",
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256",
  });
  return `${ISSUER}/oauth/authorize?${parameters}`;
}

/** Ana signs in at this address, and agrees: where the app gets its answer. */
async function signIn(browser, address) {
  const page = await visitor(browser);
  await page.goto(address);
  await page.fill("#username", "ana");
  await page.fill("#password", PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.pathname === "/consent" || url.href.startsWith(CALLBACK));
  if (new URL(page.url()).pathname === "/consent") await page.click("button[value=allow]");
  await arriveAtTheApp(page);
  const came = page.url();
  await page.context().close();
  return came;
}

/** Runs a program that says an address, and is told where that led. */
async function run(browser, command, parameters, environment) {
  const program = spawn(command, parameters, { env: { ...process.env, ...environment }, stdio: ["pipe", "pipe", "inherit"] });
  const said = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const came = await signIn(browser, (await said.next()).value);
  program.stdin.end(`${came}\n`);
  const answer = JSON.parse((await said.next()).value);
  assert.equal(await new Promise((resolve) => program.once("close", resolve)), 0);
  return answer;
}

/** What the page says to paste works as it is. */
async function paste(browser, { lines, secret }, subject) {
  const place = new URL("node_modules/.pasted/", import.meta.url).pathname;
  mkdirSync(place, { recursive: true });
  const environment = { CLIENT_SECRET: secret };

  writeFileSync(`${place}${process.pid}.mjs`, lines.JavaScript);
  process.env.CLIENT_SECRET = secret;
  const app = await import(`${place}${process.pid}.mjs`);
  const { place: address, checks } = await app.signIn();
  const { user } = await app.signedIn(await signIn(browser, address.href), checks);
  assert.equal(user.sub, subject, "JavaScript");

  writeFileSync(`${place}pasted_${process.pid}.py`, lines.Python);
  const flask = `
import json, sys
from pasted_${process.pid} import app
browser = app.test_client()
print(browser.get("/sign-in").location, flush=True)
print(json.dumps(browser.get("/callback?" + input().split("?", 1)[1]).get_json()), flush=True)
`;
  const python = await run(browser, PYTHON, ["-c", flask], { ...environment, PYTHONPATH: place });
  assert.equal(python.sub, subject, "Python");

  assert(lines.curl.includes("\nCODE=…\n"));
  const shell = lines.curl.replace("\nCODE=…\n", "\nread -r CAME; CODE=${CAME#*code=}; CODE=${CODE%%&*}\n");
  const curl = await run(browser, "bash", ["-euc", shell], environment);
  assert.equal(JSON.parse(Buffer.from(curl.id_token.split(".")[1], "base64url")).sub, subject, "curl");
}

const browser = await launch();
const [registered] = await Promise.all([
  work(browser, { scripts: true, hands: keyboard, locale: "en", name: "root" }),
  work(browser, { scripts: false, hands: mouse, locale: "de", name: "wurzel" }),
]);
await paste(browser, registered, process.env.SUBJECT);
await browser.close();
done();
