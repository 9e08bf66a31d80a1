//! `POST /oauth/authorization_challenge` (draft-ietf-oauth-first-party-apps-03): what the user types into an app that
//! an operator runs becomes a code. The request is what would stand at the authorization endpoint; what the user shows
//! has names of our own: `username` and `password`, then `otp` or `recovery_code` with the `auth_session`.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::domain::authorization::AuthorizationRequest;
use crate::domain::secrets::Password;
use crate::domain::user::Username;
use crate::http::answer::PushedTo;
use crate::http::body::Form;
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Standard, Unmet};
use crate::http::oauth::authorize;
use crate::http::oauth::client_auth::{self, ClientForm};
use crate::http::{Web, key_proof};
use crate::service::authorize::challenge::{self, Challenged};
use crate::service::authorize::pushed_request::{self, TTL};
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::users::attempts::AttemptSource;
use crate::service::users::credentials::Credentials;
use crate::service::users::sign_in::second::SecondProof;
use crate::service::{Core, Failure};

/// Where challenges are answered.
pub(crate) const PATH: &str = "/oauth/authorization_challenge";

/// What the user shows, and what it goes on with: no part of the request itself.
const SHOWN: [&str; 5] = ["username", "password", "otp", "recovery_code", "auth_session"];

/// What only means something to a browser: whoever is asked here signs in anew.
const OF_BROWSERS: [&str; 1] = ["prompt"];

pub(crate) async fn challenge(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    ClientForm { form, client }: ClientForm,
) -> Result<HttpResponse, Standard> {
    let client = key_proof::proven(&web, &request, client, now)?;
    let known = challenge::first_party(&web.core, &client, now).await?;
    let asker = ChallengingApp { core: &web.core, client: &client, known: &known, now };
    let code = match ShownByUser::of_form(&form)? {
        ShownByUser::Session(session, proof) => asker.go_on(&form, session, proof.as_ref()).await?,
        ShownByUser::Password(username, password) => asker.begin(&form, Some((username, password))).await?,
        ShownByUser::Nothing => asker.begin(&form, None).await?,
    };
    let answer = HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({ "authorization_code": code }));
    Ok(key_proof::with_next_nonce(answer, &web, client.key.as_ref(), now))
}

/// What a form shows of the user.
enum ShownByUser<'a> {
    Nothing,
    Password(&'a str, &'a str),
    /// The second step, with the second factor if it is there.
    Session(&'a str, Option<SecondProof<'a>>),
}

impl<'a> ShownByUser<'a> {
    fn of_form(form: &'a Form) -> Result<Self, Problem> {
        let proof = match (form.get("otp"), form.get("recovery_code")) {
            (None, None) => None,
            (Some(code), None) => Some(SecondProof::Code(code)),
            (None, Some(code)) => Some(SecondProof::RecoveryCode(code)),
            (Some(_), Some(_)) => return Err(Problem::Malformed("Send otp or recovery_code, not both.")),
        };
        match (form.get("auth_session"), form.get("username"), form.get("password")) {
            (Some(session), None, None) => Ok(Self::Session(session, proof)),
            (Some(_), _, _) => Err(Problem::Malformed(
                "An auth_session has its user: username and password begin without it.",
            )),
            (None, _, _) if proof.is_some() => {
                Err(Problem::Malformed("An otp or a recovery_code goes with an auth_session."))
            }
            (None, None, None) => Ok(Self::Nothing),
            (None, Some(username), Some(password)) => Ok(Self::Password(username, password)),
            (None, Some(_), None) => Err(Problem::Malformed("The parameter password is missing.")),
            (None, None, Some(_)) => Err(Problem::Malformed("The parameter username is missing.")),
        }
    }
}

/// A client that asks.
struct ChallengingApp<'a> {
    core: &'a Core,
    client: &'a ClientRequest,
    known: &'a KnownClient,
    now: DateTime<Utc>,
}

impl ChallengingApp<'_> {
    /// The first step: the whole request, and the user's name and password.
    async fn begin(&self, form: &Form, typed: Option<(&str, &str)>) -> Result<String, Problem> {
        let request = authorize::bound_to_key(self.client, self.request_of(form)?)?;
        let asked = self.content(&request)?;
        if !self.core.takes_passwords {
            return Err(self.to_pages(&request).await?);
        }
        let Some((username, password)) = typed else { return Err(Problem::PasswordMissing) };
        let credentials = Credentials {
            username: Username::typed(username).ok(),
            password: Password::presented(password.to_owned()),
            place: AttemptSource { address: self.client.address, session: None },
        };
        let kept = authorize::to_keep(&request)?;
        let (by, what) = ((self.client, self.known), (&asked, kept.as_str()));
        let challenged = challenge::begin(self.core, by, what, &credentials, self.now).await?;
        self.code_of(challenged, &request).await
    }

    /// The second step: what the user shows beside the password. The request stands as it was; what was not said of it
    /// before, such as the challenge for the code of a login that is taken further, may be said now.
    async fn go_on(
        &self,
        form: &Form,
        session: &str,
        proof: Option<&SecondProof<'_>>,
    ) -> Result<String, Problem> {
        let waiting = challenge::resume(self.core, session, self.known, self.now).await?;
        let kept = Form::of_query(&waiting.asked.parameters)?;
        let request = kept.joined(&self.request_of(form)?).ok_or(Problem::Malformed(
            "The auth_session is of a request with other parameters. Leave them out, or begin anew.",
        ))?;
        let request = authorize::bound_to_key(self.client, request)?;
        let asked = self.content(&request)?;
        // "Auth Session DPoP Binding": whoever took the auth_session has not got its key.
        if let Some(key) = &asked.key_thumbprint {
            self.client.must_hold(key).map_err(Failure::from)?;
        }
        if !self.core.takes_passwords {
            return Err(self.to_pages(&request).await?);
        }
        let by = (self.client, self.known);
        let challenged = challenge::go_on(self.core, by, (&waiting, &asked), proof, self.now).await?;
        self.code_of(challenged, &request).await
    }

    fn request_of(&self, form: &Form) -> Result<Form, Problem> {
        if form.get("request").is_some() {
            return Err(Problem::Malformed("Request objects are taken where requests are pushed, not here."));
        }
        let request = form.without(&client_auth::PARAMETERS).without(&SHOWN).without(&OF_BROWSERS);
        Ok(request.with("client_id", self.known.client.id.as_str()))
    }

    fn content(&self, request: &Form) -> Result<AuthorizationRequest, Problem> {
        authorize::redirect_uri_of(self.known, request)?;
        authorize::content(self.core, self.known, request)
    }

    async fn code_of(&self, challenged: Challenged, request: &Form) -> Result<String, Problem> {
        match challenged {
            Challenged::Code(code) => Ok(code.expose().to_owned()),
            Challenged::WantsCode(wanted) => {
                Err(Failure::InsufficientAuthorization(Some(Box::new(wanted))).into())
            }
            Challenged::AtThePages => Err(self.to_pages(request).await?),
            Challenged::Unreachable => Err(Unmet::AuthenticationRequirements.into()),
            Challenged::SomebodyElse => Err(Unmet::LoginRequired.into()),
        }
    }

    /// The way to the pages: where the request has all that a browser needs, it waits there already. One without a
    /// challenge must not: it would be pushed without PKCE.
    async fn to_pages(&self, request: &Form) -> Result<Problem, Problem> {
        let is_whole = request.get("code_challenge").is_some() && request.get("redirect_uri").is_some();
        if !is_whole {
            return Ok(Problem::RedirectToWeb(None));
        }
        let kept = authorize::to_keep(request)?;
        self.client.count_waiting(self.core, self.known, self.now)?;
        let uri = pushed_request::keep(self.core, &self.known.client.id, None, &kept, self.now).await?;
        let pushed = uri.map(|uri| PushedTo { request_uri: uri.expose(), expires_in: TTL.num_seconds() });
        Ok(Problem::RedirectToWeb(pushed))
    }
}
