//! Texts in TOML become what is declared. Everything that is wrong is told with its place, and not the first alone.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::domain::audience::Audience;
use crate::domain::client::{ClientMetadata, TokenExchangePolicy};
use crate::domain::ids::ClientId;
use crate::service::admin::files::client_entry::{ClientEntry, SecretReference};
use crate::service::admin::files::declared::{Declared, DeclaredClient, DeclaredSecret, DeclaredServer};
use crate::service::admin::files::fields::{fields_of, meant};
use crate::service::admin::files::mistake::{FilePlace, Mistake, Mistakes};
use crate::service::admin::files::server_entry::ServerEntry;

const NO_SECRETS: &str =
    "a secret never stands in a file: name where it is, by { env = \"VARIABLE\" } or { file = \"PATH\" }";

/// A file as it was read.
#[derive(Debug)]
pub struct SourceFile {
    pub name: String,
    pub text: String,
}

/// Reads all files as one.
///
/// # Errors
/// [`Mistakes`].
pub fn read(files: &[SourceFile], now: DateTime<Utc>) -> Result<Declared, Mistakes> {
    let (mut declared, mut mistakes) = (Declared::default(), Vec::new());
    for SourceFile { name, text } in files {
        let file = Arc::from(name.as_str());
        Reader { file, text, now, declared: &mut declared, mistakes: &mut mistakes }.read();
    }
    if mistakes.is_empty() { Ok(declared) } else { Err(Mistakes(mistakes)) }
}

struct Reader<'a> {
    file: Arc<str>,
    text: &'a str,
    now: DateTime<Utc>,
    declared: &'a mut Declared,
    mistakes: &'a mut Vec<Mistake>,
}

type Key<'a> = Spanned<std::borrow::Cow<'a, str>>;

impl Reader<'_> {
    fn read(&mut self) {
        let root = match DeTable::parse(self.text) {
            Ok(root) => root,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                return self.wrong(at, format!("this is not TOML: {}", error.message()));
            }
        };
        for (key, value) in root.get_ref() {
            if let Some(at) = nul_in(value) {
                self.wrong(at, "a text must not hold the character U+0000".to_owned());
                continue;
            }
            match key.get_ref().as_ref() {
                "clients" => self.entries((key, value), "[clients.ID]", Self::read_client),
                "resource_servers" => {
                    self.entries((key, value), "[resource_servers.\"AUDIENCE\"]", Self::read_server);
                }
                other => self.wrong(key.span().start, what_else(other)),
            }
        }
    }

    fn wrong(&mut self, at: usize, what: String) {
        self.mistakes.push(Mistake { place: self.place(at), what });
    }

    fn place(&self, at: usize) -> FilePlace {
        FilePlace::of(&self.file, self.text, at)
    }

    fn entries(
        &mut self,
        (key, value): (&Key<'_>, &Spanned<DeValue<'_>>),
        header: &str,
        read: impl Fn(&mut Self, &Key<'_>, &Spanned<DeValue<'_>>),
    ) {
        let DeValue::Table(entries) = value.get_ref() else {
            return self.wrong(key.span().start, format!("expected tables {header}"));
        };
        for (name, entry) in entries {
            match entry.get_ref() {
                DeValue::Table(_) => read(self, name, entry),
                _ => self.wrong(name.span().start, format!("expected a table {header}")),
            }
        }
    }

    fn read_client(&mut self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) {
        let at = key.span().start;
        let id: ClientId = match key.get_ref().parse() {
            Ok(id) => id,
            Err(error) => return self.wrong(at, format!("{error}")),
        };
        if let Some(other) = self.declared.clients.get(&id) {
            let what = format!("client {id} is declared twice: at {}, too", other.place);
            return self.wrong(at, what);
        }
        let of = format!("client {id}");
        let Some(mut form) = self.form::<ClientEntry>(&of, value) else { return };
        let Some(kind) = form.kind else {
            return self.wrong(at, format!("{of} lacks its kind: \"public\" or \"confidential\""));
        };
        let secret = form.secret.take();
        match form.read(id.clone(), kind, self.now) {
            Ok(client) if secret.is_some() && !client.has_secrets() => {
                self.wrong(at, format!("{of} does not authenticate with a secret: leave \"secret\" out"));
            }
            Ok(client) => {
                let secret = secret.map(|reference| DeclaredSecret { reference, hash: None });
                self.declared.clients.insert(id, DeclaredClient { place: self.place(at), client, secret });
            }
            Err(error) => self.wrong(at, format!("{of}: {error}")),
        }
    }

    fn read_server(&mut self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) {
        let at = key.span().start;
        let audience: Audience = match key.get_ref().parse() {
            Ok(audience) => audience,
            Err(error) => return self.wrong(at, format!("{error}")),
        };
        if let Some(other) = self.declared.servers.get(&audience) {
            let what = format!("resource server {audience} is declared twice: at {}, too", other.place);
            return self.wrong(at, what);
        }
        let of = format!("resource server {audience}");
        let Some(form) = self.form::<ServerEntry>(&of, value) else { return };
        let (server, algorithm) = form.read(audience.clone());
        if let Err(error) = server.check() {
            return self.wrong(at, format!("{of}: {error}"));
        }
        let place = self.place(at);
        self.declared.servers.insert(audience, DeclaredServer { place, server, algorithm });
    }

    /// Reads an entry, if nothing is wrong with its fields.
    fn form<T: DeserializeOwned>(&mut self, of: &str, value: &Spanned<DeValue<'_>>) -> Option<T> {
        let before = self.mistakes.len();
        self.look_at_fields(of, value, fields_of::<T>());
        if self.mistakes.len() > before {
            return None;
        }
        self.value(of, value)
    }

    fn look_at_fields(&mut self, of: &str, value: &Spanned<DeValue<'_>>, known: &[&str]) {
        let DeValue::Table(fields) = value.get_ref() else { return };
        for (key, value) in fields {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            if !known.contains(&name) {
                self.wrong(at, format!("unknown field \"{name}\" of {of}: {}", hint(name, known)));
                continue;
            }
            match (name, value.get_ref()) {
                ("metadata", DeValue::Table(_)) => {
                    let of = format!("the metadata of {of}");
                    // Read as what it is: so each mistake has its own place.
                    let _: Option<ClientMetadata> = self.form(&of, value);
                }
                ("token_exchange", DeValue::Table(_)) => {
                    self.look_at_fields(
                        &format!("token_exchange in {of}"),
                        value,
                        fields_of::<TokenExchangePolicy>(),
                    );
                }
                ("secret", DeValue::Table(_)) => self.look_at_secret(value),
                ("secret", _) => self.wrong(value.span().start, NO_SECRETS.to_owned()),
                _ => {}
            }
        }
    }

    /// Without a word of what stands there: somebody may have written the secret itself.
    fn look_at_secret(&mut self, value: &Spanned<DeValue<'_>>) {
        let read = SecretReference::deserialize_quietly(value);
        let fits = match &read {
            Some(SecretReference::Env(name)) => is_variable(name),
            Some(SecretReference::File(path)) => !path.is_empty(),
            None => false,
        };
        if !fits {
            self.wrong(value.span().start, NO_SECRETS.to_owned());
        }
    }

    fn value<T: DeserializeOwned>(&mut self, of: &str, value: &Spanned<DeValue<'_>>) -> Option<T> {
        match T::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(read) => Some(read),
            Err(error) => {
                let at = error.span().unwrap_or(value.span()).start;
                self.wrong(at, format!("{of}: {}", error.message()));
                None
            }
        }
    }
}

impl SecretReference {
    fn deserialize_quietly(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        serde::Deserialize::deserialize(ValueDeserializer::from(value.clone())).ok()
    }
}

fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn hint(name: &str, known: &[&str]) -> String {
    let in_metadata = known.contains(&"metadata") && fields_of::<ClientMetadata>().contains(&name);
    if in_metadata { "it belongs into the table \"metadata\"".to_owned() } else { meant(name, known) }
}

/// What there is to say of a table that is none of ours.
fn what_else(name: &str) -> String {
    let why = match name {
        "providers" | "upstream_providers" | "upstream" | "identity_providers" => {
            "where users may sign in instead is a setting of the server, sign_in.providers: `heirloom config print` \
             shows it"
        }
        "policies" | "policy" | "settings" => {
            "what holds for all clients are settings of the server: `heirloom config print` shows them. What holds for \
             one stands in its metadata, such as second_factor and refresh_token_rotation"
        }
        "roles" => {
            "a role is a word that users have, and needs no entry: `heirloom user set-roles` gives it. Whether tokens \
             tell it says \"roles\" of a resource server"
        }
        "scopes" => {
            "a scope needs no entry of its own: \"scope\" of a resource server says which it knows, and that of a \
             client which it may be granted"
        }
        _ => return format!("unknown table \"{name}\": {}", meant(name, &["clients", "resource_servers"])),
    };
    format!("there is no table \"{name}\": {why}")
}

/// Where a text holds what PostgreSQL does not store.
fn nul_in(value: &Spanned<DeValue<'_>>) -> Option<usize> {
    match value.get_ref() {
        DeValue::String(text) => text.contains('\0').then_some(value.span().start),
        DeValue::Array(values) => values.iter().find_map(nul_in),
        DeValue::Table(fields) => fields.iter().find_map(|(key, value)| {
            if key.get_ref().contains('\0') { Some(key.span().start) } else { nul_in(value) }
        }),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => None,
    }
}
