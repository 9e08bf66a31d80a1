//! Lists are answered in parts: `{"items": […], "next": …}`. What `next` says, `after` goes on from; null is the end.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::http::admin::problem::AdminProblem;
use crate::http::body::Form;

/// How many things a part has that nobody says a number for, and how many it has at most.
const USUAL: i64 = 50;
const MOST: i64 = 200;

/// Which part of a list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// How many things at most: 1 to 200, 50 if not told.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    pub(super) limit: i64,
    /// What the part before gave as `next`.
    pub(super) after: Option<String>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T> {
    items: Vec<T>,
    /// What the next part comes after; null at the end of the list.
    #[schema(required)]
    next: Option<String>,
}

impl Part {
    pub(super) fn asked(query: &Form) -> Result<Self, AdminProblem> {
        let limit = query.get("limit").map_or(Ok(USUAL), str::parse);
        let limit = limit.ok().filter(|limit| (1..=MOST).contains(limit));
        let limit =
            limit.ok_or_else(|| AdminProblem::Unfit(format!("limit is a number from 1 to {MOST}.")))?;
        let after = query.get("after").map(|after| {
            let text = URL_SAFE_NO_PAD.decode(after).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            text.filter(|text| !text.contains('\0')).ok_or_else(not_given)
        });
        Ok(Self { limit, after: after.transpose()? })
    }

    /// The same where things have their places by something else than a text.
    pub(super) fn after_parsed<T: std::str::FromStr>(&self) -> Result<Option<T>, AdminProblem> {
        self.after.as_deref().map(str::parse).transpose().map_err(|_| not_given())
    }

    /// One more than is asked for: whether there is a next part shows by it.
    pub(super) fn with_one_more(&self) -> i64 {
        self.limit + 1
    }

    /// A part of what was read with [`Part::with_one_more`].
    pub(super) fn of<T>(&self, mut items: Vec<T>, place: impl Fn(&T) -> String) -> Listed<T> {
        let most = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let goes_on = items.len() > most;
        items.truncate(most);
        let next = items.last().filter(|_| goes_on).map(|last| URL_SAFE_NO_PAD.encode(place(last)));
        Listed { items, next }
    }
}

fn not_given() -> AdminProblem {
    AdminProblem::Unfit("Send as after what the part before gave as next.".to_owned())
}
