// Devices that know their users: authenticators of their own for passkeys (WebDriver's virtual ones, over CDP), and apps
// that show codes.
import { createHmac } from "node:crypto";

/** Gives the device of a page an authenticator that knows its user. */
export async function withDevice(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  // As in a browser that knows no JSON, and has nothing to fill in.
  await page.addInitScript(() => {
    if (!location.origin.startsWith("http") || !sessionStorage.getItem("old")) return;
    for (const name of ["isConditionalMediationAvailable", "parseRequestOptionsFromJSON", "parseCreationOptionsFromJSON"]) {
      delete PublicKeyCredential[name];
    }
    delete PublicKeyCredential.prototype.toJSON;
  });
  page.setOld = (old) => page.evaluate((old) => sessionStorage.setItem("old", old), old ? "yes" : "");
  const send = (what, more = {}) => devtools.send(`WebAuthn.${what}`, { authenticatorId, ...more });
  page.device = { send, passkeys: async () => (await send("getCredentials")).credentials };
  return page;
}

/** What an app shows for a key (RFC 6238), some steps from now. */
export function codeOf(key, away = 0) {
  const bits = [...key].map((it) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(it).toString(2).padStart(5, "0")).join("");
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + away));
  const mac = createHmac("sha1", secret).update(step).digest();
  const number = mac.readUInt32BE(mac.at(-1) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}
