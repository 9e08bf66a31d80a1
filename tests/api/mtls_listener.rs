//! The listener for clients' certificates (RFC 8705 §5): what a client shows when it connects there proves who it is,
//! and binds its tokens, as what a proxy tells of does. Each connection is a real one.

use heirloom::domain::client::{GrantType, Party};
use heirloom::domain::registration::Mode;
use heirloom::settings::Settings;
use reqwest::{Certificate, Identity, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::browser::*;
use crate::certificates::*;
use crate::client_assertion::TYPE;
use crate::device::GRANT as DEVICE_GRANT;
use crate::harness::*;
use crate::mtls::*;
use crate::prover::Prover;
use crate::remote::authority;
use crate::signer::{Signer, changed};

const INVALID_TOKEN: &str = "401 invalid_token The access token is invalid or expired.";
const OWN: [(&str, &str); 1] = [("grant_type", "client_credentials")];
const OTHER_PLACE: &str = "400 invalid_dpop_proof The DPoP proof was made for another URL.";

/// There is a listener for certificates beside the one where all others come, by http.
pub fn with_listener(settings: &mut Settings) {
    let [certificate, key] = authority().signed.clone();
    settings.mtls.listen = Some("127.0.0.1:0".parse().unwrap());
    (settings.mtls.certificate, settings.mtls.key) = (Some(certificate), Some(key));
    settings.mtls.client_ca = Some(client_authority().file.clone());
}

/// Connects anew with each request, and shows this certificate, or none.
pub fn connecting(holder: Option<&Holder>) -> reqwest::Client {
    let root = Certificate::from_pem(&std::fs::read(&authority().file).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).pool_max_idle_per_host(0);
    let shown = holder.map(|it| Identity::from_pem(format!("{}{}", it.pem, it.key_pem).as_bytes()).unwrap());
    let client = shown.into_iter().fold(client, reqwest::ClientBuilder::identity);
    client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl TestApp {
    /// A place of the listener for certificates.
    pub fn alias(&self, place: &str) -> String {
        format!("{}{place}", self.mutual_tls.as_deref().unwrap())
    }

    pub fn by<'a>(
        &self,
        holder: impl Into<Option<&'a Holder>>,
        method: Method,
        place: &str,
    ) -> RequestBuilder {
        connecting(holder.into()).request(method, self.alias(place))
    }

    pub async fn form_by<'a>(
        &self,
        holder: impl Into<Option<&'a Holder>>,
        place: &str,
        parameters: &[(&str, &str)],
    ) -> Answer {
        self.send(form(self.by(holder, Method::POST, place), parameters)).await
    }

    /// A token for a client itself.
    pub async fn own_token_by<'a>(&self, client: &str, holder: impl Into<Option<&'a Holder>>) -> Answer {
        self.form_by(holder, "/oauth/token", &[OWN[0], ("client_id", client)]).await
    }
}

/// The metadata's aliases below a URL.
fn aliases(url: &str) -> Value {
    json!({
        "token_endpoint": format!("{url}/oauth/token"),
        "device_authorization_endpoint": format!("{url}/oauth/device_authorization"),
        "revocation_endpoint": format!("{url}/oauth/revoke"),
        "introspection_endpoint": format!("{url}/oauth/introspect"),
        "userinfo_endpoint": format!("{url}/oauth/userinfo"),
        "pushed_authorization_request_endpoint": format!("{url}/oauth/par"),
        "authorization_challenge_endpoint": format!("{url}/oauth/authorization_challenge"),
    })
}

both_stores! {
    async fn a_client_proves_itself_with_the_certificate_of_its_connection(app) with with_listener; {
        let (one, other) = (Holder::new(), Holder::new());
        app.add_client("robot", robot(|it| self_signed(it, &[other.jwk(), one.jwk()]))).await;
        for holder in [&one, &other] {
            bound_to(&app.own_token_by("robot", holder).await, holder);
        }
        let name = json!({ "tls_client_auth_subject_dn": "CN=robot,O=Example Ltd", "tls_client_certificate_bound_access_tokens": true });
        app.add_client("vouched", robot(|it| it.metadata = vouched(&name))).await;
        let good = client_authority().vouch(|_| {});
        bound_to(&app.own_token_by("vouched", &good).await, &good);
        // Those that came with it count, too.
        let deputy = client_authority().deputy();
        let (whole, alone) = (deputy.vouch_with_chain(|_| {}), deputy.vouch(|_| {}));
        bound_to(&app.own_token_by("vouched", &whole).await, &whole);
        let stranger = ClientAuthority::new().vouch_with_chain(|_| {});
        let misnamed = client_authority().vouch(|it| it.distinguished_name = named("other"));
        for (client, holder) in [
            ("vouched", Some(&alone)),
            ("vouched", Some(&stranger)),
            ("vouched", Some(&misnamed)),
            ("vouched", Some(&one)),
            ("vouched", None),
            ("robot", Some(&good)),
            ("robot", None),
            ("nobody", Some(&one)),
        ] {
            assert_eq!(app.own_token_by(client, holder).await.refusal(), NOT_PROVED, "{client}");
        }
    }

    async fn other_proofs_are_as_good_there_and_bind_tokens_to_a_certificate(app) with with_listener; {
        let holder = Holder::new();
        let bound = |it: &mut heirloom::domain::client::Client| it.metadata.tls_client_certificate_bound_access_tokens = true;
        let [bound, plain] = [
            app.add_client("bound", robot(bound)).await.unwrap(),
            app.add_client("plain", robot(|_| {})).await.unwrap(),
        ];
        let asked = |client: &str, secret: &str, holder: Option<&Holder>| {
            let request = app.by(holder, Method::POST, "/oauth/token").basic_auth(client, Some(secret));
            app.send(form(request, &OWN))
        };
        bound_to(&asked("bound", bound.expose(), Some(&holder)).await, &holder);
        assert_eq!(asked("bound", bound.expose(), None).await.refusal(), NO_CERTIFICATE);
        for holder in [Some(&holder), None] {
            let token = asked("plain", plain.expose(), holder).await;
            assert_eq!(claims(token.text("access_token"))["cnf"], Value::Null);
        }
    }

    async fn a_login_goes_by_the_aliases_from_its_request_to_its_end(app) with with_listener; {
        let [old, new] = Holder::renewed();
        app.with_apps().await;
        app.add_client("web", |it| {
            web_of(&old)(it);
            it.grants.insert(GrantType::DeviceCode);
        }).await;
        let asked = query(&[("client_id", "web")]);
        let asked: Vec<_> = form_urlencoded::parse(asked.as_bytes()).into_owned().collect();
        let asked: Vec<_> = asked.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(app.form_by(None, "/oauth/par", &asked).await.refusal(), NOT_PROVED);
        let pushed = app.form_by(&old, "/oauth/par", &asked).await;
        assert_eq!(pushed.status, 201, "{pushed:?}");
        let browser = Browser::new(&app);
        let at = [("client_id", "web"), ("request_uri", pushed.text("request_uri"))];
        let at = form_urlencoded::Serializer::new(String::new()).extend_pairs(at).finish();
        let page = browser.follow(browser.get(&format!("/oauth/authorize?{at}")).await).await;
        let code = browser.follow(browser.sign_in(&page, "ana").await).await.code();
        let exchange = code_exchange(&code, &[("client_id", "web")]);
        for holder in [None, Some(&Holder::new())] {
            assert_eq!(app.form_by(holder, "/oauth/token", &exchange).await.refusal(), NOT_PROVED);
        }
        let answer = app.form_by(&old, "/oauth/token", &exchange).await;
        let token = bound_to(&answer, &old);
        assert_eq!(claims(&token)["iss"], app.core.issuer.as_str());
        app.clock.advance(SECOND);
        let refresh = [("grant_type", "refresh_token"), ("client_id", "web"), ("refresh_token", answer.text("refresh_token"))];
        let before = app.last_write().await;
        for holder in [None, Some(&Holder::new())] {
            assert_eq!(app.form_by(holder, "/oauth/token", &refresh).await.refusal(), NOT_PROVED);
        }
        assert_eq!(app.last_write().await, before, "nothing was written");
        bound_to(&app.form_by(&new, "/oauth/token", &refresh).await, &new);
        // RFC 8705 §3: where it is shown, and nowhere else.
        for method in [Method::GET, Method::POST] {
            let shown = |holder: Option<&Holder>| app.send(app.by(holder, method.clone(), "/oauth/userinfo").bearer_auth(&token));
            assert_eq!(shown(Some(&old)).await.status, 200);
            for holder in [None, Some(&new), Some(&Holder::new())] {
                assert_eq!(shown(holder).await.refusal(), INVALID_TOKEN);
            }
        }
        assert_eq!(app.get("/oauth/userinfo", &token).await.refusal(), INVALID_TOKEN);
        let look = [("client_id", "web"), ("token", token.as_str())];
        let seen = app.form_by(&new, "/oauth/introspect", &look).await;
        assert_eq!(seen.json["cnf"], json!({ "x5t#S256": old.thumbprint() }));
        assert_eq!(app.form_by(None, "/oauth/introspect", &look).await.refusal(), NOT_PROVED);
        assert_eq!(app.form_by(None, "/oauth/revoke", &look).await.refusal(), NOT_PROVED);
        assert_eq!(app.live_families().await, 1);
        assert_eq!(app.form_by(&new, "/oauth/revoke", &look).await.status, 200);
        assert_eq!(app.live_families().await, 0);
    }

    async fn a_device_waits_there_and_its_user_is_sent_to_the_issuers_page(app) with with_listener; {
        let holder = Holder::new();
        app.with_television().await;
        app.add_app("set", |it| {
            robot(|it| self_signed(it, &[holder.jwk()]))(it);
            it.grants = [GrantType::DeviceCode, GrantType::RefreshToken].into();
            (it.party, it.scopes) = (Party::First, "profile".parse().unwrap());
        }).await;
        let own = [("client_id", "set")];
        assert_eq!(app.form_by(None, "/oauth/device_authorization", &own).await.refusal(), NOT_PROVED);
        let waiting = app.form_by(&holder, "/oauth/device_authorization", &own).await;
        assert_eq!(waiting.text("verification_uri"), format!("{}/device", app.core.issuer.as_str()));
        let browser = Browser::new(&app);
        let page = browser.enter(&browser.ana_at_device_page().await, waiting.text("user_code")).await;
        browser.answer_device(&browser.follow(page).await, "allow").await;
        let poll = [("grant_type", DEVICE_GRANT), ("client_id", "set"), ("device_code", waiting.text("device_code"))];
        assert_eq!(app.form_by(None, "/oauth/token", &poll).await.refusal(), NOT_PROVED);
        bound_to(&app.form_by(&holder, "/oauth/token", &poll).await, &holder);
    }

    async fn scripts_of_the_simple_face_are_served_there_too(app) with with_listener; {
        app.add_user("ana").await;
        app.add_client("script", |it| it.metadata.tls_client_certificate_bound_access_tokens = true).await;
        let (holder, thief) = (Holder::new(), Holder::new());
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "script" });
        let post = |holder, place, body: &Value| app.send(app.by(holder, Method::POST, place).json(body));
        assert_eq!(post(None, "/login", &login).await.refusal(), NO_CERTIFICATE);
        let answer = post(Some(&holder), "/login", &login).await;
        let token = bound_to(&answer, &holder);
        let sessions = |holder| app.send(app.by(holder, Method::GET, "/sessions").bearer_auth(&token));
        assert_eq!(sessions(Some(&holder)).await.status, 200);
        for holder in [None, Some(&thief)] {
            assert_eq!(sessions(holder).await.refusal(), INVALID_TOKEN);
        }
        app.clock.advance(SECOND);
        let refresh = json!({ "client_id": "script", "refresh_token": answer.text("refresh_token") });
        assert_eq!(post(None, "/refresh", &refresh).await.refusal(), NO_CERTIFICATE);
        let answer = post(Some(&holder), "/refresh", &refresh).await;
        bound_to(&answer, &holder);
        let logout = json!({ "client_id": "script", "refresh_token": answer.text("refresh_token") });
        assert_eq!(post(None, "/logout", &logout).await.status, 204);
        assert_eq!(app.live_families().await, 0);
    }

    async fn the_metadata_tell_where_it_is(app) with |settings| {
        with_listener(settings);
        settings.registration.mode = Mode::Open;
    }; {
        for place in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
            let told = app.get(place, "").await.json;
            assert_eq!(told["mtls_endpoint_aliases"], aliases(app.mutual_tls.as_deref().unwrap()), "{place}");
            let issuer = app.core.issuer.as_str();
            assert_eq!(told["token_endpoint"], format!("{issuer}/oauth/token"));
            assert_eq!(told["tls_client_certificate_bound_access_tokens"], true);
            let methods = json!(["none", "client_secret_basic", "client_secret_post", "private_key_jwt", "self_signed_tls_client_auth", "tls_client_auth"]);
            assert_eq!(told["token_endpoint_auth_methods_supported"], methods);
        }
        let keys = json!({ "keys": [Holder::new().jwk()] });
        let members = json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": keys });
        assert_eq!(app.post("/oauth/register", &members).await.status, 201);
    }

    async fn a_url_with_a_path_is_where_everything_is_served(app) with |settings| {
        with_listener(settings);
        settings.issuer = Some("https://id.example.com/auth".parse().unwrap());
        settings.mtls.url = Some("https://mtls.example.com/clients".parse().unwrap());
        settings.mtls.client_ca = None;
    }; {
        let told = app.get("/auth/.well-known/openid-configuration", "").await.json;
        assert_eq!(told["mtls_endpoint_aliases"], aliases("https://mtls.example.com/clients"));
        let methods = json!(["none", "client_secret_basic", "client_secret_post", "private_key_jwt", "self_signed_tls_client_auth"]);
        assert_eq!(told["token_endpoint_auth_methods_supported"], methods);
        let holder = Holder::new();
        app.add_client("robot", robot(|it| self_signed(it, &[holder.jwk()]))).await;
        let own = [OWN[0], ("client_id", "robot")];
        bound_to(&app.form_by(&holder, "/clients/oauth/token", &own).await, &holder);
        for place in ["/oauth/token", "/auth/oauth/token"] {
            assert_eq!(app.form_by(&holder, place, &own).await.code(), "404 not_found", "{place}");
        }
        // A proof names the URL that the client knows.
        let key = Prover::new();
        let htu = json!({ "htu": "https://mtls.example.com/clients/oauth/token" });
        let proof = key.changed_proof(&json!({}), &changed(&key.claims(&app, "POST", ""), &htu));
        let request = app.by(&holder, Method::POST, "/clients/oauth/token").header("dpop", proof);
        assert_eq!(app.send(form(request, &own)).await.text("token_type"), "DPoP");
    }

    async fn a_proof_of_a_key_is_for_the_url_that_it_is_sent_to(app) with with_listener; {
        let (holder, key) = (Holder::new(), Prover::new());
        app.add_client("robot", robot(|it| self_signed(it, &[holder.jwk()]))).await;
        let secret = app.add_client("plain", robot(|_| {})).await.unwrap();
        let proof = |url: &str| {
            key.changed_proof(&json!({}), &changed(&key.claims(&app, "POST", ""), &json!({ "htu": url })))
        };
        let own = [OWN[0], ("client_id", "robot")];
        let at_alias = |url: String| {
            app.send(form(app.by(&holder, Method::POST, "/oauth/token").header("dpop", proof(&url)), &own))
        };
        let answer = at_alias(app.alias("/oauth/token")).await;
        let cnf = json!({ "jkt": key.thumbprint(), "x5t#S256": holder.thumbprint() });
        assert_eq!((answer.text("token_type"), &claims(answer.text("access_token"))["cnf"]), ("DPoP", &cnf));
        for url in [app.at("/oauth/token"), app.alias("/oauth/par"), app.alias("/oauth/token/")] {
            assert_eq!(at_alias(url.clone()).await.refusal(), OTHER_PLACE, "{url}");
        }
        let plain = ("plain", secret.expose());
        let at_main = async |url: String| app.form_proving_as(plain, &proof(&url), &OWN).await;
        assert_eq!(at_main(app.at("/oauth/token")).await.text("token_type"), "DPoP");
        assert_eq!(at_main(app.alias("/oauth/token")).await.refusal(), OTHER_PLACE);
    }

    async fn an_assertion_is_for_the_issuer_wherever_it_is_sent(app) with with_listener; {
        let signer = Signer::new(jsonwebtoken::Algorithm::ES256, "k1");
        app.add_key_client("strict", &json!({ "jwks": signer.jwks() })).await;
        app.add_key_client("old", &json!({ "jwks": signer.jwks(), "assertion_audience": "endpoint" })).await;
        let (mut number, issuer) = (0, app.core.issuer.to_string());
        let mut asserted = |client: &str, aud: &str| {
            number += 1;
            let claims = changed(&app.assertion(client, &number.to_string()), &json!({ "aud": aud }));
            [("client_assertion_type", TYPE.to_owned()), ("client_assertion", signer.sign(&claims))]
        };
        let mut asked = async |client: &str, place: &str, aud: &str| {
            let proof = asserted(client, aud);
            let proof = proof.iter().map(|(name, value)| (*name, value.as_str()));
            let all: Vec<_> = [OWN[0], ("token", "x")].into_iter().chain(proof).collect();
            app.form_by(None, place, &all).await.status.as_u16()
        };
        let [token, look] = ["/oauth/token", "/oauth/introspect"];
        assert_eq!(asked("strict", token, &issuer).await, 200, "FAPI 2.0 §5.3.2.1, RFC 10070 §4");
        for aud in [app.alias(token), app.at(token), app.mutual_tls.clone().unwrap()] {
            assert_eq!(asked("strict", token, &aud).await, 401, "{aud}");
        }
        // Libraries of old name the token endpoint, some that of the metadata and some its alias.
        for aud in [&issuer, &app.alias(token), &app.at(token), &app.alias(look)] {
            assert_eq!(asked("old", look, aud).await, 200, "{aud}");
        }
        for aud in [&app.alias(look), &app.at(look), &app.mutual_tls.clone().unwrap()] {
            assert_eq!(asked("old", token, aud).await, 401, "{aud}");
        }
        let elsewhere = changed(&app.assertion("old", "main"), &json!({ "aud": app.alias(token) }));
        assert_eq!(app.form_asserted(token, &signer.sign(&elsewhere), &OWN).await.code(), "401 invalid_client");
    }
}
