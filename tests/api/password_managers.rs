//! What password managers look for: where to change a password, and what each field is for.

use std::collections::BTreeSet;

use crate::browser::*;
use crate::harness::*;

const CHANGE_PASSWORD: &str = "/.well-known/change-password";
/// W3C, A Well-Known URL for Changing Passwords §4: what must be nowhere.
const NOWHERE: &str = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200/";

/// What the fields of a page say that they are for, by their names.
fn tokens(page: &Seen) -> BTreeSet<(String, String)> {
    let value = |field: &str, attribute: &str| {
        let (_, rest) = field.split_once(&format!(" {attribute}=\""))?;
        Some(rest.split('"').next().unwrap().to_owned())
    };
    let fields = page.body.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap());
    fields.filter_map(|field| Some((value(field, "name")?, value(field, "autocomplete")?))).collect()
}

#[track_caller]
fn assert_tokens<const N: usize>(page: &Seen, expected: [(&str, &str); N]) {
    let expected = expected.map(|(name, token)| (name.to_owned(), token.to_owned()));
    assert_eq!(tokens(page), expected.into(), "{page:?}");
}

both_stores! {
    async fn a_password_manager_finds_the_change_of_password(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let sent = browser.get(CHANGE_PASSWORD).await;
        assert_eq!((sent.location(), sent.header("cache-control")), ("/account/password", "no-store"));
        let head = browser.send(app.http.head(app.at(CHANGE_PASSWORD))).await;
        assert_eq!(head.location(), "/account/password");
        assert_eq!(browser.post(CHANGE_PASSWORD, &[]).await.status, 405);
        assert_eq!(browser.get(NOWHERE).await.status, 404);
        let sign_in = browser.follow(sent).await;
        let changes = browser.sign_in(&sign_in, "ana").await;
        assert!(changes.body.contains("name=\"new_password\""), "{changes:?}");
        let changes = browser.follow(browser.get(CHANGE_PASSWORD).await).await;
        assert!(changes.body.contains("name=\"new_password\""), "{changes:?}");
        let german = Browser::new(&app).with_header("accept-language", "de");
        let sign_in = german.follow(german.get(CHANGE_PASSWORD).await).await;
        assert!(sign_in.body.contains("um Ihr Konto zu verwalten"), "{sign_in:?}");
    }

    async fn it_is_found_at_the_root_of_the_host_too(app) with |settings| {
        settings.issuer = Some("https://login.example.com/tenant".parse().unwrap());
    }; {
        for place in [CHANGE_PASSWORD.to_owned(), format!("/tenant{CHANGE_PASSWORD}")] {
            assert_eq!(Browser::new(&app).get(&place).await.location(), "/tenant/account/password", "{place}");
        }
        assert_eq!(Browser::new(&app).get(NOWHERE).await.status, 404);
    }

    async fn each_field_says_what_it_is_for(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let sign_in = browser.follow(browser.get("/account/password").await).await;
        assert_tokens(&sign_in, [("username", "username"), ("password", "current-password")]);
        let changes = browser.sign_in(&sign_in, "ana").await;
        let old = [("username", "username"), ("password", "current-password")];
        let [name, current] = old;
        assert_tokens(&changes, [name, current, ("new_password", "new-password"), ("repeated", "new-password")]);
        // Such a code is no password for once: it comes from a device, and whoever sends one may want to be let in.
        assert_tokens(&browser.get("/device").await, [("user_code", "off")]);
    }
}
