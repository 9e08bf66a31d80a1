//! An authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1), and what is to be done about it.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::audience::Audience;
use crate::domain::authentication::{Authentication, ContextClass};
use crate::domain::claims_request::ClaimsRequest;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::key_thumbprint::KeyThumbprint;
use crate::domain::pkce::CodeChallenge;
use crate::domain::scope::ScopeSet;
use crate::domain::second_factor::{Demand, SecondFactors};
use crate::domain::second_factor_policy::SecondFactorPolicy;
use crate::domain::secrets::SecretHash;
use crate::domain::sign_in::{Consent, SignInSession};

/// What a client asks the user's browser to ask for.
#[derive(Debug, Clone)]
pub struct AuthorizationRequest {
    pub client_id: ClientId,
    /// Where the code goes: registered, exactly as presented. Empty where it goes back in the answer itself.
    pub redirect_uri: String,
    /// The scopes.
    pub scope: ScopeSet,
    /// The services that the tokens shall be for (RFC 8707).
    pub audiences: Vec<Audience>,
    /// Comes back in the ID token.
    pub nonce: Option<String>,
    /// What the code's user has to know the source of.
    pub code_challenge: Option<CodeChallenge>,
    /// The key that the code's user has to hold: `dpop_jkt` (RFC 9449 §10).
    pub key_thumbprint: Option<KeyThumbprint>,
    /// How the user may be bothered.
    pub prompt: Prompt,
    /// How far the sign-in should go.
    pub class: AskedClass,
    /// How long ago the user may have signed in.
    pub max_age: Option<Duration>,
    /// Who the client believes is there: the `sub` of its `id_token_hint` or of its `claims`.
    pub expected_subject: Option<String>,
    /// What it would like to know claim by claim, as far as it may.
    pub claims: ClaimsRequest,
    /// The pushed request that it came by: used up with the code.
    pub pushed: Option<SecretHash>,
}

/// `prompt` (OpenID Connect Core §3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word that stands in the parameter or does not")]
pub struct Prompt {
    /// `none`: no page may be shown.
    pub none: bool,
    /// `login`: the user must sign in again.
    pub login: bool,
    /// `consent`: the user must be asked again.
    pub consent: bool,
    /// `select_account`: the user must be asked who to go on as.
    pub select_account: bool,
}

/// The text is no list of prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("prompt must be either none or a list of login, consent and select_account")]
pub struct InvalidPrompt;

impl Prompt {
    /// The values that are served.
    pub const VALUES: [&str; 4] = ["none", "login", "consent", "select_account"];
}

impl FromStr for Prompt {
    type Err = InvalidPrompt;

    fn from_str(text: &str) -> Result<Self, InvalidPrompt> {
        let mut prompt = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            match word {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                _ => return Err(InvalidPrompt),
            }
        }
        let bothers = prompt.login || prompt.consent || prompt.select_account;
        if prompt.none && bothers { Err(InvalidPrompt) } else { Ok(prompt) }
    }
}

/// The context class that a client asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AskedClass {
    #[default]
    Any,
    /// It would like this one (OpenID Connect Core §3.1.2.1, `acr_values`).
    Wanted(ContextClass),
    /// It gets nothing below this one (§5.5.1.1, an essential `acr`).
    Essential(ContextClass),
}

impl AskedClass {
    /// What nothing below is enough for, if there is such a class.
    #[must_use]
    pub fn essential(self) -> Option<ContextClass> {
        match self {
            Self::Any | Self::Wanted(_) => None,
            Self::Essential(class) => Some(class),
        }
    }

    /// What the user is asked for, as far as that can be reached.
    fn class(self) -> ContextClass {
        match self {
            Self::Any => ContextClass::One,
            Self::Wanted(class) | Self::Essential(class) => class,
        }
    }
}

/// What an authorization request needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The user signs in, or says who to go on as.
    SignIn,
    /// The user, who is signed in, shows another factor, too, or sets one up.
    StepUp,
    /// A class that this user cannot reach.
    Unreachable,
    /// The user agrees.
    Consent,
    /// Nothing: the code can be given.
    Nothing,
}

/// Whether the user has to be asked before this client is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agreement {
    /// The client is run by whoever runs this server.
    Implied,
    /// The user agreed to this much before.
    Remembered(Consent),
    /// The user agreed to just this, just now.
    Given,
    /// The user has to be asked each time, or was never asked.
    Missing,
}

impl AuthorizationRequest {
    /// What is to be agreed to. A claim that is asked for by name is agreed to as the scope that would open it.
    #[must_use]
    pub fn wanted(&self) -> Consent {
        Consent { scope: self.scope.union(&self.claims.scopes()), audiences: self.audiences.clone() }
    }

    /// What is wanted of the sign-in, where the server or the client has this policy.
    #[must_use]
    pub fn demand(&self, second_factor: SecondFactorPolicy) -> Demand {
        // Nobody is asked in silence for what the client could do without.
        let class = match self.class {
            AskedClass::Wanted(_) if self.prompt.none => ContextClass::One,
            asked => asked.class(),
        };
        Demand { class, second_factor }
    }

    /// Decides what comes next for the user of `session`, the browser's live one, whom the client knows by a name and
    /// who has these factors.
    #[must_use]
    pub fn need(
        &self,
        session: Option<(&SignInSession, &str)>,
        (demand, factors): (&Demand, &SecondFactors),
        agreement: &Agreement,
        now: DateTime<Utc>,
    ) -> Need {
        let Some((session, subject)) = session else { return Need::SignIn };
        let age = (now - session.authentication.at).to_std().unwrap_or_default();
        let too_old = self.max_age.is_some_and(|longest| age > longest || longest.is_zero());
        let somebody_else = self.expected_subject.as_ref().is_some_and(|expected| expected != subject);
        if self.prompt.login || self.prompt.select_account || too_old || somebody_else {
            return Need::SignIn;
        }
        let reached = session.authentication.class();
        if demand.missing(reached, factors).is_some() {
            return Need::StepUp;
        }
        if let AskedClass::Essential(class) = self.class
            && reached < class
        {
            return Need::Unreachable;
        }
        let agreed = match agreement {
            Agreement::Given => true,
            Agreement::Implied => !self.prompt.consent,
            Agreement::Remembered(consent) => !self.prompt.consent && consent.covers(&self.wanted()),
            Agreement::Missing => false,
        };
        if agreed { Need::Nothing } else { Need::Consent }
    }
}

/// An authorization code as it is kept: all that its exchange needs to know of the sign-in.
#[derive(Debug, Clone)]
pub struct AuthorizationCode {
    /// `sha256` of the code.
    pub code_hash: SecretHash,
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// Who agreed, and how that user signed in.
    pub authentication: Authentication,
    /// Where it was sent; empty when it was given to its client itself.
    pub redirect_uri: String,
    /// What its user has to know the source of.
    pub code_challenge: Option<CodeChallenge>,
    /// The key that its user has to hold.
    pub key_thumbprint: Option<KeyThumbprint>,
    /// Comes back in the ID token.
    pub nonce: Option<String>,
    /// What is granted.
    pub scope: ScopeSet,
    /// For which services.
    pub audiences: Vec<Audience>,
    /// The browser: nearest to what the family's owner will know it by.
    pub agent: UserAgentInfo,
    /// What the client would like to know claim by claim.
    pub claims: ClaimsRequest,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// The family that it gave, once it was used.
    pub family: Option<FamilyId>,
}

#[cfg(test)]
mod tests;
