import { redirect } from "next/navigation";
import * as oidc from "openid-client";
import { at, kept, server, session } from "../../lib/auth.js";

export async function GET(request) {
  const current = await session();
  const { begun, next = "/" } = current;
  if (!begun) redirect("/");
  const answered = at(`/callback${request.nextUrl.search}`);
  const answer = await oidc.authorizationCodeGrant(await server(), answered, { ...begun, idTokenExpected: true });
  const { sub, name, email } = answer.claims();
  Object.assign(current, { user: { sub, name, email }, tokens: kept(answer), begun: undefined, next: undefined });
  await current.save();
  redirect(next);
}
