//! `/admin/v1/clients`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::client::{ClientKind, Party};
use crate::domain::ids::ClientId;
use crate::domain::lifetimes::LifetimeOverrides;
use crate::domain::right::{Area, Right};
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::ClientSecret;
use crate::http::admin::ended::done_telling;
use crate::http::admin::guard::{AdminRequest, Answered};
use crate::http::admin::listing::{Listed, Part};
use crate::http::admin::made::{KeyHeader, created, done};
use crate::http::admin::naming::{client_named, duration, member, members};
use crate::http::admin::problem::{AdminProblem, Refusals};
use crate::http::admin::reading::{object, object_if_any, query, seen, tagged};
use crate::http::body::Body;
use crate::service::admin::client_changes::ClientChanges;
use crate::service::admin::clients;
use crate::service::admin::once::Once;
use crate::service::admin::views::ClientView;

const READ: Right = Right::Read(Area::Clients);
const WRITE: Right = Right::Write(Area::Clients);

/// So many families of a removed client end in one transaction.
const BATCH: i64 = 500;

/// Clients, by id.
#[utoipa::path(get, path = "/admin/v1/clients", tag = "clients", operation_id = "listClients",
    params(Part, ("q" = Option<String>, Query, description = "Those whose ids begin so")),
    responses(
        (status = 200, body = inline(Listed<ClientView>)),
        Refusals,
    ))]
pub(super) async fn list(asked: AdminRequest) -> Answered {
    asked
        .opens(READ, async |core, _| {
            let query = query(&asked.request, &["limit", "after", "q"])?;
            let part = Part::asked(&query)?;
            let (after, limit) = (part.after_parsed()?, part.with_one_more());
            let listed = match query.get("q") {
                None => clients::list(&core, after.as_ref(), limit).await?,
                Some(beginning) => clients::list_beginning(&core, beginning, after.as_ref(), limit).await?,
            };
            Ok(HttpResponse::Ok().json(part.of(listed, |client| client.client_id.to_string())))
        })
        .await
}

/// One client.
#[utoipa::path(get, path = "/admin/v1/clients/{id}", tag = "clients", operation_id = "getClient",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = ClientView, headers(("ETag", description = "For If-Match"))),
        Refusals,
    ))]
pub(super) async fn show(asked: AdminRequest, id: web::Path<String>) -> Answered {
    asked
        .opens(READ, async |core, now| {
            Ok(tagged(HttpResponse::Ok(), &clients::show(&core, &client_named(&id)?, now).await?))
        })
        .await
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum NewKind {
    /// It cannot keep a secret: a browser or mobile app.
    Public,
    /// It authenticates: with a secret, unless its metadata say with its keys.
    Confidential,
}

/// What is said of a client, with what else some ask of it. (serde refuses unknown members of no flattened structs.)
macro_rules! client_body {
    ($(#[$doc:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($own)*
            /// Whether it is run by whoever runs this server: it may take passwords.
            first_party: Option<bool>,
            name: Option<String>,
            redirect_uris: Option<Vec<String>>,
            post_logout_redirect_uris: Option<Vec<String>>,
            /// Sites whose scripts are its own, beside those that its redirect URIs lead to.
            origins: Option<Vec<String>>,
            /// `pkce`, `pkce-or-nonce` or `optional`.
            code_protection: Option<String>,
            /// The members of its metadata (RFC 7591) that change; null takes one away.
            #[schema(value_type = Option<Object>)]
            metadata: Option<Map<String, Value>>,
            grants: Option<Vec<String>>,
            /// With spaces between scopes.
            scope: Option<String>,
            /// What it may choose with `resource`.
            audiences: Option<Vec<String>>,
            /// What it is itself.
            serves: Option<Vec<String>>,
            /// Such as 15m.
            access_ttl: Option<String>,
            idle_ttl: Option<String>,
            absolute_ttl: Option<String>,
            leeway: Option<String>,
            /// Whether a change is made that may end logins.
            #[serde(default)]
            confirmed: bool,
        }

        impl $name {
            fn changes(self) -> Result<ClientChanges, AdminProblem> {
                let code_protection = self.code_protection.as_deref().map(|text| member("code_protection", text));
                let scopes = self.scope.as_deref().map(ScopeSet::typed).transpose();
                Ok(ClientChanges {
                    party: self.first_party.map(|is_first| if is_first { Party::First } else { Party::Third }),
                    name: self.name,
                    redirect_uris: self.redirect_uris,
                    post_logout_redirect_uris: self.post_logout_redirect_uris,
                    web_origins: members("origins", self.origins.as_ref())?,
                    code_protection: code_protection.transpose()?,
                    metadata: self.metadata,
                    grants: members("grants", self.grants.as_ref())?,
                    scopes: scopes.map_err(|unfit| AdminProblem::Unfit(format!("scope: {unfit}.")))?,
                    audiences: members("audiences", self.audiences.as_ref())?,
                    serves: members("serves", self.serves.as_ref())?,
                    lifetimes: LifetimeOverrides {
                        access_ttl: duration("access_ttl", self.access_ttl.as_deref())?,
                        idle_ttl: duration("idle_ttl", self.idle_ttl.as_deref())?,
                        absolute_ttl: duration("absolute_ttl", self.absolute_ttl.as_deref())?,
                        leeway: duration("leeway", self.leeway.as_deref())?,
                    },
                    confirmed: self.confirmed,
                    ..ClientChanges::default()
                })
            }
        }
    };
}

client_body! {
    /// A client to be registered: its id and kind, and whatever can be said of a client.
    NewClientBody {
        client_id: String,
        kind: NewKind,
        /// `fapi2`: what that profile asks of a client, in one word.
        profile: Option<String>,
    }
}

client_body! {
    /// What is said of a client: it replaces what was, and what is absent stays as it is.
    ClientBody {}
}

/// Registers a client. The secret of one that has one is told here and never again.
#[utoipa::path(post, path = "/admin/v1/clients", tag = "clients", operation_id = "createClient",
    params(KeyHeader),
    request_body = NewClientBody,
    responses(
        (status = 201, body = ClientView, headers(("Location", description = "Where the client is"), ("ETag", description = "For If-Match"))),
        Refusals,
    ))]
pub(super) async fn create(asked: AdminRequest, body: Body) -> Answered {
    asked
        .makes(WRITE, body, async |core, claim, body, now| {
            let new: NewClientBody = object(&asked.request, body)?;
            let id: ClientId = member("client_id", &new.client_id)?;
            let kind = match new.kind {
                NewKind::Public => ClientKind::Public,
                NewKind::Confidential => ClientKind::Confidential(Vec::new()),
            };
            let profile = new.profile.as_deref().map(|text| member("profile", text)).transpose()?;
            let said = ClientChanges { profile, ..new.changes()? };
            let answer = |client: &ClientView| {
                let place = format!("{}/{}", asked.place(), client.client_id);
                created(place, Some(clients::tag_of_new(client)), client)
            };
            let once = Once::by(claim, &answer);
            let client = clients::register_once(core, (id, kind), said, &once, now).await?;
            Ok(answer(&client))
        })
        .await
}

/// Changes a client.
#[utoipa::path(patch, path = "/admin/v1/clients/{id}", tag = "clients", operation_id = "changeClient",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "What ETag said")),
    request_body = ClientBody,
    responses(
        (status = 200, body = ClientView, headers(("ETag", description = "For If-Match"))),
        Refusals,
    ))]
pub(super) async fn patch(asked: AdminRequest, id: web::Path<String>, body: Body) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            let (id, seen) = (client_named(&id)?, seen(&asked.request)?);
            let changes = object::<ClientBody>(&asked.request, body)?.changes()?;
            Ok(tagged(HttpResponse::Ok(), &clients::change_seen(&core, &id, changes, seen, now).await?))
        })
        .await
}

/// Removes a client, for good: its id is never given out again. All of its logins end.
#[utoipa::path(delete, path = "/admin/v1/clients/{id}", tag = "clients", operation_id = "removeClient",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "What ETag said")),
    responses(
        (status = 204, headers(("Heirloom-Ended-Logins" = u64, description = "How many logins were ended by it"))),
        Refusals,
    ))]
pub(super) async fn remove(asked: AdminRequest, id: web::Path<String>) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            let (id, seen) = (client_named(&id)?, seen(&asked.request)?);
            Ok(done_telling(clients::remove_seen(&core, &id, seen, BATCH, now).await?))
        })
        .await
}

/// How a secret is followed by the next.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateSecretBody {
    /// How long the present secrets go on, such as 24h, which it is if not told.
    overlap: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewSecret {
    client_id: String,
    client_secret: String,
}

/// Gives a client another secret, which is told here and never again.
#[utoipa::path(post, path = "/admin/v1/clients/{id}/rotate-secret", tag = "clients", operation_id = "rotateSecret",
    params(("id" = String, Path), KeyHeader),
    request_body(content = Option<RotateSecretBody>),
    responses(
        (status = 200, body = NewSecret),
        Refusals,
    ))]
pub(super) async fn rotate_secret(asked: AdminRequest, id: web::Path<String>, body: Body) -> Answered {
    asked
        .makes(WRITE, body, async |core, claim, body, now| {
            let id = client_named(&id)?;
            let RotateSecretBody { overlap } = object_if_any(&asked.request, body)?;
            let overlap = duration("overlap", Some(overlap.as_deref().unwrap_or("24h")))?.unwrap_or_default();
            let answer = |secret: &ClientSecret| {
                let client_secret = secret.expose().to_owned();
                done(StatusCode::OK, &NewSecret { client_id: id.to_string(), client_secret })
            };
            let once = Once::by(claim, &answer);
            let secret = clients::rotate_secret_once(core, &id, overlap, &once, now).await?;
            Ok(answer(&secret))
        })
        .await
}
