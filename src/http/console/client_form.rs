//! `/admin/clients/new` and `…/change`: a client is registered, in two steps, or changed.

use std::time::Duration;

use actix_web::HttpResponse;
use serde_json::{Value, json};

use crate::domain::audience::Audience;
use crate::domain::client::{ClientKind, GrantType, Party};
use crate::domain::ids::ClientId;
use crate::domain::lifetimes::LifetimeOverrides;
use crate::domain::scope::ScopeSet;
use crate::http::body::Form;
use crate::http::console::client_page::client_page;
use crate::http::console::form::{Field, FieldKind, FormPage, lines};
use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::http::console::trouble::{Mistyped, Trouble};
use crate::service::admin::client_changes::ClientChanges;
use crate::service::admin::clients;
use crate::service::admin::views::{ClientView, entity_tag};

/// What somebody wants to register, in people's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewClientKind {
    /// Its users sign in, and a server of its own keeps its secret.
    Web,
    /// Its users sign in, and it runs in their browsers or on their devices.
    App,
    /// It has no users.
    Service,
}

impl NewClientKind {
    const ALL: [Self; 3] = [Self::Web, Self::App, Self::Service];

    fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::App => "app",
            Self::Service => "service",
        }
    }

    fn named(word: Option<&str>) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| Some(kind.as_str()) == word)
    }

    /// The key of its texts.
    fn text(self) -> &'static str {
        match self {
            Self::Web => "console_client_web",
            Self::App => "console_client_app",
            Self::Service => "console_client_service",
        }
    }

    fn kind(self) -> ClientKind {
        match self {
            Self::Web | Self::Service => ClientKind::Confidential(Vec::new()),
            Self::App => ClientKind::Public,
        }
    }

    fn grants(self) -> Vec<GrantType> {
        match self {
            Self::Web | Self::App => vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            Self::Service => vec![GrantType::ClientCredentials],
        }
    }
}

/// `GET /admin/clients/new`: which kind; then, what else is to be known of one.
pub(super) async fn show_new(seat: &Seat) -> ConsoleAnswer {
    let Some(kind) = NewClientKind::named(seat.query()?.get("kind")) else { return Ok(kinds(seat)) };
    let scope = if kind == NewClientKind::Service { "" } else { "openid profile email" };
    let typed = TypedClient { scope: scope.to_owned(), ..TypedClient::default() };
    Ok(new_page(seat, kind, &typed).show(seat, None))
}

fn kinds(seat: &Seat) -> HttpResponse {
    let all: Vec<Value> = NewClientKind::ALL
        .into_iter()
        .map(|kind| json!({ "text": kind.text(), "place": seat.at("/clients/new", &[("kind", kind.as_str())]) }))
        .collect();
    let back = seat.at("/clients", &[]);
    seat.page("console_new_client.html", json!({ "section": "clients", "kinds": all, "back": back }))
}

/// `POST /admin/clients/new`
pub(super) async fn take_new(seat: &Seat, form: Form) -> ConsoleAnswer {
    let Some(kind) = NewClientKind::named(seat.query()?.get("kind")) else { return Ok(kinds(seat)) };
    let typed = TypedClient::of(&form);
    let registered = async {
        let id = typed.client_id.parse();
        let id: ClientId = id.map_err(|_| Mistyped::new("client_id", "console_client_id_unfit"))?;
        let said = ClientChanges { grants: Some(kind.grants()), ..typed.changes()? };
        if kind != NewClientKind::Service && said.redirect_uris.as_ref().is_none_or(Vec::is_empty) {
            return Err(Mistyped::new("redirect_uris", "console_redirect_uri_missing").into());
        }
        Ok::<_, Trouble>(clients::register(&seat.core, id, kind.kind(), said, seat.visit.now).await?)
    };
    match registered.await {
        Ok(client) => Ok(client_page(seat, &client)),
        Err(Trouble::Unfit(mistake)) => Ok(new_page(seat, kind, &typed).show(seat, Some(&mistake))),
        Err(trouble) => Err(trouble),
    }
}

/// `GET /admin/clients/{id}/change`
pub(super) async fn show(seat: &Seat) -> ConsoleAnswer {
    let client = clients::show(&seat.core, &seat.named()?, seat.visit.now).await?;
    Ok(change_page(seat, &client, &TypedClient::from(&client)).show(seat, None))
}

/// `POST /admin/clients/{id}/change`
pub(super) async fn take(seat: &Seat, form: Form) -> ConsoleAnswer {
    let id: ClientId = seat.named()?;
    let client = clients::show(&seat.core, &id, seat.visit.now).await?;
    let typed = TypedClient::of(&form);
    let changed = async {
        let changes = typed.changes()?;
        clients::change_seen(&seat.core, &id, changes, form.get("seen"), seat.visit.now).await?;
        Ok::<_, Trouble>(())
    };
    match changed.await {
        Ok(()) => Ok(seat.done_with_client(&id, "client_changed")),
        Err(Trouble::Unfit(mistake)) => Ok(change_page(seat, &client, &typed).show(seat, Some(&mistake))),
        Err(trouble) => Err(trouble),
    }
}

/// What was typed, as it was.
#[derive(Debug, Default)]
struct TypedClient {
    client_id: String,
    name: String,
    first_party: bool,
    redirect_uris: String,
    post_logout_redirect_uris: String,
    scope: String,
    audiences: String,
    access_ttl: String,
    idle_ttl: String,
    absolute_ttl: String,
    leeway: String,
}

impl TypedClient {
    fn of(form: &Form) -> Self {
        let text = |name| form.get(name).unwrap_or_default().trim().to_owned();
        Self {
            client_id: text("client_id"),
            name: text("name"),
            first_party: form.get("first_party").is_some(),
            redirect_uris: text("redirect_uris"),
            post_logout_redirect_uris: text("post_logout_redirect_uris"),
            scope: text("scope"),
            audiences: text("audiences"),
            access_ttl: text("access_ttl"),
            idle_ttl: text("idle_ttl"),
            absolute_ttl: text("absolute_ttl"),
            leeway: text("leeway"),
        }
    }

    fn changes(&self) -> Result<ClientChanges, Mistyped> {
        let scopes = ScopeSet::typed(&self.scope);
        let audiences = lines(&self.audiences);
        let audiences =
            audiences.iter().map(|audience| audience.parse::<Audience>()).collect::<Result<_, _>>();
        Ok(ClientChanges {
            party: Some(if self.first_party { Party::First } else { Party::Third }),
            name: Some(self.name.clone()).filter(|name| !name.is_empty()),
            redirect_uris: Some(lines(&self.redirect_uris)),
            post_logout_redirect_uris: Some(lines(&self.post_logout_redirect_uris)),
            scopes: Some(scopes.map_err(|why| Mistyped::detailed("scope", "console_scope_unfit", &why))?),
            audiences: Some(
                audiences.map_err(|why| Mistyped::detailed("audiences", "console_audience_unfit", &why))?,
            ),
            lifetimes: LifetimeOverrides {
                access_ttl: duration("access_ttl", &self.access_ttl)?,
                idle_ttl: duration("idle_ttl", &self.idle_ttl)?,
                absolute_ttl: duration("absolute_ttl", &self.absolute_ttl)?,
                leeway: duration("leeway", &self.leeway)?,
            },
            ..ClientChanges::default()
        })
    }

    /// What every kind has.
    fn usual(&self) -> Vec<Field> {
        vec![
            Field::new("name", FieldKind::Text, &self.name),
            Field::new("scope", FieldKind::Text, &self.scope),
            Field::new("audiences", FieldKind::Lines, &self.audiences),
        ]
    }

    /// What those have that people sign in to.
    fn of_users(&self) -> Vec<Field> {
        vec![
            Field::new("redirect_uris", FieldKind::Lines, &self.redirect_uris),
            Field::new("post_logout_redirect_uris", FieldKind::Lines, &self.post_logout_redirect_uris),
            Field::new("first_party", FieldKind::Check, if self.first_party { "yes" } else { "" }),
        ]
    }

    fn lifetimes(&self) -> Vec<Field> {
        let all = [
            ("access_ttl", &self.access_ttl),
            ("idle_ttl", &self.idle_ttl),
            ("absolute_ttl", &self.absolute_ttl),
            ("leeway", &self.leeway),
        ];
        all.into_iter().map(|(name, value)| Field::new(name, FieldKind::Text, value)).collect()
    }
}

impl From<&ClientView> for TypedClient {
    fn from(client: &ClientView) -> Self {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let audiences: Vec<&str> = client.audiences.iter().map(Audience::as_str).collect();
        Self {
            client_id: client.client_id.to_string(),
            name: text(&client.name),
            first_party: client.first_party,
            redirect_uris: client.redirect_uris.join("\n"),
            post_logout_redirect_uris: client.post_logout_redirect_uris.join("\n"),
            scope: client.scope.to_string(),
            audiences: audiences.join("\n"),
            access_ttl: text(&client.access_ttl),
            idle_ttl: text(&client.idle_ttl),
            absolute_ttl: text(&client.absolute_ttl),
            leeway: text(&client.leeway),
        }
    }
}

fn duration(name: &'static str, typed: &str) -> Result<Option<Duration>, Mistyped> {
    let typed = Some(typed).filter(|typed| !typed.is_empty());
    let read = typed.map(humantime::parse_duration).transpose();
    read.map_err(|_| Mistyped::new(name, "console_duration_unfit"))
}

fn new_page(seat: &Seat, kind: NewClientKind, typed: &TypedClient) -> FormPage<'static> {
    let id = Field::new("client_id", FieldKind::Text, &typed.client_id).required();
    let of_users = if kind == NewClientKind::Service { Vec::new() } else { typed.of_users() };
    FormPage {
        text: kind.text(),
        name: "",
        sentences: &[],
        facts: Vec::new(),
        fields: [id].into_iter().chain(of_users).chain(typed.usual()).collect(),
        hidden: Vec::new(),
        action: seat.at("/clients/new", &[("kind", kind.as_str())]),
        back: seat.at("/clients/new", &[]),
        section: "clients",
    }
}

fn change_page<'a>(seat: &Seat, client: &'a ClientView, typed: &TypedClient) -> FormPage<'a> {
    let id = &client.client_id;
    FormPage {
        text: "console_client_change",
        name: id.as_str(),
        sentences: &["console_client_change_ttl"],
        facts: Vec::new(),
        fields: typed.of_users().into_iter().chain(typed.usual()).chain(typed.lifetimes()).collect(),
        // Nobody else's change in between is lost.
        hidden: vec![("seen", entity_tag(client))],
        action: seat.client_place(id, "/change"),
        back: seat.client_place(id, ""),
        section: "clients",
    }
}
