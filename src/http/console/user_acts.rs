//! `/admin/users/{id}/…`: what is done to a user, after one more question.

use std::str::FromStr;

use crate::domain::ids::UserId;
use crate::domain::secrets::Password;
use crate::domain::user::User;
use crate::http::body::Form;
use crate::http::console::form::{Field, FieldKind, FormPage};
use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::http::console::trouble::{Mistyped, Trouble};
use crate::service::admin::families;
use crate::service::admin::users::{self, Change};
use crate::service::admin::views::UserView;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserAct {
    EndLogins,
    Password,
    ResetFactors,
    Disable,
    Enable,
    Remove,
}

impl UserAct {
    const ALL: [Self; 6] =
        [Self::EndLogins, Self::Password, Self::ResetFactors, Self::Disable, Self::Enable, Self::Remove];

    /// Those that there are for a user who is in this state, but for the first.
    pub(super) fn of(user: &UserView) -> [Self; 4] {
        let access = if user.disabled_at.is_some() { Self::Enable } else { Self::Disable };
        [Self::Password, Self::ResetFactors, access, Self::Remove]
    }

    /// Its word in the page's path.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::EndLogins => "end-logins",
            Self::Password => "password",
            Self::ResetFactors => "reset-factors",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Remove => "remove",
        }
    }

    /// The key of its text.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::EndLogins => "console_user_end_logins",
            Self::Password => "console_user_password",
            Self::ResetFactors => "console_user_reset_factors",
            Self::Disable => "console_user_disable",
            Self::Enable => "console_user_enable",
            Self::Remove => "console_user_remove",
        }
    }

    /// What a page says afterwards.
    fn done(self) -> &'static str {
        match self {
            Self::EndLogins => "ended_all",
            Self::Password => "password",
            Self::ResetFactors => "factors_reset",
            Self::Disable => "disabled",
            Self::Enable => "enabled",
            Self::Remove => "user_removed",
        }
    }
}

impl FromStr for UserAct {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|act| act.as_str() == word).ok_or(())
    }
}

/// `GET /admin/users/{id}/{act}`
pub(super) async fn ask(seat: &Seat) -> ConsoleAnswer {
    let (user, act) = asked(seat).await?;
    Ok(question(seat, &user, act, None))
}

/// `POST /admin/users/{id}/{act}`
pub(super) async fn take(seat: &Seat, form: Form) -> ConsoleAnswer {
    let (user, act) = asked(seat).await?;
    match carry_out(seat, user.id, act, &form).await {
        Ok(()) if act == UserAct::Remove => Ok(seat.done("/users", act.done())),
        Ok(()) => Ok(seat.done(&format!("/users/{}", user.id), act.done())),
        Err(Trouble::Unfit(mistake)) => Ok(question(seat, &user, act, Some(&mistake))),
        Err(trouble) => Err(trouble),
    }
}

async fn asked(seat: &Seat) -> Result<(User, UserAct), Trouble> {
    let act: UserAct = seat.act()?;
    Ok((users::get(&seat.core, seat.named()?).await?, act))
}

async fn carry_out(seat: &Seat, user: UserId, act: UserAct, form: &Form) -> Result<(), Trouble> {
    let (core, now) = (&seat.core, seat.visit.now);
    let change = match act {
        UserAct::EndLogins => {
            families::end_of_user(core, user, now).await?;
            return Ok(());
        }
        UserAct::Remove => return Ok(users::remove(core, user, None, now).await.map(drop)?),
        UserAct::Password => {
            let typed = form.get("new_password").unwrap_or_default().to_owned();
            let new = Password::new(typed);
            Change::Password(new.map_err(|_| Mistyped::new("new_password", "password_unfit"))?)
        }
        UserAct::ResetFactors => Change::ResetFactors,
        UserAct::Disable => Change::Disable,
        UserAct::Enable => Change::Enable,
    };
    users::change(core, user, change, now).await?;
    Ok(())
}

fn question(seat: &Seat, user: &User, act: UserAct, mistake: Option<&Mistyped>) -> actix_web::HttpResponse {
    let place = format!("/users/{}", user.id);
    let own: &[&str] = if user.id == seat.user.id { &["console_user_own"] } else { &[] };
    let fields = match act {
        UserAct::Password => vec![Field::new("new_password", FieldKind::NewPassword, "").required()],
        UserAct::EndLogins | UserAct::ResetFactors | UserAct::Disable | UserAct::Enable | UserAct::Remove => {
            Vec::new()
        }
    };
    let page = FormPage {
        text: act.text(),
        name: user.username.as_str(),
        sentences: own,
        facts: Vec::new(),
        fields,
        hidden: Vec::new(),
        action: seat.at(&format!("{place}/{}", act.as_str()), &[]),
        back: seat.at(&place, &[]),
        section: "users",
    };
    page.show(seat, mistake)
}
