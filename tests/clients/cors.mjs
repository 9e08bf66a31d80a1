// A browser app that calls the server by its own scripts, with the headers that a tracing library adds.
import assert from "node:assert/strict";
import { APP, HOME, launch, visitor } from "./chromium.mjs";
import { CLIENT_ID, ISSUER, done } from "./program.mjs";

const browser = await launch();
const HEADERS = { authorization: `Basic ${btoa(`${CLIENT_ID}:wrong`)}`, traceparent: "00-1-1-00", baggage: "a=b", "sentry-trace": "1-1" };

/** What a script on a page learns of an answer to the client. */
async function learns(page) {
  return page.evaluate(
    async ([url, headers]) => {
      try {
        const answer = await fetch(url, { method: "POST", headers, body: new URLSearchParams({ grant_type: "x" }) });
        return `${answer.status} ${(await answer.json()).error} ${answer.headers.get("www-authenticate")?.split(" ")[0]}`;
      } catch (error) {
        return error.name;
      }
    },
    [`${ISSUER}/oauth/token`, HEADERS],
  );
}

const page = await visitor(browser);
await page.goto(APP);
assert.equal(await learns(page), "401 invalid_client Basic", "its own site, with another port");
await page.goto(HOME);
assert.equal(await learns(page), "TypeError", "a site that is not its own");
await browser.close();
done();
