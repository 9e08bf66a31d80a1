//! The providers of the settings, in their order.

use crate::domain::upstream::Provider;

/// The providers.
#[derive(Debug, Default)]
pub struct Providers(Vec<Provider>);

impl Providers {
    #[must_use]
    pub fn new(providers: Vec<Provider>) -> Self {
        Self(providers)
    }

    /// All, in the order of their buttons.
    pub fn all(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter()
    }

    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Provider> {
        self.all().find(|provider| provider.id == id)
    }

    /// The one of an issuer: of several, the first.
    #[must_use]
    pub fn of_issuer(&self, issuer: &str) -> Option<&Provider> {
        self.all().find(|provider| provider.issuer == issuer)
    }

    /// The one whose people have such an address.
    #[must_use]
    pub fn home_of(&self, email: &str) -> Option<&Provider> {
        self.all().find(|provider| provider.is_home_of(email))
    }

    /// The one that is asked first whether somebody is signed in there.
    #[must_use]
    pub fn asked_first(&self) -> Option<&Provider> {
        self.all().find(|provider| provider.hands_over)
    }
}
