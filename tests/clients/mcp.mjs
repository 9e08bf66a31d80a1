// The MCP SDK for JavaScript: from a 401 to a tool's answer, and on with a refreshed token.
import assert from "node:assert/strict";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ISSUER, REDIRECT_URI, done, visit } from "./program.mjs";

const url = new URL(process.env.MCP_URL);
const kept = {};
const authProvider = {
  redirectUrl: REDIRECT_URI,
  clientMetadata: {
    client_name: "An agent",
    redirect_uris: [REDIRECT_URI],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  state: () => "s-1",
  clientInformation: () => kept.client,
  saveClientInformation: (client) => (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => (kept.tokens = tokens),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => (kept.verifier = verifier),
  redirectToAuthorization: async (place) => (kept.callback = await visit(place)),
};

async function connect() {
  const transport = new StreamableHTTPClientTransport(url, { authProvider });
  const client = new Client({ name: "agent", version: "1" });
  return [client, transport, client.connect(transport)];
}

const [, first, refused] = await connect();
await assert.rejects(refused, UnauthorizedError);
assert.equal(kept.callback.searchParams.get("state"), "s-1");
assert.equal(kept.callback.searchParams.get("iss"), ISSUER);
assert.equal(kept.client.client_secret, undefined);
await first.finishAuth(kept.callback.searchParams.get("code"));
assert.equal(kept.tokens.scope, "tools:call");

const [client, , connected] = await connect();
await connected;
const whoami = async () => (await client.callTool({ name: "whoami", arguments: {} })).content[0].text;
assert.equal(await whoami(), process.env.SUBJECT);

// An access token that is good no more: the SDK refreshes, and nobody is asked.
delete kept.callback;
const { refresh_token } = kept.tokens;
kept.tokens = { ...kept.tokens, access_token: "spent" };
assert.equal(await whoami(), process.env.SUBJECT);
assert.notEqual(kept.tokens.refresh_token, refresh_token);
assert.equal(kept.callback, undefined);
await client.close();
done();
