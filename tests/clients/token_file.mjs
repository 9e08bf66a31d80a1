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
// What this process knows of the file.
let known = read();
const kept = {
  get client() {
    return known.client;
  },
  set client(client) {
    write((known = { ...known, client }));
  },
  get tokens() {
    return known.tokens;
  },
  set tokens(tokens) {
    write((known = { ...known, tokens }));
  },
};
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
for (let told = await hear(); told !== "end"; told = await hear()) {
  if (told === "read") known = read();
  else assert.equal(await whoami(client), SUBJECT);
  console.log(`${told} ${known.tokens.refresh_token}`);
}
await client.close();
done();
