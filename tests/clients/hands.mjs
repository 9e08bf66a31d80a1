// What somebody does at a page, with a mouse or with nothing but a keyboard.
import assert from "node:assert/strict";

/** Somebody with a mouse. */
export const mouse = {
  fill: (page, field, text) => page.fill(field, text),
  press: (page, what) => page.click(what),
};

/** Moves on until this has the focus, and looks whether that can be seen. */
async function tabTo(page, selector) {
  const isThere = () => page.evaluate((selector) => document.activeElement.matches(selector), selector);
  for (let pressed = 0; !(await isThere()); pressed += 1) {
    assert(pressed < 120, `${selector} cannot be reached`);
    await page.keyboard.press("Tab");
    // Once round, nothing has it for a moment.
    const isSeen = () =>
      page.evaluate(() => {
        const element = document.activeElement;
        return element === document.body || getComputedStyle(element).outlineStyle !== "none";
      });
    assert(await isSeen(), `before ${selector}`);
  }
}

/** Somebody without one. */
export const keyboard = {
  async fill(page, field, text) {
    await tabTo(page, field);
    await page.keyboard.press("Control+A");
    await page.keyboard.type(text);
  },
  async press(page, what) {
    await page.waitForSelector(what);
    await tabTo(page, what);
    await page.keyboard.press("Enter");
  },
};
