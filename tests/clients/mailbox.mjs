// Mail as it comes to a folder.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ISSUER } from "./program.mjs";

const { MAIL } = process.env;
const read = new Set();

/** The part of a mail that is text alone, whichever way it was encoded (RFC 2045). */
function plain(raw) {
  const part = raw.split(/\r\n--/).find((part) => /content-type: text\/plain/i.test(part));
  const [head, body] = part.split(/\r\n\r\n([\s\S]*)/);
  if (/base64/i.test(head)) return Buffer.from(body, "base64").toString();
  return body.replace(/=\r\n/g, "").replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

/** The folder is made with the first one. */
const mails = () => (existsSync(MAIL) ? readdirSync(MAIL) : []).filter((name) => name.endsWith(".eml"));

/** The next mail to somebody. */
export async function mailTo(address) {
  for (let tries = 0; tries < 400; tries += 1) {
    for (const name of mails().filter((name) => !read.has(name))) {
      const raw = readFileSync(`${MAIL}/${name}`, "utf8");
      if (!raw.includes(`To: ${address}`)) continue;
      read.add(name);
      return plain(raw);
    }
    await sleep(50);
  }
  throw new Error(`no mail to ${address}`);
}

export const linkTo = async (address) => (await mailTo(address)).match(new RegExp(`${ISSUER}/[^\\s"<>]+`))[0];
