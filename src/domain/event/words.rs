//! What an event tells by one word of a list. The words are part of the interface.

/// A variant for each word, and the words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident: $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            #[cfg(test)]
            #[allow(dead_code, reason = "a test asks for those of some")]
            pub(super) const WORDS: &[&str] = &[$($word),+];

            pub(super) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// What changed of a user.
    UserChange {
        Added: "added",
        Password: "password",
        OwnPassword: "own_password",
        Roles: "roles",
        Details: "details",
        SignedUp: "signed_up",
        PasswordReset: "password_reset",
        EmailVerified: "email_verified",
        EmailChanged: "email_changed",
        EmailUnverified: "email_unverified",
        Disabled: "disabled",
        Enabled: "enabled",
        Removed: "removed",
        LoginsEnded: "logins_ended",
        OwnLoginsEnded: "own_logins_ended",
        OwnRemoval: "own_removal",
        TotpAdded: "totp_added",
        TotpRemoved: "totp_removed",
        RecoveryCodesRenewed: "recovery_codes_renewed",
        FactorsReset: "factors_reset",
        Linked: "linked",
        Unlinked: "unlinked",
    }
}

words! {
    /// How an import ended.
    ImportEnd {
        Done: "done",
        Failed: "failed",
        Cancelled: "cancelled",
    }
}

words! {
    /// What changed of a client.
    ClientChange {
        Added: "added",
        Updated: "updated",
        SecretRotated: "secret_rotated",
        Removed: "removed",
        RegisteredItself: "registered_itself",
        UpdatedItself: "updated_itself",
        ConsentsForgotten: "consents_forgotten",
        RemovedItself: "removed_itself",
    }
}

words! {
    /// What changed of an audience.
    AudienceChange {
        AlgorithmSet: "algorithm_set",
        AlgorithmRemoved: "algorithm_removed",
        SettingsAdded: "settings_added",
        SettingsUpdated: "settings_updated",
        SettingsRemoved: "settings_removed",
    }
}

words! {
    /// Why a webhook is told of nothing any more.
    DisablingReason {
        Gone: "gone",
        Operator: "operator",
    }
}

words! {
    /// In what a replay differs from the rotation whose answer it repeats.
    ReplayDifference {
        Address: "address",
        Agent: "agent",
        AddressAndAgent: "address_and_agent",
    }
}

words! {
    /// Of what there were too many mails.
    MailLimit {
        Address: "address",
        Account: "account",
    }
}

words! {
    /// Why a mail was given up.
    MailEnd {
        Refused: "refused",
        TooLate: "too_late",
        TriedOften: "tried_often",
    }
}

words! {
    /// What should never happen.
    Alarm {
        ForeignSecret: "a token with a genuine MAC and a foreign secret",
        FactorUnreadable: "the sealed secret of a user's second factor does not open",
        AheadOfRow: "a genuine token is ahead of its row: was the database restored?",
    }
}
