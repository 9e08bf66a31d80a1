// One of several processes of a tool, which keep their tokens in one file (token_file.rs).
import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { agent, connect, whoami } from "./agent.mjs";
import { done, hear } from "./program.mjs";

const { SUBJECT, TOKEN_FILE } = process.env;

const read = () => (existsSync(TOKEN_FILE) ? JSON.parse(readFileSync(TOKEN_FILE, "utf8")) : {});
const write = (kept) => {
  const own = `${TOKEN_FILE}.${process.pid}`;
  writeFileSync(own, JSON.stringify(kept));
  renameSync(own, TOKEN_FILE);
};
const kept = new Proxy(
  {},
  {
    get: (own, name) => own[name] ?? read()[name],
    set: (own, name, value) => {
      if (["client", "tokens"].includes(name)) write({ ...read(), [name]: value });
      else own[name] = value;
      return true;
    },
  },
);
const authProvider = agent(kept);

if (!kept.tokens) {
  const [, transport, refused] = connect(authProvider);
  await assert.rejects(refused);
  await transport.finishAuth(kept.callback.searchParams.get("code"));
}
const [client, , connected] = connect(authProvider);
await connected;
assert.equal(await whoami(client), SUBJECT);
console.log("signed in");

// Should it be sent to the browser again, the test hears `visit`, and not this.
while ((await hear()) === "call") {
  assert.equal(await whoami(client), SUBJECT);
  console.log("answered");
}
await client.close();
done();
