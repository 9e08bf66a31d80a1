import * as oidc from "openid-client";
import { at, server, session } from "../../lib/auth.js";

export async function GET() {
  const current = await session();
  const hint = current.tokens ? { id_token_hint: current.tokens.id } : {};
  current.destroy();
  const parameters = { post_logout_redirect_uri: at("/").href, ...hint };
  return Response.redirect(oidc.buildEndSessionUrl(await server(), parameters));
}
