// Nothing but a keyboard: from the app to sign-in, consent, and back.
import assert from "node:assert/strict";
import { arriveAtTheApp, authorization, launch, visitor } from "./chromium.mjs";
import { done } from "./program.mjs";

const browser = await launch();
const page = await visitor(browser);
const focused = (what) =>
  page.evaluate((what) => {
    const element = document.activeElement;
    return what === "outline" ? getComputedStyle(element).outlineStyle : element.getAttribute(what);
  }, what);

/** Moves on until this has the focus, and looks whether that can be seen. */
async function tabTo(attribute, value) {
  for (let pressed = 0; (await focused(attribute)) !== value; pressed += 1) {
    assert(pressed < 10, `${value} cannot be reached`);
    await page.keyboard.press("Tab");
    assert.notEqual(await focused("outline"), "none");
  }
}

await page.goto(authorization());
assert.equal(await focused("name"), "username");
await page.keyboard.type("ana");
await tabTo("name", "password");
await page.keyboard.type(process.env.PASSWORD);
await page.keyboard.press("Enter");
await page.waitForURL("**/consent?*");
await tabTo("value", "allow");
await page.keyboard.press("Space");
assert((await arriveAtTheApp(page)).get("code"));
await browser.close();
done();
