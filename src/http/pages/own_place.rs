//! The pages that are for signed-in users.

use crate::http::pages::visit::Visit;

/// A page of ours that is for signed-in users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnPlace {
    /// The user's devices and apps.
    Account,
    /// What the user agreed to.
    Apps,
    /// What happened lately.
    Activity,
    /// The change of password.
    Password,
    /// What the user signs in with.
    SignInMethods,
    /// The setting up of an authenticator app.
    Totp,
    /// What the user signs in with instead.
    Passkeys,
    /// The user's mail address.
    Addresses,
    /// What is kept of the user.
    Data,
    /// The end of the account.
    Removal,
    /// The providers that the account is linked to.
    Links,
    /// Whoever came back from a provider and is not known here.
    Arrival,
    /// The code that a device shows.
    Device,
    /// What operators see and do.
    Console,
}

impl OwnPlace {
    pub(crate) const ALL: [Self; 14] = [
        Self::Account,
        Self::Apps,
        Self::Activity,
        Self::Password,
        Self::SignInMethods,
        Self::Totp,
        Self::Passkeys,
        Self::Addresses,
        Self::Data,
        Self::Removal,
        Self::Links,
        Self::Arrival,
        Self::Device,
        Self::Console,
    ];

    /// Its path below the issuer's.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Account => "/account",
            Self::Apps => "/account/apps",
            Self::Activity => "/account/activity",
            Self::Password => "/account/password",
            Self::SignInMethods => "/account/sign-in-methods",
            Self::Totp => "/account/sign-in-methods/app",
            Self::Passkeys => "/account/passkeys",
            Self::Addresses => "/account/addresses",
            Self::Data => "/account/data",
            Self::Removal => "/account/delete",
            Self::Links => "/account/links",
            Self::Arrival => "/sign-in/new",
            Self::Device => "/device",
            Self::Console => "/admin",
        }
    }

    /// Where one signs in to go there.
    pub(crate) fn sign_in(self, visit: &Visit) -> String {
        visit.own("/sign-in", &self.sign_in_query(""))
    }

    /// The query of the sign-in page before it, with the page's own.
    pub(crate) fn sign_in_query(self, query: &str) -> String {
        let separator = if query.is_empty() { "" } else { "&" };
        format!("to={}{separator}{query}", self.path())
    }
}
