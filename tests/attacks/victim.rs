//! Who is attacked, and what rows share.

use std::sync::atomic::{AtomicUsize, Ordering};

use heirloom::domain::client::{ClientKind, GrantType, Party};
use serde_json::json;

use crate::harness::*;

impl TestApp {
    /// Ana and the clients that rows take for granted.
    pub async fn with_victims(&self) {
        self.with_apps().await;
        self.add_strict_client().await;
        self.add_client("elsewhere", |_| ()).await;
    }

    /// A user whom no other row knows.
    pub async fn somebody(&self) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("user{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        self.add_user(&name).await;
        name
    }

    /// A login of somebody.
    pub async fn login_of_somebody(&self) -> Tokens {
        let name = self.somebody().await;
        self.log_in(&name).await
    }

    /// A confidential client for one row, with the scopes of operators' scripts; gives its token.
    pub async fn token_with(&self, scopes: &str) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let id = format!("script{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let secret = self.add_client(&id, |it| {
            it.kind = ClientKind::Confidential(Vec::new());
            it.party = Party::First;
            it.grants = [GrantType::ClientCredentials].into();
            it.scopes = scopes.parse().unwrap();
        });
        let secret = secret.await.unwrap().expose().to_owned();
        let issued =
            self.form_as("/oauth/token", (&id, &secret), &[("grant_type", "client_credentials")]).await;
        issued.text("access_token").to_owned()
    }

    /// A refresh of the standard face.
    pub async fn refresh_form(&self, changes: &[(&str, &str)]) -> Answer {
        let usual = [("grant_type", "refresh_token"), ("client_id", "heirloom")];
        let kept = usual.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        self.form("/oauth/token", &kept.chain(changes.iter().copied()).collect::<Vec<_>>()).await
    }

    /// Whether this login still refreshes: `lives` or what it is told.
    pub async fn state_of(&self, refresh_token: &str) -> String {
        let answer = self.refresh(refresh_token).await;
        if answer.status == 200 { "lives".to_owned() } else { answer.code() }
    }

    /// What a login with this password is told, by its status.
    pub async fn tries(&self, name: &str, password: &str) -> u16 {
        let body = json!({ "username": name, "password": password });
        self.send(self.http.post(self.at("/login")).json(&body)).await.status.as_u16()
    }

    /// Who may see the user, by this access token: a status, or a status and a code.
    pub async fn shown(&self, token: &str) -> String {
        let answer = self.get("/oauth/userinfo", token).await;
        if answer.status == 200 { "200".to_owned() } else { answer.code() }
    }
}

/// What came back, each once, in order: of many spellings of one attack all must come to the same.
pub fn each_once(back: impl IntoIterator<Item = String>) -> String {
    let mut all: Vec<String> = back.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    all.join(", ")
}
