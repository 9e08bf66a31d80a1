//! What is wrong with a request, in fixed words.

use crate::domain::device::Waiting;
use crate::domain::new_password::UnfitPassword;
use crate::domain::refusal::{EndReason, Refusal};
use crate::domain::second_factor::SecondFactors;
use crate::service::failure::UnacceptableToken;

pub(crate) fn sentence(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::BadCredentials => "The username or the password is wrong.",
        Refusal::BadSecondFactor => "The code is wrong, or it was used before.",
        Refusal::BadMfaToken => "The mfa_token is unknown, has expired or was used. Please log in again.",
        Refusal::Unknown | Refusal::WrongClient | Refusal::Ahead => "The refresh token is invalid.",
        Refusal::BadCode => {
            "The authorization code is unknown, has expired, was used, or was made for another request."
        }
        Refusal::BadDeviceCode => "The device code is unknown, or it was used.",
        Refusal::Expired => "The refresh token has expired. Please log in again.",
        Refusal::Reused | Refusal::Ended(EndReason::Reuse) => {
            "The refresh token was already used. This login has been ended. Please log in again."
        }
        Refusal::Ended(_) => "This login has been ended. Please log in again.",
    }
}

/// What a user may type where a code is asked for.
pub(crate) fn code_methods(factors: SecondFactors) -> Vec<&'static str> {
    let all = [(factors.totp, "totp"), (factors.recovery_codes > 0, "recovery_code")];
    all.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect()
}

pub(crate) fn about_password(unfit: UnfitPassword) -> &'static str {
    match unfit {
        UnfitPassword::TooShort { .. } => "The new password has too few characters.",
        UnfitPassword::TooLong => "The new password is too long.",
        UnfitPassword::Common => {
            "The new password is one of the most common. Use a few words that nobody else would put together."
        }
        UnfitPassword::OwnWord => {
            "The new password is little more than the user's or this server's name. Use a few words that nobody else \
             would put together."
        }
    }
}

/// RFC 8693 §2.2.2. What is wrong with a token is not told: it may have been found somewhere.
pub(crate) fn about_exchange(token: UnacceptableToken) -> &'static str {
    match token {
        UnacceptableToken::Subject => "The subject_token is not good for this client to exchange.",
        UnacceptableToken::Actor => "The actor_token is not good for this client to exchange.",
        UnacceptableToken::Acting => "The subject_token does not let this actor act.",
    }
}

/// RFC 8628 §3.5.
pub(crate) fn about_device(waiting: Waiting) -> &'static str {
    match waiting {
        Waiting::Pending => "The user has not decided yet.",
        Waiting::SlowDown => "The user has not decided yet. Wait 5 seconds longer between two requests.",
        Waiting::Denied => "The user did not agree.",
        Waiting::Expired => "The user did not decide in time. Ask for a new device code.",
    }
}
