//! Who administers this server: by its API, or at its console.

use chrono::{DateTime, Utc};

use crate::domain::authentication::ContextClass;
use crate::domain::ids::ClientId;
use crate::domain::right::Right;
use crate::domain::second_factor::{Demand, Missing};
use crate::domain::sign_in::SignInSession;
use crate::domain::user::User;
use crate::service::tokens::access_token::{self, ShownToken, Standing};
use crate::service::users::factors;
use crate::service::{Core, Failure};
use crate::store::users;

/// Why somebody does not.
#[derive(Debug, thiserror::Error)]
pub enum Unentitled {
    #[error("the access token lacks the scope {0}")]
    LacksRight(Right),
    #[error("the user does not have the role of administrators")]
    NoAdministrator,
    #[error(transparent)]
    Token(#[from] Failure),
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct AdminCaller {
    /// What the token was issued to.
    pub client: ClientId,
    /// Whose acts these are, as events tell it.
    pub by: String,
}

/// The same core for whoever shows a token that has this right and is meant for this server: what is done with it is
/// told by that name. A client acts for itself as far as it still has the scope, a user as long as the login lives and
/// the role is the user's.
pub async fn entitled(
    core: &Core,
    shown: ShownToken<'_>,
    right: Right,
    now: DateTime<Utc>,
) -> Result<(Core, AdminCaller), Unentitled> {
    let token = access_token::verify_shown(core, shown, now)?;
    if !token.aud.contains(&core.issuer) {
        return Err(Failure::InvalidToken.into());
    }
    let client = token.client_id.parse().map_err(|_| Failure::InvalidToken)?;
    let known = core.client(&client, now).await?.ok_or(Failure::InvalidToken)?;
    let by = match access_token::standing(core, &token, now).await? {
        Standing::Nothing => return Err(Failure::InvalidToken.into()),
        Standing::Client(_) => format!("client {}", known.client.id),
        Standing::Family(family) => {
            if !family.roles.contains(&core.admin_role) {
                return Err(Unentitled::NoAdministrator);
            }
            format!("user {}", family.user())
        }
    };
    let scope = right.to_string();
    let is_granted = token.scope.split(' ').any(|granted| granted == scope);
    if is_granted && known.client.scopes.contains(&scope) {
        Ok((core.acting_for(&by), AdminCaller { client, by }))
    } else {
        Err(Unentitled::LacksRight(right))
    }
}

/// What the console wants of a sign-in: two factors of whoever has them, and what every page wants.
#[must_use]
pub fn demand_of_console(core: &Core) -> Demand {
    Demand { class: ContextClass::Two, second_factor: core.second_factor }
}

/// What of that is missing of who is signed in.
///
/// # Errors
/// [`Failure::Store`].
pub async fn missing_at_console(core: &Core, session: &SignInSession) -> Result<Option<Missing>, Failure> {
    let factors = factors::of_user(core, session.user()).await?;
    Ok(demand_of_console(core).missing(session.authentication.class(), &factors))
}

/// Who comes to the console.
#[derive(Debug)]
pub enum ConsoleVisitor {
    /// The same core, in which what is done is told by the administrator's name.
    Administrator(Box<Core>, Box<User>),
    /// Somebody who may be one, and has to show more first.
    Incomplete,
    /// Somebody else.
    Nobody,
}

/// Who is signed in, as the console sees it: the role is the user's now, whatever it was at the sign-in.
///
/// # Errors
/// [`Failure::Store`].
pub async fn at_console(core: &Core, session: &SignInSession) -> Result<ConsoleVisitor, Failure> {
    let user = users::find(&core.db, session.user()).await?;
    let user = user.filter(|user| user.disabled_at.is_none() && user.roles.contains(&core.admin_role));
    let Some(user) = user else { return Ok(ConsoleVisitor::Nobody) };
    if missing_at_console(core, session).await?.is_some() {
        return Ok(ConsoleVisitor::Incomplete);
    }
    let acting = core.acting_for(&format!("user {}", user.id));
    Ok(ConsoleVisitor::Administrator(Box::new(acting), Box::new(user)))
}
