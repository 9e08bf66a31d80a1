// Chromium as it comes from the system's packages, and pages looked at in it.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
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

// Where users come back to: an app that lives on a port of its own.
const app = createServer((request, response) => {
  request.resume().on("end", () => response.end("<!doctype html><title>The Shop</title>"));
});
await new Promise((resolve) => app.listen(0, "127.0.0.1", resolve).unref().once("listening", resolve));
export const CALLBACK = `http://127.0.0.1:${app.address().port}/callback`;

/** A page of a browser that was never here. */
export async function visitor(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, ...options });
  context.setDefaultTimeout(10_000);
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

/** The app exchanges its code: a login begins. */
export async function redeem(code) {
  const answer = await fetch(`${ISSUER}/oauth/token`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${CLIENT_ID}:${CLIENT_SECRET}`)}` },
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code,
      redirect_uri: CALLBACK,
      code_verifier: VERIFIER,
    }),
  });
  assert.equal(answer.status, 200);
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

/** Looks at a page as it is: who cannot see it, whose screen is narrow, and whose line is slow can use it too. */
export async function look(page, name, { scripts }) {
  await page.waitForLoadState("load");
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert(width <= page.viewportSize().width, `${name} is ${width} pixels wide`);
  assert.equal(await page.locator("h1").count(), 1, `${name} has one headline`);
  if (scripts) {
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => axe.run());
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), [], name);
  }
  const complaints = page.complaints.filter((text) => !text.includes("the server responded with a status of 4"));
  assert.deepEqual(complaints, [], name);
}

/** How much a page and what it needs weigh, fetched for the first time. */
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
export async function keep(page, file) {
  const browser = await page.context().newCDPSession(page);
  const { cssContentSize } = await browser.send("Page.getLayoutMetrics");
  const { data } = await browser.send("Page.captureScreenshot", {
    format: "webp",
    quality: 60,
    captureBeyondViewport: true,
    clip: { ...cssContentSize, scale: 1.5 },
  });
  writeFileSync(file, Buffer.from(data, "base64"));
}
