//! This server as passkeys know it: a relying party of Web Authentication, on top of `webauthn-rs`.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    AuthenticationResult, DiscoverableAuthentication, DiscoverableKey, Passkey as Credential,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use crate::domain::ids::UserId;
use crate::domain::passkey::{PasskeyState, UnfitPasskey};

/// Web Authentication §6.1: no authenticator names a credential by more bytes.
const LONGEST_CREDENTIAL_ID: usize = 1023;

/// This server as passkeys know it.
#[derive(Clone)]
pub struct RelyingParty {
    webauthn: Webauthn,
    id: String,
}

/// This server cannot be a relying party: its host has no name, or is not reached by https, or the id is none of its
/// host's.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not the host of {1}, nor a domain that it is in")]
pub struct UnfitRelyingParty(String, String);

/// A ceremony that has begun: what the browser is asked, and what has to be known when it answers.
#[derive(Debug)]
pub struct BegunCeremony {
    /// For `parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`.
    pub options: Value,
    pub state: String,
}

/// Who gets a passkey, as the browser and the device show it.
#[derive(Debug)]
pub struct PasskeyOwner<'a> {
    pub user: UserId,
    pub name: &'a str,
    pub display_name: &'a str,
}

/// What a new passkey is known by, and verified with.
#[derive(Debug)]
pub struct NewCredential {
    pub id: Vec<u8>,
    pub credential: String,
    pub state: PasskeyState,
}

/// An answer of a browser whose user chose a passkey. Nothing of it is to be believed yet.
#[derive(Debug)]
pub struct PresentedPasskey(PublicKeyCredential);

impl RelyingParty {
    /// A relying party with an id (the host's name, or a domain that it is in), a name for people, and the origins of
    /// its pages, of which the first is the issuer's.
    ///
    /// # Errors
    /// [`UnfitRelyingParty`].
    pub fn new(id: &str, name: &str, origin: &Url, related: &[Url]) -> Result<Self, UnfitRelyingParty> {
        let unfit = |_| UnfitRelyingParty(id.to_owned(), origin.to_string());
        let builder = WebauthnBuilder::new(id, origin).map_err(unfit)?.rp_name(name);
        let builder = related.iter().fold(builder, WebauthnBuilder::append_allowed_origin);
        Ok(Self { webauthn: builder.build().map_err(unfit)?, id: id.to_owned() })
    }

    /// `rp.id`
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Asks for a new passkey on a device that has none of these: one that the device finds by itself, and that it
    /// lets nobody use without making sure who that is.
    ///
    /// # Errors
    /// [`UnfitPasskey::Malformed`] when the user's names cannot be shown.
    pub fn begin_registration(
        &self,
        owner: &PasskeyOwner<'_>,
        known: Vec<Vec<u8>>,
    ) -> Result<BegunCeremony, UnfitPasskey> {
        let (asked, state) = self
            .webauthn
            // The id is the user handle: it says nothing of the user, and stays.
            .start_passkey_registration(owner.user.0, owner.name, owner.display_name, Some(known))
            .map_err(|error| unfit(&error))?;
        let mut options = json!(asked.public_key);
        // The library leaves it to the device; who signs in without a name needs it (Web Authentication §5.4.6).
        if let Some(selection) = options.get_mut("authenticatorSelection") {
            *selection = json!({
                "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
            });
        }
        Ok(BegunCeremony { options, state: written(&state) })
    }

    /// Takes a new passkey.
    ///
    /// # Errors
    /// [`UnfitPasskey`].
    pub fn finish_registration(&self, answer: &str, state: &str) -> Result<NewCredential, UnfitPasskey> {
        let answer: RegisterPublicKeyCredential = read(answer)?;
        check_same_site(&answer.response.client_data_json)?;
        let state: PasskeyRegistration = read(state)?;
        let rk = answer.extensions.cred_props.as_ref().and_then(|properties| properties.rk);
        if rk == Some(false) {
            return Err(UnfitPasskey::NotDiscoverable);
        }
        let finished = self.webauthn.finish_passkey_registration(&answer, &state);
        let credential = finished.map_err(|error| unfit(&error))?;
        if credential.cred_id().len() > LONGEST_CREDENTIAL_ID {
            return Err(UnfitPasskey::Malformed);
        }
        let inner: webauthn_rs::prelude::Credential = credential.clone().into();
        Ok(NewCredential {
            id: credential.cred_id().clone(),
            credential: written(&credential),
            state: PasskeyState {
                sign_count: inner.counter,
                backup_eligible: inner.backup_eligible,
                backed_up: inner.backup_state,
            },
        })
    }

    /// Asks for a passkey: one of these, or, where there are none, any that the device has for this server.
    ///
    /// # Errors
    /// [`UnfitPasskey`] when the library makes none.
    pub fn begin_sign_in(&self, allowed: &[Vec<u8>]) -> Result<BegunCeremony, UnfitPasskey> {
        let started = self.webauthn.start_discoverable_authentication();
        let (asked, state) = started.map_err(|error| unfit(&error))?;
        let mut options = json!(asked.public_key);
        let descriptor = |id: &Vec<u8>| json!({ "type": "public-key", "id": base64url(id) });
        if let Some(list) = options.get_mut("allowCredentials") {
            *list = allowed.iter().map(descriptor).collect();
        }
        Ok(BegunCeremony { options, state: written(&state) })
    }

    /// Verifies an answer with the passkey that it names: what that has become by it, and how it is to be stored.
    ///
    /// # Errors
    /// [`UnfitPasskey`].
    pub fn finish_sign_in(
        &self,
        presented: &PresentedPasskey,
        state: &str,
        credential: &str,
    ) -> Result<(PasskeyState, String), UnfitPasskey> {
        check_same_site(&presented.0.response.client_data_json)?;
        let state: DiscoverableAuthentication = read(state)?;
        let mut credential: Credential = read(credential)?;
        let key = DiscoverableKey::from(&credential);
        let finished = self.webauthn.finish_discoverable_authentication_v2(&presented.0, state, key);
        let result: AuthenticationResult = finished.map_err(|error| unfit(&error))?;
        if !result.user_verified() {
            return Err(UnfitPasskey::NotVerified);
        }
        credential.update_credential(&result);
        let state = PasskeyState {
            sign_count: result.counter(),
            backup_eligible: result.backup_eligible(),
            backed_up: result.backup_state(),
        };
        Ok((state, written(&credential)))
    }
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelyingParty({})", self.id)
    }
}

impl PresentedPasskey {
    /// # Errors
    /// [`UnfitPasskey::Malformed`].
    pub fn read(answer: &str) -> Result<Self, UnfitPasskey> {
        read(answer).map(Self)
    }

    #[must_use]
    pub fn credential_id(&self) -> &[u8] {
        self.0.get_credential_id()
    }

    /// Whose it is, as the device says; a device that was told which passkeys may be used need not say it.
    ///
    /// # Errors
    /// [`UnfitPasskey::Unknown`] when it can be nobody's here.
    pub fn user(&self) -> Result<Option<UserId>, UnfitPasskey> {
        let handle = self.0.get_user_unique_id().filter(|handle| !handle.is_empty());
        let user = handle.map(Uuid::from_slice).transpose();
        user.map(|user| user.map(UserId)).map_err(|_| UnfitPasskey::Unknown)
    }
}

/// The challenge of a ceremony, as it stands in its options.
#[must_use]
pub fn challenge_of(options: &Value) -> &str {
    options.get("challenge").and_then(Value::as_str).unwrap_or_default()
}

/// In the form that options and answers have.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Web Authentication §7.2: no page of ours stands in another site's. The library looks only at new passkeys for that.
fn check_same_site(client_data: &[u8]) -> Result<(), UnfitPasskey> {
    let data: Value = serde_json::from_slice(client_data).map_err(|_| UnfitPasskey::Malformed)?;
    let is_within_another = data.get("crossOrigin").is_some_and(|value| *value != json!(false));
    if is_within_another { Err(UnfitPasskey::OtherSite) } else { Ok(()) }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, UnfitPasskey> {
    serde_json::from_str(text).map_err(|_| UnfitPasskey::Malformed)
}

fn written<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| unreachable!("it is JSON: {error}"))
}

fn unfit(error: &WebauthnError) -> UnfitPasskey {
    match error {
        WebauthnError::MismatchedChallenge => UnfitPasskey::OtherChallenge,
        WebauthnError::InvalidRPOrigin
        | WebauthnError::InvalidRPIDHash
        | WebauthnError::CredentialCrossOrigin => UnfitPasskey::OtherSite,
        WebauthnError::UserNotPresent | WebauthnError::UserNotVerified => UnfitPasskey::NotVerified,
        WebauthnError::CredentialPossibleCompromise => UnfitPasskey::Copied,
        WebauthnError::CredentialExcludedFromRequest => UnfitPasskey::Taken,
        WebauthnError::CredentialNotFound | WebauthnError::InvalidUserUniqueId => UnfitPasskey::Unknown,
        WebauthnError::ParseBase64Failure(_)
        | WebauthnError::ParseCBORFailure(_)
        | WebauthnError::ParseJSONFailure(_)
        | WebauthnError::ParseNOMFailure
        | WebauthnError::ParseInsufficientBytesAvailable
        | WebauthnError::InvalidClientDataType => UnfitPasskey::Malformed,
        _ => UnfitPasskey::BadSignature,
    }
}
