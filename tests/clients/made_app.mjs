// Walks through an app that `heirloom init` made, in Chromium: node made_app.mjs URL. Tells the seconds of each step.
import assert from "node:assert/strict";
import { launch } from "./chromium.mjs";

const [app] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage();
page.setDefaultTimeout(60_000);
const complaints = [];
page.on("pageerror", (error) => complaints.push(`${error}`));

async function step(name, work) {
  const began = performance.now();
  try {
    await work();
  } catch (error) {
    console.log(`${name}: at ${page.url()}: ${await page.locator("body").innerText()}`);
    throw error;
  }
  console.log(`${((performance.now() - began) / 1000).toFixed(1)} s  ${name}`);
}

const signInAsked = () => page.waitForSelector("input[name=password]");

await step("the protected page asks for sign-in", async () => {
  await page.goto(`${app}/profile`);
  await signInAsked();
  assert.notEqual(new URL(page.url()).origin, app);
});
await step("Ana signs in, and is back", async () => {
  await page.fill("input[name=username]", "ana");
  await page.fill("input[name=password]", "correct horse battery staple");
  await page.click("button.primary");
  // Any program of this machine can wait at a loopback address: one without a secret is asked about.
  await page.waitForURL(({ origin, pathname }) => origin === app || pathname === "/consent");
  if (page.url().includes("/consent")) await page.getByRole("button", { name: "Allow", exact: true }).click();
  await page.waitForURL(`${app}/profile`);
  await page.getByText("Ana Lund").waitFor();
  await page.getByText("ana@example.com").waitFor();
});
await step("the API answers the app", async () => {
  const said = JSON.parse(await page.locator("output", { hasText: "hello" }).innerText());
  assert.match(said.hello, /^[0-9a-f-]{36}$/);
});
await step("the API answers nobody else", async () => {
  for (const headers of [{}, { authorization: "Bearer e30.e30.e30" }]) {
    const answer = await fetch(`${app}/api/hello`, { headers });
    assert.equal(answer.status, 401);
    assert.match(answer.headers.get("www-authenticate"), /^(Bearer|DPoP)/);
  }
});
await step("the home page knows her", async () => {
  await page.goto(`${app}/`);
  await page.getByRole("heading", { name: "Hello, Ana Lund" }).waitFor();
  await page.getByRole("link", { name: "Profile" }).click();
  await page.locator("output", { hasText: "hello" }).waitFor();
});
await step("she signs out, here and at the server", async () => {
  await page.getByRole("link", { name: "Sign out" }).or(page.getByRole("button", { name: "Sign out" })).click();
  await page.waitForURL(({ origin, pathname }) => origin === new URL(app).origin && pathname === "/");
  await page.getByText("Sign in").waitFor();
  await page.goto(`${app}/profile`);
  await page.waitForURL(({ origin }) => origin !== app);
});
assert.deepEqual(complaints, []);
await browser.close();
console.log("done");
process.exit();
