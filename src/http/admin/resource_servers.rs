//! `/admin/v1/resource-servers`: what is said of the audiences of access tokens.

use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;
use utoipa::ToSchema;

use crate::domain::audience::Audience;
use crate::domain::resource_server::{ResourceServer, RolesInTokens};
use crate::domain::right::{Area, Right};
use crate::domain::scope::ScopeSet;
use crate::http::admin::guard::{AdminRequest, Answered};
use crate::http::admin::listing::{Listed, Part};
use crate::http::admin::naming::{duration, member};
use crate::http::admin::problem::{AdminProblem, Refusals};
use crate::http::admin::reading::{nullable, object, query, seen, tagged};
use crate::http::body::Body;
use crate::service::admin::resource_servers::{self, ResourceServerChanges, ResourceServerView};
use crate::service::admin::views::entity_tag;

const READ: Right = Right::Read(Area::Settings);
const WRITE: Right = Right::Write(Area::Settings);

fn server_named(audience: &str) -> Result<Audience, AdminProblem> {
    audience.parse().map_err(|_| AdminProblem::NotThere("resource server"))
}

fn scopes(text: &str) -> Result<ScopeSet, AdminProblem> {
    ScopeSet::typed(text).map_err(|unfit| AdminProblem::Unfit(format!("scope: {unfit}.")))
}

/// Resource servers, by audience.
#[utoipa::path(get, path = "/admin/v1/resource-servers", tag = "settings", operation_id = "listResourceServers",
    params(Part),
    responses(
        (status = 200, body = inline(Listed<ResourceServerView>)),
        Refusals,
    ))]
pub(super) async fn list(asked: AdminRequest) -> Answered {
    asked
        .opens(READ, async |core, _| {
            let part = Part::asked(&query(&asked.request, &["limit", "after"])?)?;
            let listed = resource_servers::list(&core, part.after.as_deref(), part.with_one_more()).await?;
            Ok(HttpResponse::Ok().json(part.of(listed, |server| server.audience.to_string())))
        })
        .await
}

/// One resource server.
#[utoipa::path(get, path = "/admin/v1/resource-servers/{audience}", tag = "settings", operation_id = "getResourceServer",
    params(("audience" = String, Path)),
    responses(
        (status = 200, body = ResourceServerView, headers(("ETag", description = "For If-Match"))),
        Refusals,
    ))]
pub(super) async fn show(asked: AdminRequest, audience: web::Path<String>) -> Answered {
    asked
        .opens(READ, async |core, _| {
            let view = resource_servers::show(&core, &server_named(&audience)?).await?;
            Ok(tagged(HttpResponse::Ok(), &view))
        })
        .await
}

/// What is said of an audience of which nothing is said yet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewServerBody {
    /// As it stands in `aud`.
    audience: String,
    /// The scopes that it knows, with spaces between them; whatever is granted if not told.
    scope: Option<String>,
    /// How long its access tokens live at most, such as 5m.
    access_ttl: Option<String>,
    /// `with_scope` if not told, `always` or `never`.
    roles: Option<String>,
    /// ES256, `EdDSA` or RS256; as all others if not told.
    signing_algorithm: Option<String>,
}

/// Says what there is to say of an audience.
#[utoipa::path(post, path = "/admin/v1/resource-servers", tag = "settings", operation_id = "createResourceServer",
    request_body = NewServerBody,
    responses(
        (status = 201, body = ResourceServerView, headers(("Location", description = "Where it is"), ("ETag", description = "For If-Match"))),
        Refusals,
    ))]
pub(super) async fn create(asked: AdminRequest, body: Body) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            let new: NewServerBody = object(&asked.request, body)?;
            let roles = new.roles.as_deref().map(|text| member("roles", text)).transpose()?;
            let server = ResourceServer {
                audience: member("audience", &new.audience)?,
                scope: new.scope.as_deref().map(scopes).transpose()?,
                access_ttl: duration("access_ttl", new.access_ttl.as_deref())?,
                roles: roles.unwrap_or_default(),
            };
            let algorithm = new.signing_algorithm.as_deref();
            let algorithm = algorithm.map(|text| member("signing_algorithm", text)).transpose()?;
            let view = resource_servers::create(&core, &server, algorithm, now).await?;
            let name: String = byte_serialize(view.audience.as_str().as_bytes()).collect();
            let mut created = HttpResponse::Created();
            created.insert_header((LOCATION, format!("{}/{name}", asked.place())));
            created.insert_header((ETAG, entity_tag(&view)));
            Ok(created.json(view))
        })
        .await
}

/// What is said of an audience: it replaces what was, null takes it away, and what is absent stays as it is.
#[expect(clippy::option_option, reason = "absent, null, or a value")]
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerBody {
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    scope: Option<Option<String>>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    access_ttl: Option<Option<String>>,
    roles: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    signing_algorithm: Option<Option<String>>,
}

impl ServerBody {
    fn changes(self) -> Result<ResourceServerChanges, AdminProblem> {
        let scope = self.scope.map(|scope| scope.as_deref().map(scopes).transpose()).transpose()?;
        let access_ttl = self.access_ttl.map(|ttl| duration("access_ttl", ttl.as_deref())).transpose()?;
        let roles: Option<RolesInTokens> =
            self.roles.as_deref().map(|text| member("roles", text)).transpose()?;
        let algorithm = |text: &str| member("signing_algorithm", text);
        let signing_algorithm =
            self.signing_algorithm.map(|text| text.as_deref().map(algorithm).transpose()).transpose()?;
        Ok(ResourceServerChanges { scope, access_ttl, roles, signing_algorithm })
    }
}

/// Changes what is said of an audience.
#[utoipa::path(patch, path = "/admin/v1/resource-servers/{audience}", tag = "settings", operation_id = "changeResourceServer",
    params(("audience" = String, Path), ("If-Match" = Option<String>, Header, description = "What ETag said")),
    request_body = ServerBody,
    responses(
        (status = 200, body = ResourceServerView, headers(("ETag", description = "For If-Match"))),
        Refusals,
    ))]
pub(super) async fn patch(asked: AdminRequest, audience: web::Path<String>, body: Body) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            let (audience, seen) = (server_named(&audience)?, seen(&asked.request)?);
            let changes = object::<ServerBody>(&asked.request, body)?.changes()?;
            let view = resource_servers::change_seen(&core, &audience, changes, seen, now).await?;
            Ok(tagged(HttpResponse::Ok(), &view))
        })
        .await
}

/// Nothing is said of an audience any more: its tokens are as those of all others.
#[utoipa::path(delete, path = "/admin/v1/resource-servers/{audience}", tag = "settings", operation_id = "removeResourceServer",
    params(("audience" = String, Path), ("If-Match" = Option<String>, Header, description = "What ETag said")),
    responses(
        (status = 204),
        Refusals,
    ))]
pub(super) async fn remove(asked: AdminRequest, audience: web::Path<String>) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            let seen = seen(&asked.request)?;
            resource_servers::remove_seen(&core, &server_named(&audience)?, seen, now).await?;
            Ok(HttpResponse::NoContent().finish())
        })
        .await
}
