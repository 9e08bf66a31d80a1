// An agent's way to an MCP server, by the MCP SDK for JavaScript.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { visit } from "./program.mjs";

const url = new URL(process.env.MCP_URL);
// The port is the system's choice (RFC 8252 §7.3).
const CALLBACK = "http://127.0.0.1:49152/callback";

/** Keeps `client` and `tokens` in `kept`, whatever it does with them. */
export const agent = (kept) => ({
  redirectUrl: CALLBACK,
  clientMetadata: {
    client_name: "An agent",
    redirect_uris: [CALLBACK],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  clientMetadataUrl: process.env.METADATA_URL,
  state: () => "s-1",
  clientInformation: () => kept.client,
  saveClientInformation: (client) => (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => (kept.tokens = tokens),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => (kept.verifier = verifier),
  redirectToAuthorization: async (place) => (kept.callback = await visit(place)),
});

/** A connection, its transport, and whether it was let in. */
export function connect(authProvider) {
  const transport = new StreamableHTTPClientTransport(url, { authProvider });
  const client = new Client({ name: "agent", version: "1" });
  return [client, transport, client.connect(transport)];
}

export const whoami = async (client) =>
  (await client.callTool({ name: "whoami", arguments: {} })).content[0].text;
