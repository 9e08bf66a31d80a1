//! Why the console does not do what it was asked for.

use serde_json::{Value, json};

use crate::domain::error_causes::with_causes;
use crate::http::pages::account::unfit_text;
use crate::http::stop::{PageError, Stop};
use crate::service::Failure;
use crate::service::admin::error::AdminError;

/// Why a page is not what was asked for.
#[derive(Debug)]
pub(super) enum Trouble {
    Stop(Stop),
    /// There is no such thing, or not any more.
    Gone,
    /// What was typed does not fit.
    Unfit(Mistyped),
}

/// What does not fit, told beside the field that it was typed into.
#[derive(Debug)]
pub(super) struct Mistyped {
    /// The field's name; empty where it is of all of them.
    pub(super) field: &'static str,
    /// The key of the text.
    text: &'static str,
    /// What the service says of it, for those who know its words.
    detail: Option<String>,
}

impl Mistyped {
    pub(super) fn new(field: &'static str, text: &'static str) -> Self {
        Self { field, text, detail: None }
    }

    pub(super) fn detailed(field: &'static str, text: &'static str, detail: &impl ToString) -> Self {
        Self { field, text, detail: Some(detail.to_string()) }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "field": self.field, "text": self.text, "detail": self.detail })
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<PageError> for Trouble {
    fn from(error: PageError) -> Self {
        Self::Stop(error.into())
    }
}

impl From<Mistyped> for Trouble {
    fn from(mistake: Mistyped) -> Self {
        Self::Unfit(mistake)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound => Self::Gone,
            Failure::UnfitPassword(unfit) => Mistyped::new("new_password", unfit_text(unfit)).into(),
            failure => Self::Stop(failure.into()),
        }
    }
}

impl From<AdminError> for Trouble {
    fn from(error: AdminError) -> Self {
        let detail = error.to_string();
        match error {
            AdminError::NoClient(_)
            | AdminError::ClientRemoved(_)
            | AdminError::NoUser(_)
            | AdminError::NoUserId(_)
            | AdminError::NoConsent(_)
            | AdminError::NoLiveFamily(_)
            | AdminError::NoAudience(_)
            | AdminError::NoResourceServer(_)
            | AdminError::NoWebhook(_)
            | AdminError::NoDisabledWebhook(_)
            | AdminError::NoEnabledWebhook(_)
            | AdminError::NoDelivery(_)
            | AdminError::NoJob(_)
            | AdminError::NoRegistrationToken(_)
            | AdminError::NotInvited(_) => Self::Gone,
            AdminError::Stale => Mistyped::new("", "console_stale").into(),
            AdminError::UsernameTaken(_) => Mistyped::new("username", "console_username_taken").into(),
            AdminError::UsernameIsEmail(_) => Mistyped::new("username", "console_username_is_email").into(),
            AdminError::UnfitUsername(_) => Mistyped::new("username", "console_username_unfit").into(),
            AdminError::EmailTaken(_) => Mistyped::new("email", "console_email_taken").into(),
            AdminError::UnfitEmail(_) => Mistyped::new("email", "console_email_unfit").into(),
            AdminError::UnfitRole(_) => Mistyped::new("roles", "console_role_unfit").into(),
            AdminError::ClientIdTaken(_) => Mistyped::new("client_id", "console_client_id_taken").into(),
            AdminError::UnfitClientName => Mistyped::new("name", "console_client_name_unfit").into(),
            AdminError::UnfitRedirectUri(..) => {
                Mistyped::detailed("redirect_uris", "console_redirect_uri_unfit", &detail).into()
            }
            AdminError::Lifetimes(_) => {
                Mistyped::detailed("access_ttl", "console_lifetimes_unfit", &detail).into()
            }
            AdminError::Unconfirmed { .. }
            | AdminError::NoSecrets(_)
            | AdminError::NoSignUp
            | AdminError::TooManyMails
            | AdminError::UnreadableTotp(..)
            | AdminError::DisabledWebhook(_)
            | AdminError::TooManyWebhooks
            | AdminError::JobEnded(_)
            | AdminError::WebhookUrl(_)
            | AdminError::Untold(_)
            | AdminError::DeliveryUnderWay(_)
            | AdminError::NotForPublicClients(_)
            | AdminError::ResourceServerTaken(_)
            | AdminError::Metadata(_)
            | AdminError::Members(..)
            | AdminError::Rotation(_)
            | AdminError::ClaimLost
            | AdminError::Sector(_) => Mistyped::detailed("", "console_unfit", &detail).into(),
            AdminError::Keys(unreadable) => {
                tracing::error!(cause = with_causes(&unreadable), "the console cannot change the keys");
                Self::Stop(Failure::NoSigningKey.into())
            }
            AdminError::Service(failure) => failure.into(),
        }
    }
}
