//! Logins that several share, and logins whose tokens stay: the rotation policies `every P` and `never`.

use std::time::Duration;

use heirloom::domain::client::{Client, ClientKind, GrantType, Party};
use heirloom::domain::family::RotationPolicy;
use heirloom::service::admin;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use crate::browser::*;
use crate::database::both_databases;
use crate::harness::*;
use crate::registration::{open, tool};

const HOUR: Duration = Duration::from_hours(1);
const P: Duration = DAY;

/// A client whose processes share a login.
fn shared(it: &mut Client) {
    it.metadata.refresh_token_rotation = RotationPolicy::Every(P);
}

/// One that proves itself each time.
fn proven(it: &mut Client) {
    it.kind = ClientKind::Confidential(Vec::new());
    it.party = Party::First;
    it.grants = [GrantType::AuthorizationCode, GrantType::RefreshToken].into();
    it.metadata.refresh_token_rotation = RotationPolicy::Never;
}

impl TestApp {
    async fn shared_login(&self) -> Tokens {
        self.add_client("tool", shared).await;
        self.add_user("ana").await;
        self.log_in_with("tool", "ana").await
    }

    async fn shared_refresh(&self, token: &str) -> Answer {
        self.refresh_with("tool", token).await
    }
}

/// How many processes share a login, and how they fare.
struct Company {
    /// They come back less than this after they came.
    pause: Duration,
    /// Of so many answers one is lost.
    lost: Option<u32>,
}

/// A week of 43 processes, each with its own memory of the token. Gives when the row was written.
async fn a_week(app: &TestApp, company: Company) -> Vec<Duration> {
    let first = app.shared_login().await;
    let mut random = SmallRng::from_seed([7; 32]);
    let pause = |random: &mut SmallRng| company.pause.mul_f64(random.random_range(0.0..1.0));
    let mut processes: Vec<(Duration, String)> =
        (0..43).map(|_| (pause(&mut random), first.refresh.clone())).collect();
    let (mut now, mut written, mut row) = (Duration::ZERO, Vec::new(), app.last_write().await);
    while now < 7 * DAY {
        let next = processes.iter().enumerate().min_by_key(|(_, (at, _))| *at).unwrap().0;
        let (at, token) = processes[next].clone();
        app.clock.advance(at.saturating_sub(now));
        now = at;
        let answer = app.shared_refresh(&token).await;
        assert_eq!(answer.status, 200, "after {now:?}, process {next}: {answer:?}");
        let after = app.last_write().await;
        if after != row {
            written.push(now);
            row = after;
        }
        let is_lost = company.lost.is_some_and(|of| random.random_ratio(1, of));
        let token = if is_lost { token } else { answer.tokens().refresh };
        processes[next] = (now + pause(&mut random), token);
    }
    assert_eq!((app.live_families().await, app.told("family.ended")), (1, 0));
    written
}

fn are_apart(written: &[Duration], least: Duration) {
    assert!(written.len() > 5, "{written:?}");
    assert!(written.windows(2).all(|pair| pair[1] - pair[0] >= least), "{written:?}");
}

both_stores! {
    async fn processes_that_lose_answers_share_a_login_for_a_week(app) {
        are_apart(&a_week(&app, Company { pause: P / 2, lost: Some(5) }).await, P / 2);
    }

    async fn processes_that_get_their_answers_may_stay_away_for_longer(app) {
        are_apart(&a_week(&app, Company { pause: P, lost: None }).await, P / 2);
    }

    async fn a_kept_token_comes_with_fresh_access_and_writes_nothing(app) {
        let first = app.shared_login().await;
        let row = app.last_write().await;
        app.clock.advance(10 * MINUTE);
        let kept = app.shared_refresh(&first.refresh).await;
        assert_eq!(kept.tokens().refresh, first.refresh);
        assert_eq!((kept.json["expires_in"].as_i64(), app.last_write().await), (Some(900), row));
        let (before, after) = (first.claims(), kept.tokens().claims());
        assert_eq!(after["iat"].as_i64().unwrap() - before["iat"].as_i64().unwrap(), 600);
        assert_ne!(before["jti"], after["jti"]);
        app.clock.advance(P - 10 * MINUTE);
        let second = app.shared_refresh(&first.refresh).await.tokens();
        assert_eq!(second.generation(), 2);
        assert_eq!(app.shared_refresh(&first.refresh).await.tokens().refresh, second.refresh, "base is kept, too");
    }

    async fn who_only_ever_presents_base_is_not_idle(app) {
        let first = app.shared_login().await;
        app.clock.advance(P);
        app.shared_refresh(&first.refresh).await.tokens();
        for _ in 0..60 {
            app.clock.advance(11 * HOUR);
            assert_eq!(app.shared_refresh(&first.refresh).await.status, 200);
        }
        assert_eq!(app.live_families().await, 1);
    }

    async fn a_holder_two_generations_behind_ends_the_login(app) {
        let first = app.shared_login().await;
        app.clock.advance(P);
        let second = app.shared_refresh(&first.refresh).await.tokens();
        app.clock.advance(P);
        let third = app.shared_refresh(&second.refresh).await.tokens();
        assert_eq!(app.shared_refresh(&second.refresh).await.status, 200);
        assert_eq!(app.shared_refresh(&first.refresh).await.refusal(), REUSED);
        assert_eq!(app.shared_refresh(&third.refresh).await.refusal(), REUSED);
        assert_eq!((app.told("family.reused"), app.told("family.recovered")), (1, 0));
    }

    async fn holders_of_two_generations_go_on_after_a_restore(app) {
        let first = app.shared_login().await;
        app.clock.advance(P);
        let second = app.shared_refresh(&first.refresh).await.tokens();
        app.clock.advance(P);
        let third = app.shared_refresh(&second.refresh).await.tokens();
        app.sql("UPDATE families SET generation = 2, base = 1").await;
        for _ in 0..3 {
            assert_eq!(app.shared_refresh(&third.refresh).await.tokens().generation(), 3);
            assert_eq!(app.shared_refresh(&second.refresh).await.tokens().generation(), 3);
            app.clock.advance(HOUR);
        }
        assert_eq!(app.told("family.caught_up"), 1);
    }

    async fn tokens_of_a_client_that_proves_itself_stay(app) {
        let secret = app.add_web_app("web", proven).await;
        app.add_user("ana").await;
        let client = ("web", secret.as_str());
        let code = Browser::new(&app).ana_signs_in(&[("client_id", "web")]).await;
        let exchange = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", VERIFIER), ("redirect_uri", REDIRECT_URI)];
        let first = app.form_as("/oauth/token", client, &exchange).await.tokens();
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", first.refresh.as_str())];
        let row = app.last_write().await;
        app.clock.advance(MINUTE - SECOND);
        assert_eq!(app.form_as("/oauth/token", client, &refresh).await.tokens().refresh, first.refresh);
        assert_eq!(app.last_write().await, row, "kept");
        app.clock.advance(SECOND);
        assert_eq!(app.form_as("/oauth/token", client, &refresh).await.tokens().refresh, first.refresh);
        assert_ne!(app.last_write().await, row, "touched");
        for _ in 0..13 {
            app.clock.advance(6 * DAY);
            assert_eq!(app.form_as("/oauth/token", client, &refresh).await.tokens().generation(), 1);
        }
        app.clock.advance(12 * DAY);
        assert_eq!(app.form_as("/oauth/token", client, &refresh).await.code(), "400 invalid_grant", "its end comes all the same");
    }

    async fn nobody_has_a_token_for_ever_without_a_proof(app) {
        app.add_client("tool", |it| it.metadata.refresh_token_rotation = RotationPolicy::Never).await;
        app.add_user("ana").await;
        let first = app.log_in_with("tool", "ana").await;
        assert_eq!(app.shared_refresh(&first.refresh).await.tokens().generation(), 2, "judged as always");
    }

    async fn introspection_says_what_a_refresh_would_serve(app) {
        let secret = app.add_web_app("web", |it| {
            proven(it);
            shared(it);
        }).await;
        app.add_user("ana").await;
        let client = ("web", secret.as_str());
        let code = Browser::new(&app).ana_signs_in(&[("client_id", "web")]).await;
        let exchange = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", VERIFIER), ("redirect_uri", REDIRECT_URI)];
        let mut tokens = vec![app.form_as("/oauth/token", client, &exchange).await.tokens()];
        for nth in 0..2 {
            app.clock.advance(P);
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens[nth].refresh.as_str())];
            tokens.push(app.form_as("/oauth/token", client, &refresh).await.tokens());
        }
        for (tokens, active) in tokens.iter().zip([false, true, true]) {
            let seen = app.form_as("/oauth/introspect", client, &[("token", &tokens.refresh)]).await;
            assert_eq!(seen.json["active"], active, "generation {}", tokens.generation());
        }
        assert_eq!(app.live_families().await, 1, "looking changes nothing");
    }

    async fn the_account_says_that_a_login_is_shared(app) {
        app.shared_login().await;
        app.log_in("ana").await;
        let browser = Browser::new(&app);
        let page = browser.follow(browser.get("/account").await).await;
        let page = browser.sign_in(&page, "ana").await;
        assert_eq!(page.body.matches("Several programs may be using this login together.").count(), 1, "{page:?}");
    }

    async fn a_policy_that_does_not_fit_is_refused_where_it_is_set(app) {
        let add = async |change: fn(&mut Client)| {
            let mut client = Client { id: "tool".parse().unwrap(), ..admin::clients::built_in(app.clock.now()) };
            change(&mut client);
            admin::clients::add(&app.core, &client, app.clock.now()).await.unwrap_err().to_string()
        };
        let bounds = "the rotation period must be between 15m (the access-token lifetime, one minute at least) and 1d 18h \
                      (a quarter of the idle lifetime)";
        assert_eq!(add(|it| it.metadata.refresh_token_rotation = RotationPolicy::Every(MINUTE)).await, bounds);
        assert_eq!(add(|it| it.metadata.refresh_token_rotation = RotationPolicy::Every(2 * DAY)).await, bounds);
        let strict = add(|it| {
            it.lifetimes.leeway = Some(Duration::ZERO);
            it.metadata.refresh_token_rotation = RotationPolicy::Never;
        });
        assert_eq!(strict.await, "a leeway of 0s (strict mode) needs the rotation policy always");
    }

    async fn a_client_that_registers_itself_rotates_with_every_refresh(app) with open; {
        let mut members = tool();
        members["refresh_token_rotation"] = json!("every:1h");
        let registered = app.register(&members).await;
        assert_eq!((registered.status.as_u16(), registered.text("refresh_token_rotation")), (201, "always"));
        members["refresh_token_rotation"] = json!("sometimes");
        assert_eq!(app.register(&members).await.code(), "400 invalid_client_metadata");
    }

    async fn unless_an_operator_lets_it_have_a_period(app) with |settings| {
        open(settings);
        settings.registration.longest_rotation_period = HOUR;
    }; {
        for (asked, had) in [("every:30m", "every:30m"), ("every:2h", "every:1h"), ("never", "every:1h"), ("always", "")] {
            let mut members = tool();
            members["refresh_token_rotation"] = json!(asked);
            let registered = app.register(&members).await;
            assert_eq!(registered.json["refresh_token_rotation"].as_str().unwrap_or_default(), had, "{asked}");
        }
        let mut members = tool();
        members["refresh_token_rotation"] = json!("every:1m");
        assert_eq!(app.register(&members).await.code(), "400 invalid_client_metadata", "shorter than the access token lives");
    }
}

both_databases! {
    async fn two_replicas_and_a_crowd_agree(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), |_| ()).await;
        let first = one.shared_login().await;
        let (other, stop_other) = start(store, &url, clock.clone(), |settings| settings.issuer = Some(one.url.parse().unwrap())).await;
        clock.advance(P);
        let second = one.shared_refresh(&first.refresh).await.tokens();
        for age in [HOUR, P / 2, P, P / 2] {
            clock.advance(age);
            let crowd = (0..100).map(|nth| {
                let (app, tokens) = ([&one, &other][nth % 2], [&first, &second][nth / 2 % 2]);
                app.shared_refresh(&tokens.refresh)
            });
            for answer in futures_util::future::join_all(crowd).await {
                // Once the current one has rotated, the one before base is spent.
                assert!(answer.status == 200, "after {age:?}: {answer:?}");
            }
            if age == P / 2 {
                break;
            }
        }
        assert_eq!((one.live_families().await, one.told("family.ended") + other.told("family.ended")), (1, 0));
        stop_one.end().await;
        stop_other.end().await;
    }
}
