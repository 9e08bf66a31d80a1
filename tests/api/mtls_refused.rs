//! What a certificate, or what is said to be one, does not open; and that none of it uses anything up.

use heirloom::domain::registration::Mode;
use heirloom::settings::Settings;
use rcgen::{KeyPair, date_time_ymd};
use reqwest::Method;
use serde_json::{Value, json};

use crate::browser::REDIRECT_URI;
use crate::certificates::*;
use crate::harness::*;
use crate::mtls::*;

const UNREADABLE: &str = "400 invalid_request The proxy's header with the client's certificate does not hold one as RFC 9440 has it.";
const TWICE: &str =
    "400 invalid_request The proxy's header with the client's certificate stands there twice.";

/// The proxy is somewhere else: who asks from here is nobody that is believed.
fn behind_another_proxy(settings: &mut Settings) {
    behind_a_proxy(settings);
    settings.http.trusted_proxies = vec!["192.0.2.0/24".parse().unwrap()];
}

both_stores! {
    async fn a_header_that_is_not_a_certificate_is_refused_wherever_it_is_looked_at(app) with behind_a_proxy; {
        // The alphabets differ in two letters.
        let holder = std::iter::repeat_with(Holder::new).find(|it| it.header().contains(['+', '/'])).unwrap();
        app.add_user("ana").await;
        app.add_client("robot", robot(|it| self_signed(it, &[holder.jwk()]))).await;
        let good = holder.header();
        let own = [("grant_type", "client_credentials"), ("client_id", "robot")];
        let login = app.log_in("ana").await;
        let asked = |place: &str| match place {
            "/oauth/token" => form(app.http.post(app.at(place)), &own),
            "/login" => app.http.post(app.at(place)).json(&json!({ "username": "ana", "password": PASSWORD })),
            "/refresh" => app.http.post(app.at(place)).json(&json!({ "refresh_token": login.refresh })),
            _ => app.http.get(app.at(place)).bearer_auth(&login.access),
        };
        let before = app.last_write().await;
        let bare = good.trim_matches(':');
        for (section, header) in [
            ("RFC 9651 §3.3.5: a byte sequence", bare.to_owned()),
            ("RFC 9651 §3.3.5: its end", good.trim_end_matches(':').to_owned()),
            ("RFC 9651 §3.3.5: base64", ":no base64!:".to_owned()),
            ("RFC 9651 §3.3.5: of the usual alphabet", good.replace('+', "-").replace('/', "_")),
            ("RFC 9440 §2.1: one", format!("{good}, {good}")),
            ("RFC 9440 §2.1: DER", ":AAAA:".to_owned()),
            ("RFC 9440 §2.1: something", "::".to_owned()),
            ("nginx's $ssl_client_escaped_cert", "-----BEGIN%20CERTIFICATE-----%0AMIIB".to_owned()),
            ("nginx's $ssl_client_cert", holder.pem.replace('\n', " ")),
            ("Envoy's x-forwarded-client-cert", format!("Hash={}", holder.thumbprint())),
        ] {
            for place in ["/oauth/token", "/login", "/refresh", "/sessions"] {
                let answer = app.send(asked(place).header("client-cert", &header)).await;
                assert_eq!(answer.refusal(), UNREADABLE, "{section}: {place}");
            }
        }
        for place in ["/oauth/token", "/login", "/refresh", "/sessions"] {
            let twice = asked(place).header("client-cert", &good).header("client-cert", &good);
            assert_eq!(app.send(twice).await.refusal(), TWICE, "{place}");
        }
        assert_eq!((app.last_write().await, app.told("login.refused"), app.live_families().await), (before, 0, 1));
        // A proxy may send an empty one where there is no certificate.
        assert_eq!(app.send(asked("/oauth/token").header("client-cert", "")).await.refusal(), NOT_PROVED);
        assert_eq!(app.send(asked("/sessions").header("client-cert", "")).await.status, 200);
        assert_eq!(app.send(asked("/oauth/token").header("client-cert", &good)).await.status, 200);
    }

    async fn a_certificate_that_is_not_good_now_proves_nothing_and_binds_nothing(app) with behind_a_proxy; {
        let key = || KeyPair::generate().unwrap();
        for (number, holder) in [Holder::of(&key(), late), Holder::of(&key(), early)].iter().enumerate() {
            let client = format!("robot-{number}");
            app.add_client(&client, robot(|it| self_signed(it, &[holder.jwk()]))).await;
            assert_eq!(app.own_token_showing(&client, holder).await.refusal(), NOT_PROVED, "RFC 5280 §4.1.2.5");
            let client = format!("secret-{number}");
            let secret = app.add_client(&client, robot(|it| it.metadata.tls_client_certificate_bound_access_tokens = true)).await;
            let request = app.shown(holder, Method::POST, "/oauth/token").basic_auth(&client, Some(secret.unwrap().expose()));
            let answer = app.send(form(request, &[("grant_type", "client_credentials")])).await;
            assert_eq!(answer.refusal(), NO_CERTIFICATE);
        }
        let vouched = client_authority().vouch(late);
        let name = json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=robot,O=Example Ltd" });
        app.add_client("vouched", robot(|it| it.metadata = serde_json::from_value(name).unwrap())).await;
        assert_eq!(app.own_token_showing("vouched", &vouched).await.refusal(), NOT_PROVED);
        // A token lives no longer than its certificate.
        let soon = app.clock.now() + MINUTE;
        let end = date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(soon.timestamp().unsigned_abs());
        let holder = Holder::of(&key(), |it| it.not_after = end);
        app.add_user("ana").await;
        app.add_client("script", |it| it.metadata.tls_client_certificate_bound_access_tokens = true).await;
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "script" });
        let token = bound_to(&app.send(app.shown(&holder, Method::POST, "/login").json(&login)).await, &holder);
        let look = || app.shown(&holder, Method::GET, "/sessions").bearer_auth(&token);
        app.clock.advance(MINUTE);
        assert_eq!(app.send(look()).await.status, 200, "to the end of its last second");
        app.clock.advance(SECOND);
        assert_eq!(app.send(look()).await.code(), "401 invalid_token");
    }

    async fn one_clients_certificate_is_no_other_clients(app) with behind_a_proxy; {
        let (one, other) = (Holder::new(), Holder::new());
        app.add_client("one", robot(|it| self_signed(it, &[one.jwk()]))).await;
        app.add_client("other", robot(|it| self_signed(it, &[other.jwk()]))).await;
        let secret = app.add_client("secret", robot(|it| it.metadata.tls_client_certificate_bound_access_tokens = true)).await.unwrap();
        let own = [("grant_type", "client_credentials")];
        for (client, holder) in [("one", &other), ("other", &one), ("secret", &one), ("nobody", &one)] {
            assert_eq!(app.own_token_showing(client, holder).await.refusal(), NOT_PROVED, "{client}");
        }
        // Who registered a certificate has no secret, and an assertion's method is another one.
        let request = app.shown(&one, Method::POST, "/oauth/token").basic_auth("one", Some("secret"));
        assert_eq!(app.send(form(request, &own)).await.refusal(), NOT_PROVED);
        // Whoever proves itself in another way may have its tokens bound to any certificate.
        let request = || app.http.post(app.at("/oauth/token")).basic_auth("secret", Some(secret.expose()));
        assert_eq!(app.send(form(request(), &own)).await.refusal(), NO_CERTIFICATE);
        bound_to(&app.send(form(request().header("client-cert", other.header()), &own)).await, &other);
    }

    async fn what_a_stranger_says_of_a_certificate_is_not_even_read(app) with behind_another_proxy; {
        let holder = Holder::new();
        app.add_client("robot", robot(|it| self_signed(it, &[holder.jwk()]))).await;
        assert_eq!(app.own_token_showing("robot", &holder).await.refusal(), NOT_PROVED);
        let forwarded = app.shown(&holder, Method::POST, "/oauth/token").header("x-forwarded-for", "192.0.2.7");
        let own = [("grant_type", "client_credentials"), ("client_id", "robot")];
        assert_eq!(app.send(form(forwarded, &own)).await.refusal(), NOT_PROVED);
        app.add_user("ana").await;
        let login = app.log_in("ana").await;
        let rubbish = app.http.get(app.at("/sessions")).bearer_auth(&login.access).header("client-cert", "rubbish");
        assert_eq!(app.send(rubbish).await.status, 200);
    }

    async fn where_no_header_is_named_none_is_read(app) with |settings| {
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        settings.registration.mode = Mode::Open;
    }; {
        let holder = Holder::new();
        app.add_client("robot", robot(|it| self_signed(it, &[holder.jwk()]))).await;
        assert_eq!(app.own_token_showing("robot", &holder).await.refusal(), NOT_PROVED);
        let told = app.get("/.well-known/openid-configuration", "").await.json;
        assert_eq!(told["token_endpoint_auth_methods_supported"], json!(["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]));
        assert_eq!(told.get("tls_client_certificate_bound_access_tokens"), None::<&Value>);
        assert_eq!(told.get("mtls_endpoint_aliases"), None::<&Value>);
        for changes in [
            json!({ "redirect_uris": [REDIRECT_URI], "tls_client_certificate_bound_access_tokens": true }),
            json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": { "keys": [holder.jwk()] } }),
            json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a.example" }),
        ] {
            assert_eq!(app.post("/oauth/register", &changes).await.code(), "400 invalid_client_metadata");
        }
    }
}

#[test]
fn settings_that_could_not_work_keep_a_server_from_starting() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = crate::folder::Folder::new();
    for (file, told) in [
        (folder.keep("empty.pem", ""), "it does not hold a certificate in PEM"),
        (folder.keep("rubbish.pem", "rubbish"), "it does not hold a certificate in PEM"),
        (
            folder.keep("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "it holds a certificate that cannot be used",
        ),
        (folder.path().join("nowhere.pem"), "cannot read"),
    ] {
        let refused = runtime
            .block_on(start_refused("sqlite::memory:", |settings| settings.mtls.client_ca = Some(file)));
        assert!(refused.contains("mtls.client_ca: ") && refused.contains(told), "{refused}");
    }
    let refused = runtime.block_on(start_refused("sqlite::memory:", |settings| {
        settings.mtls.client_cert_header = Some("Client-Cert".parse().unwrap());
    }));
    assert!(
        refused.contains("mtls.client_cert_header is set, so http.trusted_proxies must be, too"),
        "{refused}"
    );
}
