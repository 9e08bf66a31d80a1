//! `/admin/users/new` and `…/change`: a user is made, or changed.

use crate::domain::ids::UserId;
use crate::domain::secrets::Password;
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::{Username, check_email};
use crate::http::body::Form;
use crate::http::console::form::{Field, FieldKind, FormPage, lines};
use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::http::console::trouble::{Mistyped, Trouble};
use crate::service::admin::error::AdminError;
use crate::service::admin::users::{self, NewUser, UserPatch};
use crate::service::admin::views::{UserView, entity_tag};

/// `GET /admin/users/new`
pub(super) async fn show_new(seat: &Seat) -> ConsoleAnswer {
    Ok(new_page(seat, &Typed::default()).show(seat, None))
}

/// `POST /admin/users/new`
pub(super) async fn take_new(seat: &Seat, form: Form) -> ConsoleAnswer {
    let typed = Typed::of(&form);
    let page = new_page(seat, &typed);
    let added = async {
        let new = NewUser {
            username: typed.username()?,
            password: typed.password()?,
            email: typed.email()?,
            email_verified: typed.email_verified && !typed.email.is_empty(),
            claims: StandardClaims::default(),
            roles: lines(&typed.roles),
        };
        Ok::<_, Trouble>(users::add(&seat.core, new, seat.visit.now).await?)
    };
    match added.await {
        Ok(user) => Ok(seat.done(&format!("/users/{}", user.id), "user_added")),
        Err(Trouble::Unfit(mistake)) => Ok(page.show(seat, Some(&mistake))),
        Err(trouble) => Err(trouble),
    }
}

/// `GET /admin/users/{id}/change`
pub(super) async fn show(seat: &Seat) -> ConsoleAnswer {
    let user = UserView::from(users::get(&seat.core, seat.named()?).await?);
    Ok(change_page(seat, &user, &Typed::from(&user)).show(seat, None))
}

/// `POST /admin/users/{id}/change`
pub(super) async fn take(seat: &Seat, form: Form) -> ConsoleAnswer {
    let id: UserId = seat.named()?;
    let user = UserView::from(users::get(&seat.core, id).await?);
    let typed = Typed::of(&form);
    let changed = async {
        let email = typed.email()?;
        let patch = UserPatch {
            username: Some(typed.username()?),
            email_verified: Some(typed.email_verified && email.is_some()),
            email: Some(email),
            roles: Some(lines(&typed.roles)),
            ..UserPatch::default()
        };
        users::patch(&seat.core, id, &patch, form.get("seen"), seat.visit.now).await?;
        Ok::<_, Trouble>(())
    };
    match changed.await {
        Ok(()) => Ok(seat.done(&format!("/users/{id}"), "user_changed")),
        Err(Trouble::Unfit(mistake)) => Ok(change_page(seat, &user, &typed).show(seat, Some(&mistake))),
        Err(trouble) => Err(trouble),
    }
}

/// What was typed, as it was.
#[derive(Debug, Default)]
struct Typed {
    username: String,
    email: String,
    email_verified: bool,
    roles: String,
    /// It is not shown again.
    new_password: String,
}

impl Typed {
    fn of(form: &Form) -> Self {
        let text = |name| form.get(name).unwrap_or_default().to_owned();
        Self {
            username: text("username").trim().to_owned(),
            email: text("email").trim().to_owned(),
            email_verified: form.get("email_verified").is_some(),
            roles: text("roles"),
            new_password: text("new_password"),
        }
    }

    fn username(&self) -> Result<Username, Mistyped> {
        self.username.parse().map_err(|_| Mistyped::new("username", "console_username_unfit"))
    }

    fn email(&self) -> Result<Option<String>, AdminError> {
        if self.email.is_empty() {
            return Ok(None);
        }
        check_email(&self.email)?;
        Ok(Some(self.email.clone()))
    }

    fn password(&self) -> Result<Option<Password>, Mistyped> {
        if self.new_password.is_empty() {
            return Ok(None);
        }
        let new = Password::new(self.new_password.clone());
        new.map(Some).map_err(|_| Mistyped::new("new_password", "password_unfit"))
    }

    fn fields(&self) -> Vec<Field> {
        let verified = if self.email_verified { "yes" } else { "" };
        vec![
            Field::new("username", FieldKind::Text, &self.username).required(),
            Field::new("email", FieldKind::Email, &self.email),
            Field::new("email_verified", FieldKind::Check, verified),
            Field::new("roles", FieldKind::Lines, &self.roles),
        ]
    }
}

impl From<&UserView> for Typed {
    fn from(user: &UserView) -> Self {
        Self {
            username: user.username.to_string(),
            email: user.email.clone().unwrap_or_default(),
            email_verified: user.email_verified,
            roles: user.roles.join("\n"),
            new_password: String::new(),
        }
    }
}

fn new_page(seat: &Seat, typed: &Typed) -> FormPage<'static> {
    let password = Field::new("new_password", FieldKind::NewPassword, "");
    FormPage {
        text: "console_user_new",
        name: "",
        sentences: &[],
        facts: Vec::new(),
        fields: typed.fields().into_iter().chain([password]).collect(),
        hidden: Vec::new(),
        action: seat.at("/users/new", &[]),
        back: seat.at("/users", &[]),
        section: "users",
    }
}

fn change_page<'a>(seat: &Seat, user: &'a UserView, typed: &Typed) -> FormPage<'a> {
    let place = format!("/users/{}", user.id);
    FormPage {
        text: "console_user_change",
        name: user.username.as_str(),
        sentences: &[],
        facts: Vec::new(),
        fields: typed.fields(),
        // Nobody else's change in between is lost.
        hidden: vec![("seen", entity_tag(user))],
        action: seat.at(&format!("{place}/change"), &[]),
        back: seat.at(&place, &[]),
        section: "users",
    }
}
