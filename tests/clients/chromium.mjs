// Chromium as it comes from the system's packages, and pages looked at in it.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";
import { chromium } from "playwright-core";
import { CLIENT_ID, CLIENT_SECRET, ISSUER } from "./program.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const BYTES = 30 * 1024;
// RFC 7636, appendix B.
const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

export const launch = () =>
  chromium.launch({
    executablePath: "/usr/bin/chromium",
    // Chromium wants no sandbox where root starts it.
    args: process.getuid() === 0 ? ["--no-sandbox", "--disable-gpu"] : ["--disable-gpu"],
  });

// Where users come back to: an app that lives on a port of its own, and remembers what it was asked for. It lives in a
// second place, too, and sends on to there whoever comes back with the state that says so.
export const asked = [];
export const ONWARD = { state: "onward" };
const app = createServer(async (request, response) => {
  asked.push(request.url);
  const said = request.url + (await text(request));
  if (said.includes("state=onward")) response.writeHead(303, { location: HOME });
  response.end("<!doctype html><title>The Shop</title>");
});
const port = Number(process.env.APP_PORT ?? 0);
await new Promise((resolve) => app.listen(port, "127.0.0.1", resolve).unref().once("listening", resolve));
export const APP = `http://127.0.0.1:${app.address().port}`;
export const CALLBACK = `${APP}/callback`;
export const HOME = `http://localhost:${app.address().port}/home`;

/** A page of a browser that was never here. */
export async function visitor(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, ...options });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  page.complaints = [];
  page.answers = [];
  page.on("pageerror", (error) => page.complaints.push(`${error}`));
  page.on("console", (message) => page.complaints.push(message.text()));
  page.on("response", (answer) => page.answers.push(answer));
  return page;
}

export function authorization(more = {}) {
  const url = new URL(`${ISSUER}/oauth/authorize`);
  url.search = new URLSearchParams({
    client_id: CLIENT_ID,
    redirect_uri: CALLBACK,
    response_type: "code",
    scope: "openid profile email orders:read",
    code_challenge: CHALLENGE,
    code_challenge_method: "S256",
    // Remembered or not: it is asked for.
    prompt: "consent",
    ...more,
  });
  return url.href;
}

/** Signed in, and back at the app: what it was told. */
export async function arriveAtTheApp(page) {
  await page.waitForURL(`${CALLBACK}*`);
  return new URL(page.url()).searchParams;
}

/** What the app is answered at the token endpoint. */
export function token(parameters) {
  return fetch(`${ISSUER}/oauth/token`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${CLIENT_ID}:${CLIENT_SECRET}`)}` },
    body: new URLSearchParams(parameters),
  });
}

/** The app exchanges its code: a login begins, with these tokens. */
export async function redeem(code) {
  const grant_type = "authorization_code";
  const answer = await token({ grant_type, code, redirect_uri: CALLBACK, code_verifier: VERIFIER });
  assert.equal(answer.status, 200);
  return answer.json();
}

/** The id of an app on this machine that registers itself (RFC 7591). */
export async function registerStranger() {
  const answer = await fetch(`${ISSUER}/oauth/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ redirect_uris: [CALLBACK], token_endpoint_auth_method: "none", client_name: "The Tool" }),
  });
  assert.equal(answer.status, 201);
  return (await answer.json()).client_id;
}

/** What a device shows to its user (RFC 8628 §3.2). */
export async function showCode() {
  const answer = await fetch(`${ISSUER}/oauth/device_authorization`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${CLIENT_ID}:${CLIENT_SECRET}`)}` },
    body: new URLSearchParams({ scope: "openid profile" }),
  });
  assert.equal(answer.status, 200);
  return answer.json();
}

const PHONE = { width: 360, height: 640 };
const DESK = { width: 1000, height: 800 };
// The other looks differ in nothing but what colours are next to each other.
const COLOURS = { runOnly: { type: "rule", values: ["color-contrast", "link-in-text-block"] } };
const LOOKS = [
  { place: "phone", colorScheme: "light", size: PHONE, rules: {} },
  { place: "desk", colorScheme: "dark", size: DESK, rules: {} },
  { place: "phone", colorScheme: "dark", size: PHONE, rules: COLOURS },
  { place: "desk", colorScheme: "light", size: DESK, rules: COLOURS },
];

/**
 * Looks at a page as it is, in light and dark, on a phone and on a desk: who cannot see it, whose screen is narrow, and
 * whose line is slow can use it too. Keeps pictures in `folder`.
 */
export async function look(page, name, { scripts, folder }) {
  console.log(`looks at ${name}`);
  await page.waitForLoadState("load");
  assert.equal(await page.locator("h1").count(), 1, `${name} has one headline`);
  assert.match(await page.title(), /^.+ – Heirloom$/, name);
  // A visitor that types at once is faster than the browser, which then leaves the cursor where it is.
  const known = ["the server responded with a status of 4", "Autofocus processing was blocked"];
  const complaints = page.complaints.filter((text) => !known.some((it) => text.includes(it)));
  assert.deepEqual(complaints, [], name);
  await weighLinked(page, name);
  if (scripts) await page.evaluate(AXE);
  if (folder) mkdirSync(folder, { recursive: true });
  for (const { place, colorScheme, size, rules } of LOOKS) {
    const where = `${name}-${place}-${colorScheme}`;
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(width <= size.width, `${where} is ${width} pixels wide`);
    if (scripts) {
      const { passes, violations } = await page.evaluate((rules) => axe.run(rules), rules);
      assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), [], where);
      assert(passes.some(({ id }) => id === "color-contrast"), `${where}: its colours were looked at`);
    }
    if (folder) await keep(page, `${folder}/${where}${scripts ? "" : "-plain"}.webp`);
  }
}

const weights = new Map();
async function weightOf(url) {
  if (!weights.has(url)) weights.set(url, (await (await fetch(url)).arrayBuffer()).byteLength);
  return weights.get(url);
}

/** How much a page weighs with all that it links to, and that one style sheet is all its style. */
async function weighLinked(page, name) {
  const { html, styles, others, inline } = await page.evaluate(() => {
    const all = (selector) => [...document.querySelectorAll(selector)];
    return {
      html: new TextEncoder().encode(document.documentElement.outerHTML).length,
      styles: all("link[rel=stylesheet]").map((it) => it.href),
      others: all("script[src], img[src]").map((it) => it.src),
      inline: all("style, [style], script:not([src])").length,
    };
  });
  assert.deepEqual([styles.length, inline], [1, 0], `${name} has one style sheet`);
  const linked = await Promise.all([...styles, ...others].map(weightOf));
  const bytes = linked.reduce((sum, size) => sum + size, html);
  assert(bytes > 1000 && bytes < BYTES, `${name} has ${bytes} bytes`);
}

/** What really goes over the line when a page is opened for the first time: of style sheets, one. */
export async function weigh(page, name) {
  page.answers.length = 0;
  await page.reload({ waitUntil: "load" });
  const sizes = await Promise.all(
    page.answers.map(async (answer) => [answer.request().resourceType(), (await answer.body()).length]),
  );
  const bytes = sizes.reduce((sum, [, size]) => sum + size, 0);
  assert(bytes > 1000 && bytes < BYTES, `${name} has ${bytes} bytes`);
  const styles = sizes.filter(([type]) => type === "stylesheet");
  assert.equal(styles.length, 1, `${name}: ${JSON.stringify(sizes)}`);
}

/** Keeps a picture of a whole page. */
async function keep(page, file) {
  const browser = await page.context().newCDPSession(page);
  const { cssContentSize } = await browser.send("Page.getLayoutMetrics");
  const { data } = await browser.send("Page.captureScreenshot", {
    format: "webp",
    quality: 60,
    captureBeyondViewport: true,
    clip: { ...cssContentSize, scale: 1.25 },
  });
  writeFileSync(file, Buffer.from(data, "base64"));
}
