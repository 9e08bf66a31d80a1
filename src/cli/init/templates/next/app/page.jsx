import { session } from "../lib/auth.js";

export default async function Home() {
  const { user } = await session();
  if (!user) {
    return (
      <main>
        <h1>Hello</h1>
        <a href="/sign-in">Sign in</a>
      </main>
    );
  }
  return (
    <main>
      <h1>{`Hello, ${user.name}`}</h1>
      <a href="/profile">Profile</a> <a href="/sign-out">Sign out</a>
    </main>
  );
}
