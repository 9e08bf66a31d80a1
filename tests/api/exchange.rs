//! Token exchange (RFC 8693): never more than what went in, never longer, never without its family.

use heirloom::domain::client::{Client, ClientKind, GrantType, Party, TokenExchangePolicy};
use heirloom::domain::lifetimes::LifetimeOverrides;
use heirloom::service::admin;
use heirloom::store::clients;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const API: &str = "https://api.example";
const NEXT: &str = "https://next.example";

/// A service that is called with tokens for `api`, and calls `next`.
fn service(
    audience: &'static str,
    policy: impl Into<Option<TokenExchangePolicy>>,
) -> impl FnOnce(&mut Client) {
    move |it| {
        it.kind = ClientKind::Confidential(Vec::new());
        it.party = Party::Third;
        it.grants = [GrantType::ClientCredentials, GrantType::TokenExchange].into();
        it.scopes = "openid read write".parse().unwrap();
        it.audiences = vec![audience.parse().unwrap()];
        it.serves.clone_from(&it.audiences);
        it.metadata.token_exchange = policy.into();
    }
}

fn policy(impersonation: bool) -> TokenExchangePolicy {
    TokenExchangePolicy { audiences: vec![NEXT.parse().unwrap()], impersonation }
}

struct Scene {
    /// The service's secret.
    secret: String,
    /// Ana's token for it.
    ana: Tokens,
}

impl TestApp {
    async fn scene(&self) -> Scene {
        let secret =
            self.add_client("service", service(API, policy(true))).await.unwrap().expose().to_owned();
        self.add_client("front", |it| {
            it.scopes = "openid read admin".parse().unwrap();
            it.audiences = vec![API.parse().unwrap()];
        })
        .await;
        self.add_user("ana").await;
        Scene { secret, ana: self.ana_at(API).await }
    }

    async fn ana_at(&self, audience: &str) -> Tokens {
        let login =
            json!({ "username": "ana", "password": PASSWORD, "client_id": "front", "resource": audience });
        self.post("/login", &login).await.tokens()
    }

    /// An exchange, with changes: an empty value leaves a parameter out.
    pub async fn swap(&self, client: (&str, &str), subject: &str, changes: &[(&str, &str)]) -> Answer {
        let usual = [("grant_type", GRANT), ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN)];
        let kept = usual.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        let all: Vec<_> =
            kept.chain(changes.iter().copied().filter(|(_, value)| !value.is_empty())).collect();
        self.form_as("/oauth/token", client, &all).await
    }

    /// The service's own token, to say that it acts.
    async fn own_token(&self, client: (&str, &str)) -> String {
        let own = self.form_as("/oauth/token", client, &[("grant_type", "client_credentials")]).await;
        own.text("access_token").to_owned()
    }

    async fn introspected(&self, client: (&str, &str), token: &str) -> Value {
        self.form_as("/oauth/introspect", client, &[("token", token)]).await.json
    }

    /// A genuine token with one claim changed.
    fn with_claim(&self, token: &str, name: &str, value: Value) -> String {
        let mut claims = claims(token);
        claims[name] = value;
        self.core.keys.sign(&[], &claims.to_string(), self.clock.now()).unwrap()
    }
}

both_stores! {
    async fn a_service_acts_for_its_user_at_the_next_one(app) {
        let scene = app.scene().await;
        let client = ("service", scene.secret.as_str());
        let actor = app.own_token(client).await;
        app.clock.advance(MINUTE);
        let delegation =
            [("actor_token", actor.as_str()), ("actor_token_type", ACCESS_TOKEN), ("audience", NEXT), ("scope", "read")];
        let answer = app.swap(client, &scene.ana.access, &delegation).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(app.told("token.exchanged client=service family="), 1, "{:?}", app.events());
        assert_eq!(answer.json["issued_token_type"], ACCESS_TOKEN);
        assert_eq!(answer.json["token_type"], "Bearer");
        assert_eq!(answer.json["scope"], "read");
        for member in ["refresh_token", "refresh_expires_in", "id_token"] {
            assert!(answer.json.get(member).is_none(), "{member}");
        }
        let (before, after) = (scene.ana.claims(), claims(answer.text("access_token")));
        assert_eq!(after["act"], json!({ "sub": "service" }));
        assert_eq!((&after["client_id"], &after["aud"]), (&json!("service"), &json!(NEXT)));
        for same in ["iss", "sub", "sid", "auth_time"] {
            assert_eq!(after[same], before[same], "{same}");
        }
        assert_eq!(after["exp"], before["exp"], "never longer than the user's own");
        assert_eq!(answer.json["expires_in"], 14 * 60);
        assert_ne!(after["jti"], before["jti"]);
        // Without a name of its own, where it may: impersonation.
        let answer = app.swap(client, &scene.ana.access, &[("resource", NEXT), ("audience", API)]).await;
        let as_ana = claims(answer.text("access_token"));
        assert_eq!((&as_ana["act"], &as_ana["aud"]), (&Value::Null, &json!([NEXT, API])));
        assert_eq!(as_ana["scope"], "openid read", "what both may have");
        // Nothing named: the services that the token is for already.
        let answer = app.swap(client, &scene.ana.access, &[]).await;
        assert_eq!(claims(answer.text("access_token"))["aud"], API);
    }

    async fn everybody_who_acted_stays_in_the_token(app) {
        let scene = app.scene().await;
        let next = app.add_client("next", service(NEXT, policy(true))).await.unwrap().expose().to_owned();
        let (first, second) = (("service", scene.secret.as_str()), ("next", next.as_str()));
        let (actor_1, actor_2) = (app.own_token(first).await, app.own_token(second).await);
        let acting = |token| [("actor_token", token), ("actor_token_type", ACCESS_TOKEN), ("audience", NEXT)];
        let one = app.swap(first, &scene.ana.access, &acting(&actor_1)).await;
        let two = app.swap(second, one.text("access_token"), &acting(&actor_2)).await;
        let chain = json!({ "sub": "next", "act": { "sub": "service" } });
        assert_eq!(claims(two.text("access_token"))["act"], chain, "RFC 8693 §4.1");
        assert_eq!(app.introspected(second, two.text("access_token")).await["act"], chain, "RFC 8693 §4.1");
        // Impersonation forgets nobody either.
        let quiet = app.swap(second, two.text("access_token"), &[]).await;
        assert_eq!(claims(quiet.text("access_token"))["act"], chain);
        let mut token = two.text("access_token").to_owned();
        let mut links = 2;
        let refused = loop {
            let answer = app.swap(second, &token, &acting(&actor_2)).await;
            if answer.status != 200 {
                break answer;
            }
            links += 1;
            token = answer.text("access_token").to_owned();
        };
        assert_eq!((links, refused.code().as_str()), (8, "400 invalid_request"), "a chain ends");
        // An actor for whom somebody acts is two people.
        let refused = app.swap(second, &token, &acting(one.text("access_token"))).await;
        assert_eq!(refused.code(), "400 invalid_request");
    }

    async fn what_ends_the_login_ends_what_came_of_it(app) {
        let scene = app.scene().await;
        let client = ("service", scene.secret.as_str());
        let answer = app.swap(client, &scene.ana.access, &[("scope", "read")]).await;
        let token = answer.text("access_token");
        assert_eq!(app.introspected(client, token).await["active"], true);
        app.form("/oauth/revoke", &[("client_id", "front"), ("token", &scene.ana.refresh)]).await;
        assert_eq!(app.introspected(client, token).await, json!({ "active": false }));
        let refused = app.swap(client, &scene.ana.access, &[]).await;
        assert_eq!(refused.code(), "400 invalid_request", "RFC 8693 §2.2.2: a revoked family's");
        assert_eq!(app.swap(client, token, &[]).await.code(), "400 invalid_request");
    }

    async fn a_revoked_token_is_not_exchanged_and_revokes_no_other(app) {
        let scene = app.scene().await;
        let client = ("service", scene.secret.as_str());
        let answer = app.swap(client, &scene.ana.access, &[]).await;
        let token = answer.text("access_token");
        // A service cannot end the login that its user made with another client.
        assert_eq!(app.form_as("/oauth/revoke", client, &[("token", token)]).await.status, 200);
        assert_eq!(app.live_families().await, 1);
        assert_eq!(app.introspected(client, token).await, json!({ "active": false }));
        assert_eq!(app.swap(client, token, &[]).await.code(), "400 invalid_request");
        let actor = app.own_token(client).await;
        let acting = [("actor_token", actor.as_str()), ("actor_token_type", ACCESS_TOKEN)];
        assert_eq!(app.swap(client, &scene.ana.access, &acting).await.status, 200);
        assert_eq!(app.form_as("/oauth/revoke", client, &[("token", &actor)]).await.status, 200);
        assert_eq!(app.swap(client, &scene.ana.access, &acting).await.code(), "400 invalid_request");
        let again = app.swap(client, &scene.ana.access, &[]).await;
        app.form("/oauth/revoke", &[("client_id", "front"), ("token", &scene.ana.access)]).await;
        assert_eq!(app.swap(client, &scene.ana.access, &[]).await.code(), "400 invalid_request");
        assert_eq!(app.introspected(client, again.text("access_token")).await["active"], true, "a token of its own");
    }

    async fn an_exchanged_token_is_no_login(app) {
        let scene = app.scene().await;
        let issuer: heirloom::domain::audience::Audience = app.url.parse().unwrap();
        let wide = TokenExchangePolicy { audiences: vec![issuer], impersonation: true };
        let wide = app.add_client("wide", service(API, wide)).await.unwrap().expose().to_owned();
        let answer = app.swap(("wide", &wide), &scene.ana.access, &[("audience", &app.url)]).await;
        let token = answer.text("access_token");
        assert_eq!(app.get("/sessions", token).await.code(), "401 invalid_token");
        assert_eq!(app.delete("/sessions", token).await.code(), "401 invalid_token");
        let userinfo = app.get("/oauth/userinfo", token).await;
        assert_eq!(userinfo.json, json!({ "sub": scene.ana.claims()["sub"] }));
        let (wide, now) = ("wide".parse().unwrap(), app.clock.now());
        heirloom::service::admin::clients::remove(&app.core, &wide, 10, now).await.unwrap();
        app.clock.advance(SECOND * 5);
        assert_eq!(app.get("/oauth/userinfo", token).await.code(), "401 invalid_token", "its client is gone");
    }

    async fn every_exchange_that_would_give_too_much_is_refused(app) {
        let scene = app.scene().await;
        let client = ("service", scene.secret.as_str());
        let (ana, own) = (scene.ana.access.as_str(), app.own_token(client).await);
        let elsewhere = app.add_client("elsewhere", service("https://elsewhere.example", policy(true))).await.unwrap();
        let foreign = app.own_token(("elsewhere", elsewhere.expose())).await;
        let expired = app.with_claim(ana, "exp", json!(app.clock.now().timestamp()));
        let other_issuer = app.with_claim(ana, "iss", json!("https://other.example"));
        let not_for_it = app.with_claim(ana, "aud", json!(app.url));
        let no_family = app.with_claim(ana, "sid", json!("018f0000-0000-7000-8000-000000000000"));
        let no_client = app.with_claim(&own, "client_id", json!("nobody"));
        let reserved = app.with_claim(ana, "may_act", json!({ "sub": "somebody" }));
        let cut = &ana[..ana.len() - 4];
        let acts = ("actor_token_type", ACCESS_TOKEN);
        let rows: &[Refused<'_>] = &[
            ("RFC 8693 §2.1: subject_token", &[("subject_token", "")], "400 invalid_request"),
            ("RFC 8693 §2.1: subject_token_type", &[("subject_token_type", "")], "400 invalid_request"),
            ("RFC 8693 §3: no refresh token", &[("subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], "400 invalid_request"),
            ("RFC 8693 §3: no ID token", &[("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")], "400 invalid_request"),
            ("RFC 8693 §2.1: actor_token_type alone", &[acts], "400 invalid_request"),
            ("RFC 8693 §2.1: actor_token alone", &[("actor_token", &own)], "400 invalid_request"),
            ("RFC 8693 §2.1: requested_token_type", &[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], "400 invalid_request"),
            ("RFC 8693 §2.1: requested_token_type", &[("requested_token_type", "urn:ietf:params:oauth:token-type:id_token")], "400 invalid_request"),
            ("RFC 8693 §2.2.2: rubbish", &[("subject_token", "a.b.c")], "400 invalid_request"),
            ("RFC 8693 §2.2.2: a refresh token", &[("subject_token", &scene.ana.refresh)], "400 invalid_request"),
            ("RFC 8693 §2.2.2: cut off", &[("subject_token", cut)], "400 invalid_request"),
            ("RFC 8693 §2.2.2: expired", &[("subject_token", &expired)], "400 invalid_request"),
            ("RFC 8693 §2.2.2: another issuer's", &[("subject_token", &other_issuer)], "400 invalid_request"),
            ("RFC 8693 §2.2.2: not meant for it", &[("subject_token", &not_for_it)], "400 invalid_request"),
            ("RFC 8693 §2.2.2: another service's", &[("subject_token", &foreign)], "400 invalid_request"),
            ("RFC 8693 §2.2.2: no family", &[("subject_token", &no_family)], "400 invalid_request"),
            ("RFC 8693 §2.2.2: no client", &[("subject_token", &no_client)], "400 invalid_request"),
            ("RFC 8693 §2.2.2: bad actor", &[("actor_token", "a.b.c"), acts], "400 invalid_request"),
            ("RFC 8693 §2.2.2: another's actor", &[("actor_token", &foreign), acts], "400 invalid_request"),
            ("RFC 8693 §4.4: may_act, delegation", &[("subject_token", &reserved), ("actor_token", &own), acts], "400 invalid_request"),
            ("RFC 8693 §4.4: may_act, impersonation", &[("subject_token", &reserved)], "400 invalid_request"),
            ("RFC 8693 §2.2.2: unknown audience", &[("audience", "https://evil.example")], "400 invalid_target"),
            ("RFC 8707 §2: one of two", &[("audience", NEXT), ("resource", "https://evil.example")], "400 invalid_target"),
            ("RFC 8707 §2: fragment", &[("resource", "https://next.example#x")], "400 invalid_target"),
            ("RFC 6749 §3.3: more than the token has", &[("scope", "read write")], "400 invalid_scope"),
            ("RFC 6749 §3.3: more than the client has", &[("scope", "admin")], "400 invalid_scope"),
            ("RFC 6749 §3.3: malformed", &[("scope", "a\"b")], "400 invalid_scope"),
            ("RFC 6749 §3.2: repeated", &[("subject_token", ana), ("subject_token", ana)], "400 invalid_request"),
        ];
        for (section, changes, refusal) in rows {
            let answer = app.swap(client, ana, changes).await;
            assert_eq!(answer.code(), *refusal, "{section}");
            assert!(!answer.text("error_description").contains("evil"), "{section}");
        }
        let allowed = app.with_claim(ana, "may_act", json!({ "sub": "service" }));
        assert_eq!(app.swap(client, &allowed, &[]).await.status, 200, "RFC 8693 §4.4");
    }

    async fn nobody_exchanges_who_was_not_let(app) {
        let scene = app.scene().await;
        let ana = scene.ana.access.as_str();
        let secret = async |id: &str, change: Box<dyn FnOnce(&mut Client)>| {
            app.add_client(id, change).await.map(|secret| secret.expose().to_owned()).unwrap_or_default()
        };
        let no_policy = secret("no-policy", Box::new(service(API, None))).await;
        let no_grant = secret("no-grant", Box::new(|it| {
            service(API, policy(true))(it);
            it.grants = [GrantType::ClientCredentials].into();
        })).await;
        let named = secret("named", Box::new(service(API, policy(false)))).await;
        let brief = secret("brief", Box::new(|it| {
            service(API, policy(false))(it);
            it.lifetimes = LifetimeOverrides { access_ttl: Some(MINUTE), ..LifetimeOverrides::default() };
        })).await;
        // Nobody can add such a client: it stands in the database alone.
        let now = app.clock.now();
        let mut public = Client { id: "public".parse().unwrap(), ..admin::clients::built_in(now) };
        service(API, policy(true))(&mut public);
        public.kind = ClientKind::Public;
        assert!(admin::clients::add(&app.core, &public, now).await.is_err());
        app.core.write(now, async |tx| clients::insert(tx, &public).await.map(Some)).await.unwrap();
        for (client, secret) in [("no-policy", &no_policy), ("no-grant", &no_grant), ("named", &named)] {
            assert_eq!(app.swap((client, secret), ana, &[]).await.code(), "400 unauthorized_client", "{client}");
        }
        assert_eq!(app.swap(("named", "wrong"), ana, &[]).await.code(), "401 invalid_client", "RFC 8693 §2.1");
        let form = [("grant_type", GRANT), ("client_id", "public"), ("subject_token", ana), ("subject_token_type", ACCESS_TOKEN)];
        assert_eq!(app.form("/oauth/token", &form).await.code(), "400 unauthorized_client");
        // With its name in the token it may.
        for (client, secret, lifetime) in [("named", &named, 15 * 60), ("brief", &brief, 60)] {
            let actor = app.own_token((client, secret)).await;
            let acts = [("actor_token", actor.as_str()), ("actor_token_type", ACCESS_TOKEN)];
            let answer = app.swap((client, secret), ana, &acts).await;
            assert_eq!((answer.status.as_u16(), &answer.json["expires_in"]), (200, &json!(lifetime)), "{client}");
        }
    }
}
