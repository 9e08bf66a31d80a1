//! The account pages: what a user sees of the own logins and consents, and does to them.

use std::collections::BTreeSet;

use heirloom::domain::authorization::{AskedClass, AuthorizationRequest, Prompt};
use heirloom::domain::claims_request::ClaimsRequest;
use heirloom::domain::client::GrantType;
use heirloom::service::authorize::authorization;

use crate::browser::*;
use crate::harness::*;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PHONE: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36";

impl Browser<'_> {
    /// Ana signs in to see her account.
    async fn ana_opens(&self, place: &str) -> Seen {
        let page = self.follow(self.get(place).await).await;
        self.sign_in(&page, "ana").await
    }

    /// Signs ana in, who agrees to what this client asks for.
    async fn ana_lets_in(&self, client: &str) {
        let page = self.authorize(&[("client_id", client)]).await;
        let consent = self.sign_in(&page, "ana").await;
        self.decide(&consent, "allow").await.code();
    }

    /// Presses a button of the page.
    async fn press(&self, page: &Seen, name: &str, value: &str) -> Seen {
        let csrf = page.hidden("csrf");
        self.follow(self.post(&page.action(), &[("csrf", &csrf), (name, value)]).await).await
    }

    /// Signs out everywhere, and says so twice.
    async fn ends_all(&self, page: &Seen) -> Seen {
        let asked = self.press(page, "end", "all").await;
        assert!(asked.body.contains("Sign out everywhere?"), "{asked:?}");
        let form =
            [("csrf", asked.hidden("csrf")), ("sure", asked.hidden("sure")), ("end", "all".to_owned())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.follow(self.post(&asked.action(), &form).await).await
    }

    async fn changes_password(&self, page: &Seen, changes: &[(&str, &str)]) -> Seen {
        let csrf = page.hidden("csrf");
        let usual = [
            ("csrf", csrf.as_str()),
            ("password", PASSWORD),
            ("new_password", NEW),
            ("repeated", NEW),
            ("end_others", "yes"),
        ];
        let kept = usual.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        let all: Vec<_> =
            kept.chain(changes.iter().copied().filter(|(_, value)| !value.is_empty())).collect();
        self.follow(self.post("/account/password", &all).await).await
    }
}

impl Seen {
    /// The logins that the page has buttons for.
    fn logins(&self) -> Vec<String> {
        let all =
            self.body.split("name=\"end\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        all.filter(|value| value.len() == 36).map(ToOwned::to_owned).collect()
    }

    /// Where the first link below the heading leads that has this attribute, beside those of the navigation.
    fn link(&self, attribute: &str) -> Option<String> {
        let (_, list) = self.body.split_once("</nav>").unwrap();
        let mut links = list.split("<a href=\"").skip(1).filter_map(|rest| rest.split_once('>'));
        let (link, _) = links.find(|(link, _)| link.contains(attribute))?;
        Some(unescaped(link.split('"').next().unwrap()))
    }

    /// What a screen reader calls the buttons of the logins.
    fn button_names(&self) -> Vec<String> {
        let labels =
            self.body.split("aria-labelledby=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        labels.map(|ids| ids.split(' ').map(|id| self.text_of(id)).collect::<Vec<_>>().join(" ")).collect()
    }

    /// The text of the element with this id.
    fn text_of(&self, id: &str) -> String {
        let (_, rest) =
            self.body.split_once(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("{id} in {self:?}"));
        let end = ["</h2>", "</p>", "</button>"].iter().filter_map(|end| rest.find(end)).min().unwrap();
        let texts = rest[..end].split('<').map(|part| part.split_once('>').map_or("", |(_, text)| text));
        texts.map(str::trim).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

const NEW: &str = "four other words entirely";

both_stores! {
    async fn the_account_is_for_who_signed_in(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        for place in ["/account", "/account/apps", "/account/data", "/account/password"] {
            assert_eq!(browser.get(place).await.location(), format!("/sign-in?to={place}"));
            assert_eq!(browser.post(place, &[("end", "all")]).await.location(), format!("/sign-in?to={place}"));
        }
        let page = browser.ana_opens("/account/apps").await;
        assert!(page.status == 200 && page.body.contains("Apps with access"), "{page:?}");
        assert!(page.body.contains("href=\"&#x2f;account&#x2f;apps\" aria-current=\"page\""), "{page:?}");
        // Signed in, nobody is asked again.
        assert_eq!(browser.get("/sign-in?to=/account").await.location(), "/account");
    }

    async fn a_sign_in_for_the_account_leads_nowhere_else(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        for to in ["https://evil.example/", "//evil.example", "/account/../x", "/account?x=1", "/Account", "/oauth/logout", "%2Faccount%2F"] {
            let seen = browser.get(&format!("/sign-in?to={to}")).await;
            assert_eq!((seen.status.as_u16(), seen.header("location")), (400, ""), "{to}");
        }
    }

    async fn a_user_sees_the_own_devices_and_apps(app) {
        app.with_apps().await;
        app.add_user("ben").await;
        let laptop = Browser::new(&app).with_header("user-agent", FIREFOX);
        let phone = Browser::new(&app).with_header("user-agent", PHONE);
        let page = phone.authorize(&[("client_id", "other")]).await;
        let consent = phone.sign_in(&page, "ana").await;
        let code = phone.decide(&consent, "allow").await.code();
        app.exchange(&code, &[("client_id", "other")]).await.tokens();
        app.clock.advance(DAY);
        app.exchange(&laptop.ana_signs_in(&[]).await, &[]).await.tokens();
        app.log_in("ben").await;
        let page = laptop.get("/account").await;
        for text in ["Other &amp; Sons", "Chrome on Android", "app <span class=\"badge\">this browser", "Firefox on Linux", "127.0.0.1"] {
            assert!(page.body.contains(text), "{text}: {page:?}");
        }
        assert_eq!(page.body.matches("<li>").count(), 2, "Ben's is not hers: {page:?}");
        assert_eq!(page.body.matches("this browser<").count(), 1);
        let seen = app.clock.now().format("%-d %b %Y, %H:%M UTC").to_string();
        assert!(page.body.contains(&seen), "{seen}: {page:?}");
        let german = Browser::new(&app).with_header("accept-language", "de").ana_opens("/account").await;
        let seen = app.clock.now().format("%d.%m.%Y, %H:%M UTC").to_string();
        assert!(german.body.contains(&seen) && german.body.contains("Chrome auf Android"), "{german:?}");
    }

    async fn a_lost_phones_login_is_ended_and_its_way_back_in_too(app) {
        app.with_apps().await;
        let (laptop, phone) = (Browser::new(&app), Browser::new(&app));
        let lost = app.exchange(&phone.ana_signs_in(&[]).await, &[]).await.tokens();
        let unused = phone.authorize(&[]).await.code();
        let kept = app.exchange(&laptop.ana_signs_in(&[]).await, &[]).await.tokens();
        let page = laptop.get("/account").await;
        let done = laptop.press(&page, "end", &lost.family()).await;
        assert!(done.body.contains("The app on that device is now signed out."), "{done:?}");
        assert_eq!(app.refresh_with("app", &lost.refresh).await.refusal(), ENDED);
        assert_eq!(phone.authorize(&[("prompt", "none")]).await.error(), "login_required");
        assert_eq!(app.exchange(&unused, &[]).await.code(), "400 invalid_grant");
        let kept = app.refresh_with("app", &kept.refresh).await.tokens();
        // This browser's own login ends alone.
        laptop.press(&done, "end", &kept.family()).await;
        assert_eq!(app.refresh_with("app", &kept.refresh).await.refusal(), ENDED);
        laptop.authorize(&[("prompt", "none")]).await.code();
    }

    async fn the_way_back_in_ends_too_where_an_app_or_an_operator_ends_a_login(app) {
        app.with_apps().await;
        let script = app.log_in("ana").await;
        let phone = Browser::new(&app);
        let lost = app.exchange(&phone.ana_signs_in(&[]).await, &[]).await.tokens();
        let unused = phone.authorize(&[]).await.code();
        assert_eq!(app.delete(&format!("/sessions/{}", lost.family()), &script.access).await.status, 204);
        assert_eq!(phone.authorize(&[("prompt", "none")]).await.error(), "login_required");
        assert_eq!(app.exchange(&unused, &[]).await.code(), "400 invalid_grant");
        let lost = app.exchange(&phone.ana_signs_in(&[]).await, &[]).await.tokens();
        let id = lost.family().parse().unwrap();
        heirloom::service::admin::families::end(&app.core, id, app.clock.now()).await.unwrap();
        assert_eq!(phone.authorize(&[("prompt", "none")]).await.error(), "login_required");
        // Of all the others' sign-ins none is left but the caller's own.
        let laptop = Browser::new(&app);
        let here = app.exchange(&laptop.ana_signs_in(&[]).await, &[]).await.tokens();
        phone.ana_signs_in(&[]).await;
        let beside = app.exchange(&laptop.authorize(&[]).await.code(), &[]).await.tokens();
        assert_eq!(app.delete(&format!("/sessions/{}", beside.family()), &here.access).await.status, 204);
        laptop.authorize(&[("prompt", "none")]).await.code();
        assert_eq!(app.delete("/sessions", &here.access).await.status, 204);
        assert_eq!(phone.authorize(&[("prompt", "none")]).await.error(), "login_required");
        laptop.authorize(&[("prompt", "none")]).await.code();
        app.refresh_with("app", &here.refresh).await.tokens();
        phone.ana_signs_in(&[]).await;
        app.clock.advance(MINUTE);
        let script = app.log_in("ana").await;
        assert_eq!(app.delete("/sessions", &script.access).await.status, 204);
        for browser in [&phone, &laptop] {
            assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required");
        }
    }

    async fn all_others_end_or_all(app) {
        app.with_apps().await;
        let (laptop, phone) = (Browser::new(&app), Browser::new(&app));
        let first = app.log_in("ana").await;
        let there = app.exchange(&phone.ana_signs_in(&[]).await, &[]).await.tokens();
        let here = app.exchange(&laptop.ana_signs_in(&[]).await, &[]).await.tokens();
        let page = laptop.get("/account").await;
        let page = laptop.press(&page, "end", "others").await;
        assert!(page.body.contains("You are now signed out everywhere else."), "{page:?}");
        assert_eq!(app.refresh(&first.refresh).await.refusal(), ENDED);
        assert_eq!(app.refresh_with("app", &there.refresh).await.refusal(), ENDED);
        assert_eq!(phone.authorize(&[("prompt", "none")]).await.error(), "login_required");
        let here = app.refresh_with("app", &here.refresh).await.tokens();
        let gone = laptop.ends_all(&page).await;
        assert!(gone.body.contains("You are signed out"), "{gone:?}");
        assert_eq!(app.refresh_with("app", &here.refresh).await.refusal(), ENDED);
        assert_eq!(laptop.authorize(&[("prompt", "none")]).await.error(), "login_required");
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 0);
        assert_eq!((app.told("user.changed change=own_logins_ended"), app.told("sign_in.ended")), (2, 2));
    }

    async fn nobody_touches_what_is_anothers(app) {
        app.with_apps().await;
        app.add_user("ben").await;
        let bens = app.log_in("ben").await;
        let ana = Browser::new(&app);
        let page = ana.ana_opens("/account").await;
        ana.press(&page, "end", &bens.family()).await;
        let bens = app.rotate(&bens).await;
        for end in ["", "everything", "00000000-0000-0000-0000-000000000000"] {
            ana.press(&page, "end", end).await;
        }
        // Only this browser's own form counts.
        for csrf in ["", "x", &Browser::new(&app).ana_opens("/account").await.hidden("csrf")] {
            for (place, name, value) in [("/account", "end", "all"), ("/account/apps", "withdraw", "other")] {
                let form = [("csrf", csrf), (name, value), ("sure", "yes")];
                let stale = ana.post(place, &form).await;
                assert_eq!(stale.location(), format!("{place}?done=nothing"), "{csrf}");
            }
            assert!(ana.changes_password(&page, &[("csrf", csrf)]).await.body.contains("Nothing was done"));
        }
        ana.authorize(&[("prompt", "none")]).await.code();
        app.rotate(&bens).await;
    }

    async fn a_long_list_is_shown_in_parts(app) {
        app.with_apps().await;
        // Nobody ended these, but they have been idle for too long.
        for _ in 0..110 {
            app.log_in("ana").await;
        }
        app.clock.advance(8 * DAY);
        let browser = Browser::new(&app);
        let here = app.exchange(&browser.ana_signs_in(&[]).await, &[]).await.tokens().family();
        app.clock.advance(MINUTE);
        let mut others = BTreeSet::new();
        for nth in 0..60 {
            others.insert(app.log_in("ana").await.family());
            // Some at the very same moment.
            app.clock.advance(SECOND * (nth % 2));
        }
        let (mut all, mut page) = (Vec::new(), browser.get("/account?ui_locales=de").await);
        for (listed, follows) in [(20, true), (20, true), (20, true), (1, false)] {
            assert!(page.body.len() < 30 * 1024, "{}", page.body.len());
            assert_eq!((page.logins().len(), page.link("rel=\"next\"").is_some()), (listed, follows), "{page:?}");
            all.extend(page.logins());
            page = browser.get(&page.link("rel=\"next\"").unwrap_or("/account?ui_locales=de".to_owned())).await;
        }
        assert_eq!(all[0], here, "this browser's own comes first");
        assert_eq!((all.len(), all[1..].iter().cloned().collect()), (61, others), "each is there once");
        assert!(page.body.contains("dieser Browser<"), "{page:?}");
        // Whoever signs one out sees the same part again.
        let second = page.link("rel=\"next\"").unwrap();
        let done = browser.press(&browser.get(&second).await, "end", &all[21]).await;
        assert!(done.body.contains("ist jetzt abgemeldet."), "{done:?}");
        assert_eq!(done.logins(), [&all[20..21], &all[22..41]].concat());
        let first = done.link("").unwrap_or_default();
        assert_eq!(browser.get(&first).await.logins(), all[..20], "{first}");
        // Nothing is left after the last.
        let after_all = format!("/account?after={}", all[60]);
        assert_eq!(browser.get(&after_all).await.location(), "/account");
        let done = browser.get(&format!("{after_all}&done=ended")).await;
        assert_eq!(done.location(), "/account?done=ended");
        assert_eq!(browser.get("/account?after=x").await.status, 400);
        app.add_user("ben").await;
        let bens = app.log_in("ben").await.family();
        assert_eq!(browser.get(&format!("/account?after={bens}")).await.logins(), all[..20], "that is no place in hers");
    }

    async fn a_login_of_this_browser_among_the_others_stops_no_list(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let mut all = BTreeSet::new();
        for _ in 0..5 {
            all.insert(app.log_in("ana").await.family());
        }
        app.clock.advance(SECOND);
        all.insert(app.exchange(&browser.ana_signs_in(&[]).await, &[]).await.tokens().family());
        app.clock.advance(SECOND);
        for _ in 0..19 {
            all.insert(app.log_in("ana").await.family());
        }
        let first = browser.get("/account").await;
        let second = browser.get(&first.link("rel=\"next\"").unwrap()).await;
        assert_eq!((first.logins().len(), second.logins().len()), (20, 5), "{second:?}");
        assert_eq!(first.logins().into_iter().chain(second.logins()).collect::<BTreeSet<_>>(), all);
        assert_eq!(second.link("rel=\"next\""), None);
    }

    async fn a_user_is_signed_in_in_a_thousand_browsers_at_most(app) {
        app.with_apps().await;
        Browser::new(&app).ana_opens("/account").await;
        let (id, secret) = match app.store {
            Store::Sqlite => ("randomblob(16)", "randomblob(32)"),
            Store::Postgres => ("gen_random_uuid()", "uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())"),
        };
        app.sql(&format!(
            "INSERT INTO sign_in_sessions (id, secret_hash, user_id, auth_time, amr, created_at, last_used_at, expires_at) \
             WITH RECURSIVE nth (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM nth WHERE n < 1100) \
             SELECT {id}, {secret}, user_id, auth_time, amr, created_at, last_used_at, expires_at \
             FROM nth, (SELECT * FROM sign_in_sessions LIMIT 1) AS it"
        )).await;
        app.clock.advance(MINUTE);
        for _ in 0..2 {
            let browser = Browser::new(&app);
            browser.ana_opens("/account").await;
            assert_eq!(app.rows("sign_in_sessions").await, 1000);
            assert_eq!(browser.get("/account").await.status, 200, "the newest goes on");
        }
    }

    async fn every_button_says_which_login_it_ends(app) {
        app.with_apps().await;
        let phone = Browser::new(&app).with_header("user-agent", PHONE);
        let laptop = Browser::new(&app).with_header("user-agent", FIREFOX);
        for browser in [&phone, &laptop] {
            app.exchange(&browser.ana_signs_in(&[]).await, &[]).await.tokens();
        }
        let page = laptop.get("/account").await;
        assert_eq!(page.button_names(), [
            "Sign out app this browser Firefox on Linux, signed in from 127.0.0.1",
            "Sign out app Chrome on Android, signed in from 127.0.0.1",
        ]);
        // A time tells apart what nothing else does.
        app.clock.advance(MINUTE);
        app.exchange(&phone.authorize(&[]).await.code(), &[]).await.tokens();
        let names = laptop.get("/account").await.button_names();
        assert!(names[1].contains("Last used:") && names[2].contains("Last used:"), "{names:?}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 3, "{names:?}");
        assert!(!names[0].contains("Last used:"), "{names:?}");
    }

    async fn a_new_password_takes_the_old_one_and_ends_other_logins(app) {
        app.with_apps().await;
        let (browser, other) = (Browser::new(&app), Browser::new(&app));
        let there = app.exchange(&other.ana_signs_in(&[]).await, &[]).await.tokens();
        let page = browser.ana_opens("/account/password").await;
        let here = app.exchange(&browser.authorize(&[]).await.code(), &[]).await.tokens();
        let before = browser.cookie("heirloom-session");
        for (changes, text) in [
            (&[("password", "wrong password")][..], "That is not your current password."),
            (&[("password", "")], "That is not your current password."),
            (&[("new_password", "short"), ("repeated", "short")], "needs at least 8 characters"),
            (&[("new_password", &"x".repeat(1025)), ("repeated", &"x".repeat(1025))], "is too long"),
            (&[("new_password", "Password1"), ("repeated", "Password1")], "is one of the most common"),
            (&[("new_password", "Heirloom 2026"), ("repeated", "Heirloom 2026")], "is little more than"),
            (&[("repeated", "four other words entirely.")], "The two new passwords do not match."),
        ] {
            let refused = browser.changes_password(&page, changes).await;
            assert!(refused.status == 403 && refused.body.contains(text), "{changes:?}: {refused:?}");
            assert!(!refused.body.contains(NEW) && refused.body.contains("role=\"alert\""));
        }
        app.log_in("ana").await;
        let done = browser.changes_password(&page, &[]).await;
        assert!(done.body.contains("Your password has been changed."), "{done:?}");
        assert_eq!(app.told("user.changed change=own_password"), 1);
        assert_ne!(browser.cookie("heirloom-session"), before, "a session that leaked before is worth nothing");
        assert_eq!(app.refresh_with("app", &there.refresh).await.refusal(), ENDED);
        assert_eq!(other.authorize(&[("prompt", "none")]).await.error(), "login_required");
        assert_eq!(app.refresh_with("app", &here.refresh).await.status, 200);
        browser.authorize(&[("prompt", "none")]).await.code();
        let old = serde_json::json!({ "username": "ana", "password": PASSWORD });
        assert_eq!(app.post("/login", &old).await.status, 401);
        let new = serde_json::json!({ "username": "ana", "password": NEW });
        let new = app.post("/login", &new).await.tokens();
        // Other logins go on where their owner wants that.
        let page = browser.get("/account/password").await;
        browser.changes_password(&page, &[("password", NEW), ("end_others", "")]).await;
        app.rotate(&new).await;
    }

    async fn a_consent_is_withdrawn_and_what_came_of_it_ends(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let asked = [("client_id", "other"), ("resource", "https://api.example"), ("scope", "openid email")];
        let page = browser.authorize(&asked).await;
        let consent = browser.sign_in(&page, "ana").await;
        let code = browser.decide(&consent, "allow").await.code();
        let theirs = app.exchange(&code, &[("client_id", "other")]).await.tokens();
        let unused = browser.authorize(&asked).await.code();
        let ours = app.exchange(&browser.authorize(&[]).await.code(), &[]).await.tokens();
        let page = browser.get("/account/apps").await;
        for text in ["Other &amp; Sons", "See your e-mail address", "Use https:&#x2f;&#x2f;api.example on your behalf"] {
            assert!(page.body.contains(text), "{text}: {page:?}");
        }
        let done = browser.press(&page, "withdraw", "other").await;
        assert!(done.body.contains("The app no longer has access") && !done.body.contains("Sons"), "{done:?}");
        let form = [("grant_type", "refresh_token"), ("client_id", "other"), ("refresh_token", &theirs.refresh)];
        assert_eq!(app.form("/oauth/token", &form).await.code(), "400 invalid_grant");
        assert_eq!(app.exchange(&unused, &[("client_id", "other")]).await.code(), "400 invalid_grant");
        assert!(browser.authorize(&asked).await.body.contains("decision"), "it has to ask again");
        // Without a consent to withdraw nothing ends.
        browser.press(&page, "withdraw", "app").await;
        assert_eq!(app.refresh_with("app", &ours.refresh).await.status, 200);
    }

    async fn no_code_slips_past_a_withdrawal_or_a_sign_out(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_lets_in("other").await;
        let session = browser.session(&app).await;
        let request = AuthorizationRequest {
            client_id: "other".parse().unwrap(),
            redirect_uri: REDIRECT_URI.to_owned(),
            scope: "openid".parse().unwrap(),
            audiences: Vec::new(),
            nonce: None,
            code_challenge: None,
            key_thumbprint: None,
            prompt: Prompt::default(),
            class: AskedClass::Any,
            max_age: None,
            expected_subject: None,
            claims: ClaimsRequest::default(),
            pushed: None,
        };
        let issue = || authorization::issue_code(&app.core, &request, &session, app.clock.now());
        assert!(issue().await.unwrap().is_some());
        // The consent was found a moment ago, and now it is withdrawn.
        browser.press(&browser.get("/account/apps").await, "withdraw", "other").await;
        assert!(issue().await.unwrap().is_none(), "no consent, no code");
        let ours = AuthorizationRequest { client_id: "app".parse().unwrap(), ..request.clone() };
        let issue = || authorization::issue_code(&app.core, &ours, &session, app.clock.now());
        assert!(issue().await.unwrap().is_some());
        let page = browser.get("/oauth/logout").await;
        browser.post(&page.action(), &[("csrf", &page.hidden("csrf"))]).await;
        assert!(issue().await.unwrap().is_none(), "no session, no code");
        assert_eq!(app.number("SELECT COUNT(*) FROM authorization_codes").await, 0);
    }

    async fn a_withdrawn_consent_keeps_a_device_out_that_was_let_in(app) {
        app.with_apps().await;
        app.add_app("tv", |it| it.grants.extend([GrantType::DeviceCode])).await;
        let browser = Browser::new(&app);
        browser.ana_lets_in("tv").await;
        let waits = app.device_waits(&[]).await;
        let page = browser.get("/device").await;
        let asked = browser.enter(&page, waits.text("user_code")).await;
        browser.answer_device(&asked, "allow").await;
        browser.press(&browser.get("/account/apps").await, "withdraw", "tv").await;
        assert_eq!(app.poll(waits.text("device_code"), &[]).await.code(), "400 invalid_grant");
        assert_eq!(app.live_families().await, 0);
    }

    async fn a_removed_client_leaves_no_consent(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_lets_in("other").await;
        let now = app.clock.now();
        heirloom::service::admin::clients::remove(&app.core, &"other".parse().unwrap(), 10, now).await.unwrap();
        app.clock.advance(MINUTE);
        let page = browser.get("/account/apps").await;
        assert!(page.body.contains("You have not given access to any app"), "{page:?}");
        heirloom::service::admin::janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM consents").await, 0);
    }

    async fn unused_codes_end_with_their_sign_in(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let unused = browser.ana_signs_in(&[]).await;
        let page = browser.get("/oauth/logout").await;
        browser.press(&page, "x", "y").await;
        assert_eq!(app.exchange(&unused, &[]).await.code(), "400 invalid_grant");
        // Signing in again as the same user ends nothing.
        let unused = browser.ana_signs_in(&[]).await;
        browser.ana_signs_in(&[("prompt", "login")]).await;
        app.exchange(&unused, &[]).await.tokens();
    }
}
