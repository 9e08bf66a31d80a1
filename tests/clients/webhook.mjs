// standardwebhooks: what a webhook is told, checked as its receivers are told to do it.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { done, hear } from "./program.mjs";

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts).toString();
  const { type, data } = secret.verify(body, request.headers);
  assert.equal(type, "webhook.test");
  assert(data.webhook && data.id);
  assert(former.verify(body, request.headers), "the former secret is good, too");
  const forged = (change, headers) => () => secret.verify(change(body), { ...request.headers, ...headers });
  assert.throws(forged((it) => it.replace("webhook.test", "user.changed"), {}), WebhookVerificationError);
  assert.throws(forged((it) => it, { "webhook-id": "another" }), WebhookVerificationError);
  assert.throws(forged((it) => it, { "webhook-timestamp": "1" }), WebhookVerificationError);
  response.writeHead(204).end();
  server.close();
  done();
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/hook`));
const former = new Webhook(await hear());
const secret = new Webhook(await hear());
