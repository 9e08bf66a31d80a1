//! A request that was read: what it asks for, and how the pages carry it on.

use std::sync::Arc;

use crate::domain::authorization::AuthorizationRequest;
use crate::domain::secrets::SecretHash;
use crate::http::body::Form;
use crate::http::oauth::authorize::parameters;
use crate::http::stop::{Back, Stop};
use crate::service::authorize::pushed_request;
use crate::service::clients::known_clients::KnownClient;
use crate::service::{Core, Failure};

/// A request that was read.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) known: Arc<KnownClient>,
    /// What it asks for.
    pub(crate) request: AuthorizationRequest,
    /// Where the answer goes.
    pub(crate) back: Back,
    /// The request as the next page's address carries it.
    pub(crate) query: String,
    /// How it is carried, if not in the address itself.
    pub(super) carried: Option<Carried>,
    /// All of its parameters.
    form: Form,
}

/// How a page carries a request that waits here.
#[derive(Debug)]
pub(super) struct Carried {
    /// What the database knows it by.
    pub(super) uri: SecretHash,
    /// The query that leads to it.
    pub(super) query: String,
}

/// What a sign-in has met of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// The user signed in just now.
    SignedIn,
    /// The user said who to go on as.
    Chosen,
}

impl Asked {
    /// Reads a request that stands here whole.
    pub(super) fn of_form(core: &Core, known: Arc<KnownClient>, form: Form) -> Result<Self, Stop> {
        let back = parameters::back(&known, &form)?;
        match parameters::content(core, &known, &form) {
            Ok(request) => Ok(Self { known, request, back, query: form.to_query(), carried: None, form }),
            Err(problem) => Err(back.refuse(problem)),
        }
    }

    /// The request as it is once the user has signed in or chosen: without what that has met, or it would be asked
    /// for again for ever.
    pub(crate) async fn query_after(&self, core: &Core, met: Met) -> Result<String, Failure> {
        let left = self.left_after(met);
        let Some(Carried { uri, query }) = &self.carried else { return Ok(left) };
        pushed_request::rewrite(core, uri, &left).await?;
        Ok(query.clone())
    }

    fn left_after(&self, met: Met) -> String {
        let is_met = |word: &str| match met {
            Met::SignedIn => word == "login" || word == "select_account",
            Met::Chosen => word == "select_account",
        };
        self.form.rewritten(|name, value| match name {
            "prompt" => {
                let left = value.split(' ').filter(|word| !is_met(word)).collect::<Vec<_>>();
                Some(left.join(" "))
            }
            "max_age" if met == Met::SignedIn => None,
            _ => Some(value.to_owned()),
        })
    }

    /// The request with a new sign-in asked for.
    pub(crate) fn query_for_another_account(&self) -> String {
        if let Some(Carried { query, .. }) = &self.carried {
            return format!("{query}&prompt=login");
        }
        let query = self.form.rewritten(|name, value| (name != "prompt").then(|| value.to_owned()));
        let consent = if self.request.prompt.consent { "+consent" } else { "" };
        format!("{query}&prompt=login{consent}")
    }

    /// What a page shows of a parameter.
    pub(crate) fn shown<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.form.get(name).filter(|text| text.len() <= 255)
    }

    /// Whether only this browser can go on with it.
    pub(crate) fn is_of_this_browser(&self) -> bool {
        self.carried.is_some()
    }

    /// Where the answer goes.
    pub(crate) fn redirect_uri(&self) -> &str {
        &self.back.redirect_uri
    }
}
