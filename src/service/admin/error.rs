//! Why an operator's order is not carried out.

use uuid::Uuid;

use crate::crypto::master_key::CannotOpen;
use crate::domain::audience::Audience;
use crate::domain::client::{Contradiction, GrantType};
use crate::domain::family::InvalidRotationPolicy;
use crate::domain::ids::{ClientId, FamilyId, UserId, WebhookId};
use crate::domain::import_job::ImportState;
use crate::domain::lifetimes::InvalidLifetimes;
use crate::domain::redirect_rule::UnfitUri;
use crate::domain::subject::NoSector;
use crate::domain::user::{UnfitEmail, UnfitRole, UnfitUsername, Username};
use crate::outbound::NoAnswer;
use crate::service::Failure;
use crate::service::keys::ring::KeysUnreadable;
use crate::store::StoreError;

/// So many webhooks are looked at one by one.
pub const MOST_WEBHOOKS: i64 = 50;

/// Why an operator's order is not carried out, in sentences for the operator.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("there is no client {0}")]
    NoClient(ClientId),
    #[error("the client {0} was removed; an id is never given out twice")]
    ClientRemoved(ClientId),
    #[error("there is or was a client {0}; an id is never given out twice")]
    ClientIdTaken(ClientId),
    #[error("{0} does not authenticate with a secret")]
    NoSecrets(ClientId),
    #[error("there is no user with the name {0}")]
    NoUser(Username),
    #[error("there is no user with the id {}", .0.0)]
    NoUserId(UserId),
    /// It is not what its changer has seen any more.
    #[error("it was changed since you have looked at it")]
    Stale,
    #[error("there already is a user with the name {0}")]
    UsernameTaken(Username),
    #[error("the address {0} is verified as another user's")]
    EmailTaken(String),
    #[error("{0} is the verified address of another user, who signs in by it")]
    UsernameIsEmail(Username),
    #[error("accounts.sign_up is off, or there is no mail: nobody could follow the invitation")]
    NoSignUp,
    #[error("nobody is invited by the address {0}, or no more: it was used, or has expired")]
    NotInvited(String),
    #[error("too many mails were written to this address of late")]
    TooManyMails,
    #[error(
        "the authenticator app of {0} cannot be told: {1}. With the master key it can; `heirloom user reset-mfa` takes \
         the app away"
    )]
    UnreadableTotp(Username, CannotOpen),
    #[error(transparent)]
    UnfitUsername(#[from] UnfitUsername),
    #[error(transparent)]
    UnfitEmail(#[from] UnfitEmail),
    #[error(transparent)]
    UnfitRole(#[from] UnfitRole),
    #[error("a client's name must have no blanks at its ends and no characters that cannot be seen")]
    UnfitClientName,
    #[error("the user did not agree to anything of the client {0}")]
    NoConsent(ClientId),
    #[error("there is no live family {0}")]
    NoLiveFamily(FamilyId),
    #[error("no algorithm is set for the audience {0}")]
    NoAudience(Audience),
    #[error("nothing is said of the audience {0}")]
    NoResourceServer(Audience),
    #[error("something is said of the audience {0} already")]
    ResourceServerTaken(Audience),
    #[error("there is no webhook {0}")]
    NoWebhook(WebhookId),
    #[error("there is no webhook {0} that is disabled")]
    NoDisabledWebhook(WebhookId),
    #[error("there is no webhook {0} that is enabled")]
    NoEnabledWebhook(WebhookId),
    #[error("the webhook {0} is disabled; `heirloom webhook enable` lets it be told again")]
    DisabledWebhook(WebhookId),
    #[error("there are {MOST_WEBHOOKS} webhooks, the most that there may be")]
    TooManyWebhooks,
    #[error("{0}; outbound.allowed_networks names your own networks")]
    WebhookUrl(NoAnswer),
    #[error("the webhook has not taken it: {0}")]
    Untold(NoAnswer),
    #[error("there is no delivery {0}")]
    NoDelivery(Uuid),
    #[error("the delivery {0} is under way")]
    DeliveryUnderWay(Uuid),
    #[error("there is no job {0}")]
    NoJob(Uuid),
    #[error("the job has ended: it is {}", .0.as_str())]
    JobEnded(ImportState),
    #[error("there is no registration token {0}")]
    NoRegistrationToken(Uuid),
    #[error("{0}: {1}")]
    UnfitRedirectUri(String, UnfitUri),
    #[error("a public client cannot use {}: it does not have a secret to show", .0.as_str())]
    NotForPublicClients(GrantType),
    #[error("metadata: {0}")]
    Metadata(#[from] Contradiction),
    /// A JSON object whose members are not what they should be.
    #[error("{0}: {1}")]
    Members(&'static str, serde_json::Error),
    #[error(transparent)]
    Lifetimes(#[from] InvalidLifetimes),
    #[error(transparent)]
    Rotation(#[from] InvalidRotationPolicy),
    /// The operator is to be asked first.
    #[error(
        "live logins of {client}: {live}; with the rotation policy always, those of them end whose holders present \
         different tokens"
    )]
    Unconfirmed { client: ClientId, live: u64 },
    #[error(transparent)]
    Sector(#[from] NoSector),
    #[error(transparent)]
    Keys(#[from] KeysUnreadable),
    /// It took so long that the same request has come again and is worked on.
    #[error("the request took so long that the same one, which came again, is worked on instead")]
    ClaimLost,
    #[error(transparent)]
    Service(#[from] Failure),
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}
