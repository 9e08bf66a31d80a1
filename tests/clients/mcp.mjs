// The MCP SDK for JavaScript: from a 401 to a tool's answer, and on with a refreshed token.
import assert from "node:assert/strict";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { agent, connect, whoami } from "./agent.mjs";
import { ISSUER, done } from "./program.mjs";

const { METADATA_URL, SUBJECT } = process.env;
const kept = {};
const authProvider = agent(kept);

const [, first, refused] = connect(authProvider);
await assert.rejects(refused, UnauthorizedError);
assert.equal(kept.callback.searchParams.get("state"), "s-1");
assert.equal(kept.callback.searchParams.get("iss"), ISSUER);
assert.equal(kept.client.client_secret, undefined);
if (METADATA_URL) assert.equal(kept.client.client_id, METADATA_URL);
else assert(kept.client.client_id_issued_at);
await first.finishAuth(kept.callback.searchParams.get("code"));
assert.equal(kept.tokens.scope, "tools:call");

const [client, , connected] = connect(authProvider);
await connected;
assert.equal(await whoami(client), SUBJECT);

// An access token that is good no more: the SDK refreshes, and nobody is asked.
delete kept.callback;
const { refresh_token } = kept.tokens;
kept.tokens = { ...kept.tokens, access_token: "spent" };
assert.equal(await whoami(client), SUBJECT);
assert.notEqual(kept.tokens.refresh_token, refresh_token);
assert.equal(kept.callback, undefined);
await client.close();
done();
