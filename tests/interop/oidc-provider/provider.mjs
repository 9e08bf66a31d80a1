// oidc-provider as it is shipped, with its own pages for trying things out.

import Provider from "oidc-provider";

const { ISSUER, PORT, RELYING_PARTY } = process.env;

const provider = new Provider(ISSUER, {
  clients: [
    {
      client_id: "heirloom",
      client_secret: "a secret & more",
      redirect_uris: [`${RELYING_PARTY}/sign-in/back/works`],
      backchannel_logout_uri: `${RELYING_PARTY}/sign-in/back-channel/works`,
      backchannel_logout_session_required: true,
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
  features: { backchannelLogout: { enabled: true } },
  // Its own guard lets no request out to this machine, where everything is here.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({
      sub,
      email: `${sub}@works.example`,
      email_verified: true,
      name: "Ana Ortega",
      preferred_username: `${sub}.works`,
    }),
  }),
});

provider.on("server_error", (_, error) => console.error(error));
provider.on("backchannel.error", (_, error) => console.error(error));
provider.listen(Number(PORT), "127.0.0.1");
