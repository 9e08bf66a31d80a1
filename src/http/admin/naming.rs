//! What places and members name.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::domain::ids::{ClientId, UserId};
use crate::domain::user::Username;
use crate::http::admin::problem::AdminProblem;
use crate::service::Core;
use crate::service::admin::users;

pub(super) fn client_named(id: &str) -> Result<ClientId, AdminProblem> {
    id.parse().map_err(|_| AdminProblem::NotThere("client"))
}

/// A user by the id, or by the name.
pub(super) async fn user_named(core: &Core, named: &str) -> Result<UserId, AdminProblem> {
    if let Ok(id) = named.parse() {
        return Ok(users::get(core, id).await?.id);
    }
    let name: Username = named.parse().map_err(|_| AdminProblem::NotThere("user"))?;
    Ok(users::find(core, &name).await?.id)
}

/// The value of a member, or what is wrong with it.
pub(super) fn member<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, AdminProblem> {
    text.parse().map_err(|unfit| AdminProblem::Unfit(format!("{name}: {unfit}.")))
}

/// The values of a member that is a list.
pub(super) fn members<T: FromStr<Err: Display>>(
    name: &str,
    texts: Option<&Vec<String>>,
) -> Result<Option<Vec<T>>, AdminProblem> {
    let all = texts.map(|texts| texts.iter().map(|text| member(name, text)).collect::<Result<_, _>>());
    all.transpose()
}

/// A member such as `15m`.
pub(super) fn duration(name: &str, text: Option<&str>) -> Result<Option<Duration>, AdminProblem> {
    let read = text.map(humantime::parse_duration).transpose();
    read.map_err(|_| AdminProblem::Unfit(format!("{name}: send a duration such as 30s, 15m or 7d.")))
}
