//! Users with more logins than anybody looks through: every answer and every loop over them is bounded.

use heirloom::domain::ids::{FamilyId, UserId};
use heirloom::domain::lifetimes::LifetimeOverrides;
use heirloom::domain::secrets::Password;
use heirloom::service::admin::families::WantedFamilies;
use heirloom::service::admin::users::{Change, WantedUsers};
use heirloom::service::admin::{self, janitor};
use serde_json::json;

use crate::browser::*;
use crate::harness::*;

const COLUMNS: &str = "subject, client_id, scope, audiences, roles, key_thumbprint, secret_hash, generation, base, \
     auth_time, amr, acr, claims, sign_in_session, device_name, user_agent, address, created_at, expires_at";

impl TestApp {
    /// Makes so many copies of the only family: of its user, or of somebody else each.
    async fn copy_family(&self, count: u32, user: &str) {
        let random = match self.store {
            Store::Sqlite => "randomblob(16)",
            Store::Postgres => "gen_random_uuid()",
        };
        let user = if user.is_empty() { random } else { user };
        self.sql(&format!(
            "INSERT INTO families (id, user_id, rotated_at, {COLUMNS}) \
             WITH RECURSIVE nth (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM nth WHERE n < {count}) \
             SELECT {random}, {user}, rotated_at, {COLUMNS} FROM nth, (SELECT * FROM families LIMIT 1) AS it"
        ))
        .await;
    }

    /// A part of a user's list: what it lists, and what leads on.
    async fn part(&self, access: &str, query: &str) -> (Vec<String>, Option<String>) {
        let answer = self.get(&format!("/sessions{query}"), access).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let listed = answer.json["sessions"].as_array().unwrap().iter();
        let ids = listed.map(|session| session["id"].as_str().unwrap().to_owned()).collect();
        (ids, answer.json["next"].as_str().map(ToOwned::to_owned))
    }

    /// All parts of it, and how many there were.
    async fn parts(&self, access: &str) -> (Vec<String>, usize) {
        let (mut all, mut next) = self.part(access, "").await;
        let mut parts = 1;
        while let Some(after) = next {
            let (listed, then) = self.part(access, &format!("?after={after}")).await;
            (parts, next) = (parts + 1, then);
            all.extend(listed);
        }
        (all, parts)
    }

    async fn tidied(&self, batch: i64) -> heirloom::service::admin::rounds::Tidied {
        janitor::tidy(&self.core, batch, self.clock.now()).await.unwrap()
    }

    pub async fn rows(&self, table: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM {table}")).await
    }
}

both_stores! {
    async fn a_list_is_given_in_parts_and_each_login_once(app) {
        app.add_user("ana").await;
        let mut all = Vec::new();
        for nth in 0..120 {
            all.insert(0, app.log_in("ana").await.family());
            // Some at the very same millisecond.
            app.clock.advance(MINUTE * (nth % 2));
        }
        app.add_user("bob").await;
        app.log_in("bob").await;
        let access = app.log_in("ana").await;
        all.insert(0, access.family());
        let access = access.access;
        let (first, next) = app.part(&access, "").await;
        assert_eq!((first.len(), next.is_some()), (50, true));
        let (listed, parts) = app.parts(&access).await;
        let sorted = |mut ids: Vec<String>| { ids.sort(); ids };
        assert_eq!((listed.len(), parts), (121, 3));
        assert_eq!(sorted(listed.clone()), sorted(all.clone()), "each is there once, and bob's is not");
        let moments = |ids: &[String]| ids.iter().map(|id| id[..13].to_owned()).collect::<Vec<_>>();
        assert_eq!(moments(&listed), moments(&all), "the newest first");
        let (few, next) = app.part(&access, "?limit=7").await;
        assert_eq!(few, listed[..7]);
        assert_eq!(app.part(&access, &format!("?limit=2&after={}", next.unwrap())).await.0, listed[7..9]);
        assert_eq!(app.part(&access, "?limit=100000").await.0.len(), 50);
        for wrong in ["limit=0", "limit=-1", "limit=x", "after=x", "after=AAAA", "limit=1&limit=2"] {
            assert_eq!(app.get(&format!("/sessions?{wrong}"), &access).await.code(), "400 invalid_request", "{wrong}");
        }
        // A login that ends does not take the place away, nor does one that began meanwhile.
        let (_, next) = app.part(&access, "?limit=10").await;
        app.sql("UPDATE families SET ended_at = created_at, end_reason = 'owner' WHERE client_id = 'heirloom' \
                 AND id IN (SELECT id FROM families ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET 9)").await;
        app.log_in("ana").await;
        assert_eq!(app.part(&access, &format!("?after={}", next.unwrap())).await.0[0], listed[10]);
    }

    async fn what_nobody_uses_any_more_is_not_looked_through_at_once(app) {
        app.add_user("ana").await;
        app.add_client("short", |it| {
            it.lifetimes = LifetimeOverrides { idle_ttl: Some(MINUTE * 30), ..it.lifetimes };
        }).await;
        let old = app.log_in_with("short", "ana").await;
        app.copy_family(1234, "user_id").await;
        app.clock.advance(MINUTE * 30);
        let here = app.log_in("ana").await;
        // The idle ones are the newest.
        let soon = if app.store == Store::Sqlite { "'2200-01-01T00:00:00+00:00'" } else { "'2200-01-01T00:00:00Z'" };
        app.sql(&format!("UPDATE families SET created_at = {soon} WHERE client_id = 'short'")).await;
        let (first, next) = app.part(&here.access, "").await;
        assert_eq!((first, next.is_some()), (Vec::new(), true), "only so many rows are read");
        assert_eq!(app.parts(&here.access).await, (vec![here.family()], 3));
        assert_eq!(app.refresh_with("short", &old.refresh).await.refusal(), EXPIRED);
        // The page does as the list.
        let browser = Browser::new(&app);
        let page = browser.sign_in(&browser.follow(browser.get("/account").await).await, "ana").await;
        let mut place = "/account".to_owned();
        for (parts, is_listed) in [(1, false), (2, false), (3, true)] {
            let page = browser.get(&place).await;
            assert_eq!(page.body.contains(&here.family()), is_listed, "{parts}: {page:?}");
            assert!(!page.body.contains("You are not signed in to any app."), "{page:?}");
            let next = page.body.split("<a href=\"").find(|link| link.contains("rel=\"next\""));
            match next {
                Some(link) => place = unescaped(link.split('"').next().unwrap()),
                None => assert_eq!(parts, 3, "{page:?}"),
            }
        }
        assert_eq!(page.status, 200);
    }

    async fn all_of_many_logins_end_and_none_but_these(app) {
        app.ana_logged_in().await;
        app.copy_family(2345, "user_id").await;
        app.add_user("bob").await;
        let bob = app.log_in("bob").await;
        app.clock.advance(MINUTE);
        let here = app.log_in("ana").await;
        assert_eq!(app.delete("/sessions", &here.access).await.status, 204);
        assert_eq!((app.live_families().await, app.rows("ending_logins").await), (2, 0));
        app.rotate(&here).await;
        app.rotate(&bob).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM families WHERE end_reason = 'owner'").await, 2346);
    }

    async fn whatever_ends_a_users_logins_ends_all_of_many(app) {
        let ana = app.add_user("ana").await;
        app.add_client("app", |_| ()).await;
        let password = Password::new(PASSWORD.to_owned()).unwrap();
        for change in [None, Some(Change::Disable), Some(Change::Password(password)), Some(Change::Remove)] {
            app.sql("DELETE FROM families").await;
            app.change_user(ana, Change::Enable).await;
            app.log_in_with("app", "ana").await;
            app.copy_family(1999, "user_id").await;
            let now = app.clock.now();
            let ended = match change {
                None => admin::families::end_of_user(&app.core, ana, now).await.unwrap(),
                Some(change) => admin::users::change(&app.core, ana, change, now).await.unwrap(),
            };
            assert_eq!((ended, app.live_families().await, app.rows("ending_logins").await), (2000, 0, 0));
        }
    }

    async fn what_one_server_began_to_end_another_one_ends(app) {
        let ana = app.ana_logged_in().await;
        app.copy_family(2100, "user_id").await;
        app.add_user("bob").await;
        let bob = app.log_in("bob").await;
        app.add_user("cleo").await;
        app.log_in("cleo").await;
        // As whoever began leaves it behind: all of ana's but one, all of cleo's.
        for (user, but, reason) in [("ana", format!("'{}'", ana.family()), "owner"), ("cleo", "NULL".into(), "password_changed")] {
            let but = if but != "NULL" && app.store == Store::Sqlite { format!("x{}", but.replace('-', "")) } else { but };
            let column = if app.store == Store::Sqlite { "BLOB" } else { "UUID" };
            app.sql(&format!(
                "INSERT INTO ending_logins (id, user_id, spared_family, reason, noted_at, created_at, family_id) \
                 SELECT id, id, CAST({but} AS {column}), '{reason}', created_at, '9999-12-31T23:59:59+00:00', id FROM users \
                 WHERE username = '{user}'"
            )).await;
        }
        assert_eq!(app.tidied(1000).await.ended, 2101);
        assert_eq!((app.live_families().await, app.rows("ending_logins").await), (2, 0));
        app.rotate(&ana).await;
        app.rotate(&bob).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM families WHERE end_reason = 'password_changed'").await, 1);
    }

    async fn of_too_many_logins_the_longest_unused_end(app) with |it| it.limits.logins_per_user = 3; {
        app.add_user("ana").await;
        let mut tokens = Vec::new();
        for _ in 0..6 {
            tokens.push(app.log_in("ana").await);
            app.clock.advance(MINUTE);
        }
        app.add_user("bob").await;
        let bob = app.log_in("bob").await;
        assert_eq!(app.live_families().await, 7, "a login only inserts");
        // The oldest is the one that was used last.
        tokens[0] = app.rotate(&tokens[0]).await;
        assert_eq!(app.tidied(2).await.ended, 3);
        for (nth, live) in [true, false, false, false, true, true].into_iter().enumerate() {
            let answer = app.refresh(&tokens[nth].refresh).await;
            assert_eq!(answer.status == 200, live, "{nth}: {answer:?}");
            if !live {
                assert_eq!(answer.refusal(), ENDED);
            }
        }
        assert_eq!(app.told("family.ended") , 3);
        assert!(app.events().iter().any(|it| it.starts_with("family.ended") && it.contains("reason=login_limit")));
        app.rotate(&bob).await;
        assert_eq!(app.tidied(2).await.ended, 0);
    }

    async fn what_has_expired_ends_before_what_lives(app) with |it| it.limits.logins_per_user = 2; {
        app.add_user("ana").await;
        app.add_client("short", |it| {
            it.lifetimes = LifetimeOverrides { idle_ttl: Some(MINUTE * 30), ..it.lifetimes };
        }).await;
        let first = app.log_in("ana").await;
        app.clock.advance(MINUTE);
        app.log_in_with("short", "ana").await;
        app.clock.advance(MINUTE * 31);
        let last = app.log_in("ana").await;
        assert_eq!(app.tidied(10).await.ended, 1);
        app.rotate(&first).await;
        app.rotate(&last).await;
    }

    async fn nobody_with_too_many_is_passed_over(app) with |it| it.limits.logins_per_user = 1; {
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            app.add_user(name).await;
            for _ in 0..(name.as_bytes()[0] % 4) {
                app.log_in(name).await;
            }
        }
        // Parts of two, three and more rows cut the users' at any place.
        for batch in [1, 2, 3, 5, 100] {
            app.tidied(batch).await;
            assert_eq!(app.number("SELECT COUNT(*) FROM (SELECT user_id FROM families WHERE ended_at IS NULL \
                                   GROUP BY user_id HAVING COUNT(*) > 1) AS it").await, 0, "{batch}");
            app.sql("UPDATE families SET ended_at = NULL, end_reason = NULL").await;
        }
    }

    async fn a_round_looks_at_so_many_users_and_the_next_one_goes_on(app) with |it| it.limits.logins_per_user = 1; {
        app.ana_logged_in().await;
        app.copy_family(250, "").await;
        let last = if app.store == Store::Sqlite { "x'ffffffffffffffffffffffffffffffff'" } else { "'ffffffff-ffff-ffff-ffff-ffffffffffff'" };
        app.copy_family(5, last).await;
        let ended = [app.tidied(1).await.ended, app.tidied(1).await.ended, app.tidied(1).await.ended];
        assert_eq!((ended[0], ended.iter().sum::<u64>()), (0, 4), "{ended:?}");
        app.copy_family(5, last).await;
        assert_eq!(app.tidied(1000).await.ended, 5, "and from the beginning again");
    }

    async fn an_ended_login_is_remembered_for_a_day(app) {
        let tokens = app.ana_logged_in().await;
        app.clock.advance(MINUTE * 10);
        let tokens = app.rotate(&tokens).await;
        app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        let other = app.log_in("ana").await;
        app.clock.advance(DAY + MINUTE - SECOND);
        assert_eq!(app.tidied(10).await.deleted, 0);
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
        app.clock.advance(SECOND);
        assert_eq!(app.tidied(10).await.deleted, 1);
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), EXPIRED);
        app.rotate(&other).await;
    }

    async fn an_end_for_a_reason_of_a_newer_release_is_an_end(app) {
        let tokens = app.ana_logged_in().await;
        app.sql("UPDATE families SET ended_at = created_at, end_reason = 'of_tomorrow'").await;
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
        assert_eq!(app.get("/sessions", &tokens.access).await.code(), "401 invalid_token");
        let listed = admin::families::list(&app.core, &WantedFamilies::default(), 9, app.clock.now()).await.unwrap();
        assert_eq!(listed[0].state, "ended: other");
        assert_eq!(app.number("SELECT COUNT(*) FROM families WHERE end_reason = 'of_tomorrow'").await, 1);
    }

    async fn an_operators_lists_are_read_in_parts(app) {
        let mut names = Vec::new();
        for name in ["eva", "ana", "cleo", "bob", "dan"] {
            app.add_user(name).await;
            app.add_client(&format!("of-{name}"), |_| ()).await;
            app.log_in(name).await;
            names.push(name.to_owned());
        }
        app.log_in("ana").await;
        names.sort();
        let (mut users, mut after) = (Vec::new(), None);
        while let Some(last) = {
            let part = admin::users::list(&app.core, &WantedUsers { after, beginning: None }, 2).await.unwrap();
            assert!(part.len() <= 2);
            users.extend(part.iter().map(|it| it.username.to_string()));
            part.last().map(|it| it.username.key())
        } {
            after = Some(last);
        }
        assert_eq!(users, names);
        let (mut clients, mut after) = (Vec::new(), None);
        while let Some(last) = {
            let part = admin::clients::list(&app.core, after.as_ref(), 2).await.unwrap();
            assert!(part.len() <= 2);
            clients.extend(part.iter().map(|it| it.client_id.to_string()));
            part.last().map(|it| it.client_id.clone())
        } {
            after = Some(last);
        }
        assert_eq!(clients, ["heirloom", "of-ana", "of-bob", "of-cleo", "of-dan", "of-eva"]);
        let ana: UserId = admin::users::find(&app.core, &"ana".parse().unwrap()).await.unwrap().id;
        for (user, expected) in [(None, 6), (Some(ana), 2)] {
            let (mut families, mut after) = (Vec::<FamilyId>::new(), None);
            while let Some(last) = {
                let part = admin::families::list(&app.core, &WantedFamilies { user, client: None, after }, 2, app.clock.now()).await.unwrap();
                assert!(part.len() <= 2);
                families.extend(part.iter().map(|it| it.id));
                part.last().map(|it| it.id)
            } {
                after = Some(last);
            }
            assert!(families.is_sorted_by(|newer, older| newer > older) && families.len() == expected, "{families:?}");
        }
        for _ in 0..5 {
            admin::registration_tokens::add(&app.core, 1, MINUTE, app.clock.now()).await.unwrap();
        }
        let first = admin::registration_tokens::list(&app.core, None, 3, app.clock.now()).await.unwrap();
        let rest = admin::registration_tokens::list(&app.core, Some(first[2].id), 3, app.clock.now()).await.unwrap();
        assert_eq!((first.len(), rest.len()), (3, 2));
        app.clock.advance(MINUTE);
        assert_eq!(app.tidied(2).await.deleted, 5);
    }

    async fn many_apps_with_access_are_shown_in_parts(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        for nth in 0..45 {
            app.add_app(&format!("app-{nth:02}"), |_| ()).await;
            app.sql(&format!(
                "INSERT INTO consents (user_id, client_id, scope, audiences, granted_at) \
                 SELECT id, 'app-{nth:02}', 'openid', '[]', created_at FROM users WHERE username = 'ana'"
            )).await;
        }
        let mut page = browser.sign_in(&browser.follow(browser.get("/account/apps?ui_locales=en").await).await, "ana").await;
        let mut all = Vec::new();
        for (listed, follows) in [(20, true), (20, true), (5, false)] {
            let ids = page.body.split("name=\"withdraw\" value=\"").skip(1);
            let ids: Vec<String> = ids.map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
            assert_eq!((ids.len(), page.body.contains("rel=\"next\"")), (listed, follows), "{page:?}");
            all.extend(ids);
            let next = page.body.split("<a href=\"").find(|link| link.contains("rel=\"next\""));
            let Some(next) = next.map(|link| unescaped(link.split('"').next().unwrap())) else { break };
            page = browser.get(&next).await;
        }
        let expected: Vec<String> = (0..45).map(|nth| format!("app-{nth:02}")).collect();
        assert_eq!(all, expected);
        // One that the last part shows can be taken back there.
        let csrf = page.hidden("csrf");
        let done = browser.post(&page.action(), &[("csrf", &csrf), ("withdraw", "app-44")]).await;
        assert!(browser.follow(done).await.body.contains("The app no longer has access"));
        assert_eq!(app.rows("consents").await, 44);
        assert_eq!(browser.get("/account/apps?after=%20").await.status, 400);
    }

    async fn a_browser_that_signs_out_loads_a_page_of_50_apps_at_most(app) {
        app.with_apps().await;
        let bye = json!({ "frontchannel_logout_uri": "https://app.example/bye" });
        app.add_app("told", |it| {
            it.party = heirloom::domain::client::Party::First;
            it.metadata = serde_json::from_value(bye).unwrap();
        }).await;
        let browser = Browser::new(&app);
        let mut code = browser.ana_signs_in(&[("client_id", "told")]).await;
        for _ in 0..60 {
            app.exchange(&code, &[("client_id", "told")]).await.tokens();
            code = browser.authorize(&[("client_id", "told")]).await.code();
        }
        let page = browser.get("/oauth/logout").await;
        let gone = browser.post(&page.action(), &[("csrf", &page.hidden("csrf"))]).await;
        assert_eq!(gone.body.matches("<iframe").count(), 50, "{gone:?}");
        assert_eq!(app.live_families().await, 0, "all of them have ended");
    }

    async fn an_address_is_known_by_the_newest_logins(app) with |it| it.limits.account_attempts_everywhere = 1; {
        app.ana_logged_in().await;
        app.sql("UPDATE families SET address = '192.0.2.1'").await;
        app.copy_family(1000, "user_id").await;
        let wrong = json!({ "username": "ana", "password": "wrong password" });
        assert_eq!(app.post("/login", &wrong).await.status, 401);
        let right = json!({ "username": "ana", "password": PASSWORD });
        assert_eq!(app.post("/login", &right).await.code(), "429 too_many_attempts", "not known here");
        let among = |last: &str| format!("UPDATE families SET address = '127.0.0.1' WHERE id = (SELECT id FROM families \
                                          ORDER BY created_at {last}, id {last} LIMIT 1)");
        app.sql(&among("")).await;
        assert_eq!(app.post("/login", &right).await.code(), "429 too_many_attempts", "an old one does not tell");
        app.sql(&among("DESC")).await;
        assert_eq!(app.post("/login", &right).await.status, 200);
    }
}
