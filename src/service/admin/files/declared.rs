//! What the files say there is to be.

use std::collections::BTreeMap;

use crate::domain::audience::Audience;
use crate::domain::client::Client;
use crate::domain::ids::ClientId;
use crate::domain::resource_server::ResourceServer;
use crate::domain::secrets::{ClientSecret, SecretHash};
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::service::admin::files::client_entry::SecretReference;
use crate::service::admin::files::mistake::{FilePlace, Mistake, Mistakes};

/// So short a secret could be guessed: only its hash is stored, and that is a fast one.
const SHORTEST_SECRET: usize = 32;

/// All that the files say.
#[derive(Debug, Default)]
pub struct Declared {
    pub(super) clients: BTreeMap<ClientId, DeclaredClient>,
    pub(super) servers: BTreeMap<Audience, DeclaredServer>,
}

#[derive(Debug)]
pub(super) struct DeclaredClient {
    pub(super) place: FilePlace,
    /// As a new one would be.
    pub(super) client: Client,
    pub(super) secret: Option<DeclaredSecret>,
}

#[derive(Debug)]
pub(super) struct DeclaredSecret {
    pub(super) reference: SecretReference,
    /// Once it was looked up.
    pub(super) hash: Option<SecretHash>,
}

#[derive(Debug)]
pub(super) struct DeclaredServer {
    pub(super) place: FilePlace,
    pub(super) server: ResourceServer,
    pub(super) algorithm: Option<SigningAlgorithm>,
}

impl Declared {
    /// Looks the secrets up that the files refer to. `look_up` gives the text, or says why there is none.
    ///
    /// # Errors
    /// [`Mistakes`].
    pub fn look_secrets_up(
        &mut self,
        look_up: impl Fn(&SecretReference, &FilePlace) -> Result<String, String>,
    ) -> Result<(), Mistakes> {
        let mut mistakes = Vec::new();
        for declared in self.clients.values_mut() {
            let Some(secret) = &mut declared.secret else { continue };
            match look_up(&secret.reference, &declared.place).and_then(|text| fit(&text)) {
                Ok(text) => secret.hash = Some(ClientSecret::presented(text).hash()),
                Err(what) => {
                    let what = format!("the secret of client {}: {what}", declared.client.id);
                    mistakes.push(Mistake { place: declared.place.clone(), what });
                }
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(Mistakes(mistakes)) }
    }
}

/// Files end with a line's end, and no secret does.
fn fit(text: &str) -> Result<String, String> {
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.len() < SHORTEST_SECRET {
        return Err(format!(
            "it must have at least {SHORTEST_SECRET} characters; `openssl rand -hex 32` makes a good one"
        ));
    }
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it must be made of visible ASCII characters, without spaces".to_owned());
    }
    Ok(secret.to_owned())
}
