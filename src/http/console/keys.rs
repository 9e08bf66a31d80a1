//! `/admin/keys`: the keys that tokens are signed with.

use std::str::FromStr;

use serde_json::json;

use crate::http::body::Form;
use crate::http::console::form::FormPage;
use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::service::admin::error::AdminError;
use crate::service::admin::keys;

const SECTION: &str = "keys";

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyAct {
    /// The next key is published, and signs in a while.
    Rotate,
    /// One leaked: all are replaced at once.
    Withdraw,
}

impl KeyAct {
    const ALL: [Self; 2] = [Self::Rotate, Self::Withdraw];

    /// Its word in the page's path.
    fn as_str(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Withdraw => "withdraw",
        }
    }

    /// The key of its text.
    fn text(self) -> &'static str {
        match self {
            Self::Rotate => "console_keys_rotate",
            Self::Withdraw => "console_keys_withdraw",
        }
    }

    /// What a page says afterwards.
    fn done(self) -> &'static str {
        match self {
            Self::Rotate => "rotated",
            Self::Withdraw => "withdrawn",
        }
    }
}

impl FromStr for KeyAct {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|act| act.as_str() == word).ok_or(())
    }
}

/// `GET /admin/keys`
pub(super) async fn list(seat: &Seat) -> ConsoleAnswer {
    let acts = KeyAct::ALL
        .map(|act| json!({ "text": act.text(), "place": seat.at(&format!("/keys/{}", act.as_str()), &[]) }));
    let keys = keys::list(&seat.core, seat.visit.now);
    Ok(seat.page(
        "console_keys.html",
        json!({ "section": SECTION, "keys": keys.signing_keys, "master_keys": keys.master_keys, "acts": acts }),
    ))
}

/// `GET /admin/keys/{act}`
pub(super) async fn ask(seat: &Seat) -> ConsoleAnswer {
    let act: KeyAct = seat.act()?;
    let page = FormPage {
        text: act.text(),
        name: "",
        sentences: &[],
        facts: Vec::new(),
        fields: Vec::new(),
        hidden: Vec::new(),
        action: seat.at(&format!("/keys/{}", act.as_str()), &[]),
        back: seat.at("/keys", &[]),
        section: SECTION,
    };
    Ok(page.show(seat, None))
}

/// `POST /admin/keys/{act}`
pub(super) async fn take(seat: &Seat, _: Form) -> ConsoleAnswer {
    let act: KeyAct = seat.act()?;
    let now = seat.visit.now;
    match act {
        KeyAct::Rotate => {
            keys::rotate(&seat.core, None, None, now).await.map_err(AdminError::from)?;
        }
        KeyAct::Withdraw => {
            keys::replace(&seat.core, None, now).await.map_err(AdminError::from)?;
        }
    }
    Ok(seat.done("/keys", act.done()))
}
