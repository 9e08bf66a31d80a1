import { redirect } from "next/navigation";
import * as oidc from "openid-client";
import { kept, server, session } from "../../lib/auth.js";

export async function GET() {
  const current = await session();
  if (!current.tokens) redirect("/sign-in?next=/profile");
  try {
    const answer = await oidc.refreshTokenGrant(await server(), current.tokens.refresh);
    current.tokens = kept(answer, current.tokens);
    await current.save();
  } catch (error) {
    if (error.error !== "invalid_grant") throw error;
    // The login was ended meanwhile.
    current.destroy();
  }
  redirect("/profile");
}
