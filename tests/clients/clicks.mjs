// People press twice, and come from two tabs: it leads to what they came for.
import assert from "node:assert/strict";
import { authorization, launch, visitor } from "./chromium.mjs";
import { ISSUER, done } from "./program.mjs";

const { PASSWORD } = process.env;
const browser = await launch();
const fill = async (page) => {
  await page.fill("[name=username]", "ana");
  await page.fill("[name=password]", PASSWORD);
};

// A second tab that still shows the form, with a password that would be wrong.
const tab = await visitor(browser);
const other = await tab.context().newPage();
for (const page of [tab, other]) await page.goto(authorization());
await fill(tab);
await tab.click("form .primary");
await tab.waitForSelector("button[value=allow]");
await fill(other);
await other.fill("[name=password]", "mistyped");
await other.click("form .primary");
await other.waitForSelector("button[value=allow]");
await tab.context().close();

// A double click.
const twice = await visitor(browser);
await twice.goto(authorization());
await fill(twice);
await twice.dblclick("form .primary");
await twice.waitForSelector("button[value=allow]");
await twice.context().close();

// While it works the button cannot be pressed, and what it says is sent all the same.
const waits = await visitor(browser);
await waits.goto(authorization());
await fill(waits);
await waits.click("form .primary");
await waits.waitForSelector("button[value=allow]");
await waits.evaluate(() => document.forms[0].addEventListener("submit", () => setTimeout(() => {
  sessionStorage.setItem("disabled", [...document.querySelectorAll("button")].map((it) => it.disabled));
}, 100)));
let sent;
await waits.route("**/consent?*", async (route) => {
  sent = route.request().postData();
  await new Promise((resolve) => setTimeout(resolve, 500));
  await route.continue();
});
await waits.click("button[value=allow]");
await waits.waitForURL("**/callback?code=*");
assert.match(sent, /decision=allow/);
await waits.goto(`${ISSUER}/account`);
assert.equal(await waits.evaluate(() => sessionStorage.getItem("disabled")), "true,true");
await browser.close();
done();
