// openid-client: a device without a browser (RFC 8628), whose user says yes somewhere else.
import assert from "node:assert/strict";
import * as client from "openid-client";
import { CLIENT_ID, ISSUER, done, isPublic, proof, visit } from "./program.mjs";

const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, await proof(client), {
  execute: [client.enableNonRepudiationChecks],
});
const device = await client.initiateDeviceAuthorization(config, { scope: "openid profile" });
await visit(device.verification_uri_complete);
// The first of the clients has the patience that it was asked for.
if (isPublic) assert.equal(device.interval, 5);
else device.interval = 0;
const tokens = await client.pollDeviceAuthorizationGrant(config, device);
const { sub } = tokens.claims();
assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub)).preferred_username, "ana");
assert((await client.refreshTokenGrant(config, tokens.refresh_token)).access_token);
await assert.rejects(
  client.pollDeviceAuthorizationGrant(config, { ...device, interval: 0 }),
  (error) => ["invalid_grant", "slow_down"].includes(error.error),
);
done();
