//! Whether what somebody showed is enough to be let in, and what is missing otherwise.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::authentication::{Authentication, ContextClass};
use crate::domain::family::UserAgentInfo;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::second_factor_policy::SecondFactorPolicy;
use crate::domain::secrets::SecretHash;

/// What a user has beside the first factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecondFactors {
    /// An authenticator app.
    pub totp: bool,
    /// Passkeys: two factors at once, and a second one after another.
    pub passkeys: bool,
    /// Recovery codes that are left: they stand in for another one.
    pub recovery_codes: u32,
}

impl SecondFactors {
    /// Whether there is one that goes with the password each time. Passkeys are there to do without it, and recovery
    /// codes alone are none.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.totp
    }

    /// The highest class that their owner can reach.
    #[must_use]
    pub fn reach(&self) -> ContextClass {
        match (self.passkeys, self.is_some()) {
            (true, _) => ContextClass::PhishingResistant,
            (false, true) => ContextClass::Two,
            (false, false) => ContextClass::One,
        }
    }
}

/// What is wanted of a sign-in beside that it is the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// The class to be reached, by whoever can.
    pub class: ContextClass,
    /// Whether it must be two factors, so that who has one alone sets up another.
    pub second_factor: SecondFactorPolicy,
}

/// What is missing of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// One of the user's other factors, with which this class is reached.
    Factor(ContextClass),
    /// The user has to set up a second factor first.
    Enrolment,
}

/// How an app that has no pages gets its user on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The user types a code there.
    Code,
    /// The user signs in at the pages, for only a passkey is enough.
    Passkey,
    /// The user goes to the pages, and sets up a second factor.
    Enrolment,
}

impl Missing {
    /// What an app that has no pages does about it, for a user who has these.
    #[must_use]
    pub fn remedy(self, factors: &SecondFactors) -> Remedy {
        match self {
            // Recovery codes stand in for an app, and for nothing else.
            Self::Factor(class) if class <= ContextClass::Two && factors.totp => Remedy::Code,
            Self::Factor(_) => Remedy::Passkey,
            Self::Enrolment => Remedy::Enrolment,
        }
    }
}

impl Demand {
    /// What every sign-in is asked for.
    pub const NOTHING: Self = Self { class: ContextClass::One, second_factor: SecondFactorPolicy::Optional };

    /// The least class that is enough for it, if it can be reached.
    #[must_use]
    pub fn least(&self) -> ContextClass {
        match self.second_factor {
            SecondFactorPolicy::Optional => self.class,
            SecondFactorPolicy::Required => self.class.max(ContextClass::Two),
        }
    }

    /// What is missing of a sign-in that begins. Whoever has a second factor shows it, whatever was asked for.
    #[must_use]
    pub fn missing_at_first(&self, reached: ContextClass, factors: &SecondFactors) -> Option<Missing> {
        let least = if factors.is_some() { ContextClass::Two } else { ContextClass::One };
        Self { class: self.class.max(least), ..*self }.missing(reached, factors)
    }

    /// What is missing of a sign-in that was let in before.
    #[must_use]
    pub fn missing(&self, reached: ContextClass, factors: &SecondFactors) -> Option<Missing> {
        let is_required = self.second_factor == SecondFactorPolicy::Required;
        let least = if is_required { ContextClass::Two } else { ContextClass::One };
        let reachable = self.class.max(least).min(factors.reach());
        if reached < reachable {
            Some(Missing::Factor(reachable))
        } else if reached < least {
            Some(Missing::Enrolment)
        } else {
            None
        }
    }
}

/// What an app is told that its sign-in waits for.
#[derive(Debug)]
pub struct WantedFactor {
    /// What it goes on with: `mfa_token`, `auth_session`.
    pub token: OpaqueSecret,
    /// How long that is good for.
    pub expires_in: Duration,
    /// What the user has.
    pub factors: SecondFactors,
}

/// A sign-in that has begun and wants more.
#[derive(Debug, Clone)]
pub struct SignInAttempt {
    /// `sha256` of what its browser, or its app, holds.
    pub secret_hash: SecretHash,
    /// Who showed what; `None` as long as nobody has.
    pub shown: Option<Authentication>,
    pub agent: UserAgentInfo,
    /// What an app asked for that has no pages, as JSON; `None` at the pages.
    pub login: Option<String>,
    /// What a ceremony that is under way has to remember, sealed.
    pub ceremony: Option<Vec<u8>>,
    pub expires_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: SecondFactors = SecondFactors { totp: false, passkeys: false, recovery_codes: 0 };
    const APP: SecondFactors = SecondFactors { totp: true, recovery_codes: 10, ..NONE };
    const PASSKEY: SecondFactors = SecondFactors { passkeys: true, ..NONE };

    fn demand(class: ContextClass, second_factor: SecondFactorPolicy) -> Demand {
        Demand { class, second_factor }
    }

    #[test]
    fn whoever_has_a_second_factor_shows_it_at_first() {
        let nothing = Demand::NOTHING;
        assert_eq!(nothing.missing_at_first(ContextClass::One, &NONE), None);
        let factor = Some(Missing::Factor(ContextClass::Two));
        assert_eq!(nothing.missing_at_first(ContextClass::One, &APP), factor);
        assert_eq!(nothing.missing_at_first(ContextClass::Two, &APP), None);
        assert_eq!(nothing.missing_at_first(ContextClass::PhishingResistant, &NONE), None);
    }

    #[test]
    fn a_passkey_is_asked_for_after_a_password_only_where_that_is_not_enough() {
        use SecondFactorPolicy::{Optional, Required};
        let first = |class, policy| demand(class, policy).missing_at_first(ContextClass::One, &PASSKEY);
        assert_eq!(first(ContextClass::One, Optional), None);
        assert_eq!(first(ContextClass::Two, Optional), Some(Missing::Factor(ContextClass::Two)));
        assert_eq!(first(ContextClass::One, Required), Some(Missing::Factor(ContextClass::Two)));
        let highest = Some(Missing::Factor(ContextClass::PhishingResistant));
        assert_eq!(first(ContextClass::PhishingResistant, Optional), highest);
        let both = SecondFactors { passkeys: true, ..APP };
        let of_both = demand(ContextClass::One, Optional).missing_at_first(ContextClass::One, &both);
        assert_eq!(of_both, Some(Missing::Factor(ContextClass::Two)), "whichever of them");
    }

    #[test]
    fn a_sign_in_from_before_is_asked_for_what_is_wanted_only() {
        assert_eq!(Demand::NOTHING.missing(ContextClass::One, &APP), None);
        let two = demand(ContextClass::Two, SecondFactorPolicy::Optional);
        assert_eq!(two.missing(ContextClass::One, &APP), Some(Missing::Factor(ContextClass::Two)));
        assert_eq!(two.missing(ContextClass::One, &NONE), None, "it cannot be reached");
        let highest = demand(ContextClass::PhishingResistant, SecondFactorPolicy::Optional);
        assert_eq!(highest.missing(ContextClass::One, &APP), Some(Missing::Factor(ContextClass::Two)));
        assert_eq!(highest.missing(ContextClass::Two, &APP), None);
    }

    #[test]
    fn where_two_factors_are_required_who_has_one_sets_up_another() {
        let required = demand(ContextClass::One, SecondFactorPolicy::Required);
        assert_eq!(required.missing(ContextClass::One, &NONE), Some(Missing::Enrolment));
        assert_eq!(required.missing(ContextClass::One, &APP), Some(Missing::Factor(ContextClass::Two)));
        assert_eq!(required.missing(ContextClass::Two, &NONE), None);
        let codes_alone = SecondFactors { recovery_codes: 3, ..NONE };
        assert_eq!(required.missing_at_first(ContextClass::One, &codes_alone), Some(Missing::Enrolment));
    }
    #[test]
    fn an_app_asks_for_a_code_only_where_one_is_enough() {
        let two = Missing::Factor(ContextClass::Two);
        assert_eq!(two.remedy(&APP), Remedy::Code);
        assert_eq!(two.remedy(&PASSKEY), Remedy::Passkey);
        let with_codes = SecondFactors { recovery_codes: 3, ..PASSKEY };
        assert_eq!(two.remedy(&with_codes), Remedy::Passkey, "they stand in for an app");
        let both = SecondFactors { passkeys: true, ..APP };
        assert_eq!(two.remedy(&both), Remedy::Code);
        assert_eq!(Missing::Factor(ContextClass::PhishingResistant).remedy(&both), Remedy::Passkey);
        assert_eq!(Missing::Enrolment.remedy(&NONE), Remedy::Enrolment);
    }
}
