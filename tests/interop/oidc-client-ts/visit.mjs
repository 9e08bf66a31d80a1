// An app in the browser, by oidc-client-ts, and a user of it in Chromium.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const { ISSUER, CLIENT_ID, PASSWORD, PORT } = process.env;
const library = createRequire(import.meta.url).resolve("oidc-client-ts").replace(/dist\/.*/, "dist/browser/");
const app = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://app");
  if (pathname === "/settings") return response.end(JSON.stringify([ISSUER, CLIENT_ID]));
  const script = pathname.endsWith(".js");
  response.setHeader("content-type", script ? "text/javascript" : "text/html");
  response.end(await readFile(script ? `${library}oidc-client-ts.min.js` : new URL("app.html", import.meta.url)));
});
await new Promise((listening) => app.listen(Number(PORT), "127.0.0.1", listening));

const root = process.getuid() === 0;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  // Chromium wants no sandbox where root starts it.
  args: root ? ["--no-sandbox", "--disable-gpu"] : ["--disable-gpu"],
});
const page = await browser.newPage();
page.on("pageerror", (error) => console.error(`${error}`));
page.on("console", (message) => console.error(message.text()));
page.setDefaultTimeout(60_000);
const shows = (text) => page.locator("#user", { hasText: text }).waitFor();

await page.goto(`http://127.0.0.1:${PORT}/`);
await shows("Nobody");
await page.click("#in");
await page.fill("[name=username]", "ana");
await page.fill("[name=password]", PASSWORD);
await page.click("form:last-of-type .primary");
await page.click("button[value=allow]");
await shows("Hello, ana");
await page.click("#renew");
await shows("Renewed, ana");
console.log("renewed");
// The test looks at the login.
await once(process.stdin, "data");
await page.click("#out");
await shows("Nobody");
await page.reload();
await shows("Nobody");
await browser.close();
app.close();
console.log("done");
process.exit();
