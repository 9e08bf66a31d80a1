/** What {@link createClient} takes. */
export interface Options {
  /** The issuer's URL, as its metadata has it, such as `https://login.example.com`. */
  issuer: string;
  clientId: string;
  /**
   * Where the refresh token is kept: `"token"` in IndexedDB, bound to a key that no script can copy; `"cookie"` where
   * no script can read it, for pages of the issuer's own origin and clients with `refresh_token_delivery` `cookie`.
   * `"token"` unless you say otherwise.
   */
  delivery?: "token" | "cookie";
  /** Whether tokens are bound to a key (RFC 9449): yes with `"token"`, no with `"cookie"`, unless you say otherwise. */
  dpop?: boolean;
  /** `"memory"` writes nothing down: each tab has a login of its own, which a reload ends. */
  storage?: "indexedDB" | "memory";
  /** Where the pages lead back to, for {@link Client.authorize}. */
  redirectUri?: string;
  /** The scopes to ask for, with blanks between them; all that the client may have unless you say. */
  scope?: string;
  /** The services that access tokens are for (RFC 8707); the issuer unless you say. */
  resource?: string | string[];
  /** The origins that {@link Client.fetch} takes tokens to, beside the issuer's and the page's own. */
  origins?: string[];
}

/** A password login. */
export interface Credentials {
  username: string;
  password: string;
  /** What the user's list of logins calls this browser. */
  device?: string;
}

/** What a login still wants. */
export interface SecondFactor {
  /** `totp`, `recovery_code`. */
  methods: string[];
  /** Finishes the login. A wrong code is `invalid_grant`: ask once more. */
  submit(answer: { code: string } | { recoveryCode: string }): Promise<void>;
}

/** Where the user wanted to be before signing in at the pages. */
export interface Returned {
  returnTo: string;
}

/** Why nobody is signed in any more. */
export interface SignedOut {
  /** `logout`: the user signed out, in whichever tab. `ended`: the server says that the login is over. */
  reason: "logout" | "ended";
  /** The server's sentence for people, where it ended. */
  message?: string;
}

export interface Events {
  signedIn: undefined;
  signedOut: SignedOut;
}

/** One login, shared by all tabs. */
export interface Client {
  /**
   * Logs in by password, from a page of the issuer's own origin. Gives what is still wanted, or null when the user is
   * signed in.
   */
  login(credentials: Credentials): Promise<SecondFactor | null>;
  /** Leaves for the server's own pages (code and PKCE). `params` are parameters of the request, such as `prompt`. */
  authorize(how?: { returnTo?: string; params?: Record<string, string> }): Promise<void>;
  /** On the page of `redirectUri`: finishes what `authorize` began. Null when nobody came back from there. */
  callback(): Promise<Returned | null>;
  /** As `fetch`, with an access token that is good: refreshed, proved, and tried once more where that helps. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Whether somebody is signed in. Asks the server only where nothing but a cookie can tell. */
  signedIn(): Promise<boolean>;
  /** Signs out in all tabs at once, then tells the server. */
  logout(): Promise<void>;
  /** Calls `listener` in this tab, whichever tab did it. Gives what stops that. */
  on<E extends keyof Events>(event: E, listener: (detail: Events[E]) => void): () => void;
}
