//! `/admin/v1/users`

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::ids::UserId;
use crate::domain::right::{Area, Right};
use crate::domain::secrets::Password;
use crate::domain::user::{InvalidUsername, Username};
use crate::http::admin::ended::{count, done_telling, telling};
use crate::http::admin::guard::{AdminRequest, Answered};
use crate::http::admin::listing::{Listed, Part};
use crate::http::admin::made::{KeyHeader, created};
use crate::http::admin::problem::{AdminProblem, Refusals};
use crate::http::admin::reading::{nullable, object, query, seen, tagged};
use crate::http::body::Body;
use crate::service::admin::once::Once;
use crate::service::admin::users::{self, Change, DetailChanges, Details, NewUser, UserPatch, WantedUsers};
use crate::service::admin::views::{UserView, entity_tag};

const READ: Right = Right::Read(Area::Users);
const WRITE: Right = Right::Write(Area::Users);

/// Users, by their names.
#[utoipa::path(get, path = "/admin/v1/users", tag = "users", operation_id = "listUsers",
    params(
        Part,
        ("q" = Option<String>, Query,
            description = "Those whose names begin so, and whose verified address it is, in whatever case"),
    ),
    responses(
        (status = 200, body = inline(Listed<UserView>)),
        Refusals,
    ))]
pub(super) async fn list(asked: AdminRequest) -> Answered {
    asked
        .opens(READ, async |core, _| {
            let query = query(&asked.request, &["limit", "after", "q"])?;
            let part = Part::asked(&query)?;
            let beginning = query.get("q").map(ToOwned::to_owned);
            let wanted = WantedUsers { after: part.after.clone(), beginning };
            let listed = users::list(&core, &wanted, part.with_one_more()).await?;
            Ok(HttpResponse::Ok().json(part.of(listed, |user| user.username.key())))
        })
        .await
}

/// One user.
#[utoipa::path(get, path = "/admin/v1/users/{id}", tag = "users", operation_id = "getUser",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = UserView, headers(("ETag", description = "For If-Match"))),
        Refusals,
    ))]
pub(super) async fn show(asked: AdminRequest, id: web::Path<String>) -> Answered {
    asked
        .opens(READ, async |core, _| {
            let user = UserView::from(users::get(&core, named(&id)?).await?);
            Ok(tagged(HttpResponse::Ok(), &user))
        })
        .await
}

/// A user to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUserBody {
    username: String,
    /// Without one nobody signs in with a password until it is set.
    #[schema(format = Password)]
    password: Option<String>,
    email: Option<String>,
    /// Whether the address is known to be the user's.
    #[serde(default)]
    email_verified: bool,
    /// What else apps may be told, with the names of OpenID Connect Core §5.1.
    #[serde(default)]
    #[schema(value_type = Object)]
    claims: Map<String, Value>,
    #[serde(default)]
    roles: Vec<String>,
}

/// Makes a user.
#[utoipa::path(post, path = "/admin/v1/users", tag = "users", operation_id = "createUser",
    params(KeyHeader),
    request_body = NewUserBody,
    responses(
        (status = 201, body = UserView, headers(("Location", description = "Where the user is"), ("ETag", description = "For If-Match"))),
        Refusals,
    ))]
pub(super) async fn create(asked: AdminRequest, body: Body) -> Answered {
    asked
        .makes(WRITE, body, async |core, claim, body, now| {
            let new = NewUser::try_from(object::<NewUserBody>(&asked.request, body)?)?;
            let answer = |user: &UserView| {
                created(format!("{}/{}", asked.place(), user.id), Some(entity_tag(user)), user)
            };
            let user = users::add_once(core, new, &Once::by(claim, &answer), now).await?;
            Ok(answer(&user))
        })
        .await
}

impl TryFrom<NewUserBody> for NewUser {
    type Error = AdminProblem;

    fn try_from(body: NewUserBody) -> Result<Self, AdminProblem> {
        let said = DetailChanges {
            email: body.email.map(|email| (Some(email), body.email_verified)),
            claims: (!body.claims.is_empty()).then_some(body.claims),
        };
        let Details { email, email_verified, claims } = Details::default().changed_by(said)?;
        Ok(Self {
            username: username(&body.username)?,
            password: body.password.map(new_password).transpose()?,
            email,
            email_verified,
            claims,
            roles: body.roles,
        })
    }
}

/// What of a user is to be otherwise (RFC 7396); what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserPatchBody {
    username: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "absent, null, or an address")]
    email: Option<Option<String>>,
    /// Whether the address is known to be the user's; of a new address it is not, if this is not told.
    email_verified: Option<bool>,
    /// The claims that change; null takes one away.
    #[schema(value_type = Option<Object>)]
    claims: Option<Map<String, Value>>,
    /// All roles from now on.
    roles: Option<Vec<String>>,
    /// Whether the user is kept out; that ends all logins.
    disabled: Option<bool>,
}

/// Changes a user.
#[utoipa::path(patch, path = "/admin/v1/users/{id}", tag = "users", operation_id = "changeUser",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "What ETag said")),
    request_body = UserPatchBody,
    responses(
        (status = 200, body = UserView, headers(
            ("ETag", description = "For If-Match"),
            ("Heirloom-Ended-Logins" = u64, description = "How many logins were ended by it"),
        )),
        Refusals,
    ))]
pub(super) async fn patch(asked: AdminRequest, id: web::Path<String>, body: Body) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            let (id, seen) = (named(&id)?, seen(&asked.request)?);
            let said: UserPatchBody = object(&asked.request, body)?;
            let patch = UserPatch {
                username: said.username.as_deref().map(username).transpose()?,
                email: said.email,
                email_verified: said.email_verified,
                claims: said.claims,
                roles: said.roles,
                disabled: said.disabled,
            };
            let (user, ended) = users::patch(&core, id, &patch, seen, now).await?;
            Ok(telling(tagged(HttpResponse::Ok(), &user), count(ended)))
        })
        .await
}

/// Removes a user; ends all of the user's logins.
#[utoipa::path(delete, path = "/admin/v1/users/{id}", tag = "users", operation_id = "removeUser",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "What ETag said")),
    responses(
        (status = 204, headers(("Heirloom-Ended-Logins" = u64, description = "How many logins were ended by it"))),
        Refusals,
    ))]
pub(super) async fn remove(asked: AdminRequest, id: web::Path<String>) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            let ended = users::remove(&core, named(&id)?, seen(&asked.request)?, now).await?;
            Ok(done_telling(count(ended)))
        })
        .await
}

/// A password to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordBody {
    #[schema(format = Password)]
    password: String,
}

/// Sets a user's password; ends all of the user's logins.
#[utoipa::path(put, path = "/admin/v1/users/{id}/password", tag = "users", operation_id = "setPassword",
    params(("id" = uuid::Uuid, Path)),
    request_body = PasswordBody,
    responses(
        (status = 204, headers(("Heirloom-Ended-Logins" = u64, description = "How many logins were ended by it"))),
        Refusals,
    ))]
pub(super) async fn set_password(asked: AdminRequest, id: web::Path<String>, body: Body) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            let id = named(&id)?;
            let PasswordBody { password } = object(&asked.request, body)?;
            let ended = users::change(&core, id, Change::Password(new_password(password)?), now).await?;
            Ok(done_telling(count(ended)))
        })
        .await
}

/// Removes all second factors of a user, who has lost them.
#[utoipa::path(post, path = "/admin/v1/users/{id}/reset-factors", tag = "users", operation_id = "resetFactors",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204),
        Refusals,
    ))]
pub(super) async fn reset_factors(asked: AdminRequest, id: web::Path<String>) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            users::change(&core, named(&id)?, Change::ResetFactors, now).await?;
            Ok(HttpResponse::NoContent().finish())
        })
        .await
}

fn named(id: &str) -> Result<UserId, AdminProblem> {
    id.parse().map_err(|_| AdminProblem::NotThere("user"))
}

fn username(text: &str) -> Result<Username, AdminProblem> {
    text.parse().map_err(|unfit: InvalidUsername| AdminProblem::Unfit(format!("username: {unfit}.")))
}

fn new_password(text: String) -> Result<Password, AdminProblem> {
    Password::new(text).map_err(|unfit| AdminProblem::Unfit(format!("password: {unfit}.")))
}
