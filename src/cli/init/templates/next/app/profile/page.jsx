import { redirect } from "next/navigation";
import { at, session } from "../../lib/auth.js";

// Whoever is not signed in is sent to sign in first, and comes back here.
export default async function Profile() {
  const { user, tokens } = await session();
  if (!user) redirect("/sign-in?next=/profile");
  // A page cannot set cookies, so that a route has to.
  if (tokens.expires < Date.now() + 10_000) redirect("/refresh");
  const answer = await fetch(at("/api/hello"), { headers: { authorization: `Bearer ${tokens.access}` } });
  return (
    <main>
      <h1>Profile</h1>
      <p>{`${user.name}, ${user.email}`}</p>
      <p>
        The API says: <output>{await answer.text()}</output>
      </p>
      <a href="/">Home</a> <a href="/sign-out">Sign out</a>
    </main>
  );
}
