// What a browser shows when the server cannot get at its store.
import assert from "node:assert/strict";
import { authorization, launch, look, visitor } from "./chromium.mjs";
import { done } from "./program.mjs";

const browser = await launch();
const page = await visitor(browser);
assert.equal((await page.goto(authorization())).status(), 503);
// Chromium says so too.
assert.match(page.complaints.join(), /^[^,]*the server responded with a status of 503[^,]*$/);
page.complaints.length = 0;
await look(page, "error-unavailable", { scripts: true, folder: process.env.PICTURES });
await browser.close();
done();
