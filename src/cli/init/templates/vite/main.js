import { createClient } from "heirloom-browser";

const { ISSUER: issuer, CLIENT_ID: clientId, AUDIENCE: audience } = import.meta.env;

const heirloom = createClient({
  issuer,
  clientId,
  redirectUri: `${location.origin}/callback`,
  scope: "openid profile email",
  resource: [issuer, audience],
});

const routes = { "/": home, "/profile": profile, "/callback": callback };
const main = document.querySelector("main");

async function home() {
  if (!(await heirloom.signedIn())) {
    main.innerHTML = `<h1>Hello</h1><p><button>Sign in</button>`;
    main.querySelector("button").onclick = () => heirloom.authorize();
    return;
  }
  const { name } = await user();
  main.innerHTML = `<h1></h1><p><a href="/profile">Profile</a> <button>Sign out</button>`;
  main.querySelector("h1").textContent = `Hello, ${name}`;
  main.querySelector("button").onclick = signOut;
}

/** Whoever is not signed in is sent to sign in first, and comes back here. */
async function profile() {
  if (!(await heirloom.signedIn())) return heirloom.authorize({ returnTo: "/profile" });
  const [{ name, email }, answer] = await Promise.all([user(), heirloom.fetch("/api/hello")]);
  main.innerHTML = `<h1>Profile</h1><p class="user"></p><p>The API says: <output></output>
    <p><a href="/">Home</a> <button>Sign out</button>`;
  main.querySelector(".user").textContent = `${name}, ${email}`;
  main.querySelector("output").textContent = await answer.text();
  main.querySelector("button").onclick = signOut;
}

async function callback() {
  const back = await heirloom.callback();
  location.replace(back?.returnTo ?? "/");
}

const user = async () => (await heirloom.fetch(`${issuer}/oauth/userinfo`)).json();

async function signOut() {
  await heirloom.logout();
  location.assign("/");
}

// In whichever tab: the user signed out, or the login was ended.
heirloom.on("signedOut", () => location.assign("/"));

routes[location.pathname]?.().catch((error) => {
  if (error.code === "signed_out") return location.assign("/");
  main.textContent = error.message;
});
