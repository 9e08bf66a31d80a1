//! `--server URL`: commands over the admin API of a server that runs elsewhere, with an access token of their own. They
//! need no settings, no database and no master key.

mod admin_server;
pub(super) mod client;
pub(super) mod event;
pub(super) mod family;
pub(super) mod keys;
pub(super) mod registration_token;
mod server_url;
mod token_source;
pub(super) mod user;
mod user_import;

use std::path::PathBuf;

use clap::Args;

use crate::domain::right::Right;

use admin_server::{AdminServer, http_client};
use server_url::ServerUrl;
use token_source::TokenSource;

#[derive(Debug, Args)]
pub(super) struct RemoteArgs {
    /// Work over the admin API of the server at this URL instead of on the store: user, client, family, event, keys and
    /// registration-token do. The access token is `HEIRLOOM_TOKEN`, or fetched with `HEIRLOOM_CLIENT_ID` and
    /// `HEIRLOOM_CLIENT_SECRET` (or `HEIRLOOM_CLIENT_SECRET_FILE`)
    #[arg(long, global = true, value_name = "URL")]
    server: Option<ServerUrl>,
    /// The file that the access token for --server is in
    #[arg(long, global = true, value_name = "PATH")]
    token_file: Option<PathBuf>,
    /// Where the access token for --server is fetched, if the admin API has a listener of its own
    #[arg(long, global = true, value_name = "URL")]
    token_issuer: Option<ServerUrl>,
}

/// A server that runs elsewhere, and how to come by an access token for it.
#[derive(Debug)]
pub(super) struct Remote {
    server: ServerUrl,
    issuer: ServerUrl,
    token_file: Option<PathBuf>,
}

impl RemoteArgs {
    /// `None` where the command is to work on the store.
    pub(super) fn chosen(self) -> anyhow::Result<Option<Remote>> {
        let Self { server, token_file, token_issuer } = self;
        let Some(server) = server else {
            anyhow::ensure!(
                token_file.is_none() && token_issuer.is_none(),
                "--token-file and --token-issuer go with --server"
            );
            return Ok(None);
        };
        let issuer = token_issuer.unwrap_or_else(|| server.clone());
        Ok(Some(Remote { server, issuer, token_file }))
    }
}

impl Remote {
    /// The server, with a token that is to have these rights.
    async fn open(&self, rights: &[Right]) -> anyhow::Result<AdminServer> {
        let source = TokenSource::chosen(self.token_file.as_deref())?;
        let token = source.token(&http_client(&self.issuer)?, &self.issuer, rights).await?;
        AdminServer::new(self.server.clone(), token)
    }
}

/// Why a command is not done over the API.
pub(super) fn on_the_store_alone<T>(command: &str) -> anyhow::Result<T> {
    anyhow::bail!("`heirloom {command}` works on the store alone: run it beside the server, without --server")
}
