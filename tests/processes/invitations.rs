//! People who are invited by the command line, and sign up with the link that they are mailed.

use std::fs;

use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::json;

use crate::process::{PASSWORD, Place, Server, Tokens, block_on, eventually};

const PASSED: &str = "is not valid";

/// A page, with the cookies that came with it.
struct Page {
    status: u16,
    body: String,
    cookies: String,
}

impl Page {
    /// What stands between these two.
    fn between(&self, before: &str, after: &str) -> String {
        let (_, rest) = self.body.split_once(before).unwrap_or_else(|| panic!("{before} in {}", self.body));
        rest.split_once(after).unwrap().0.replace("&#x2f;", "/").replace("&amp;", "&")
    }
}

impl Server {
    fn page(&self, link: &str) -> Page {
        let place = link.split_once("/sign-up/").unwrap().1;
        block_on(async {
            let answer = self.http.get(format!("{}/sign-up/{place}", self.url)).send().await.unwrap();
            let cookies = answer.headers().get_all(SET_COOKIE).iter();
            let cookies: Vec<_> =
                cookies.map(|it| it.to_str().unwrap().split(';').next().unwrap().to_owned()).collect();
            let status = answer.status().as_u16();
            Page { status, cookies: cookies.join("; "), body: answer.text().await.unwrap() }
        })
    }

    /// Sends the page's form; gives the status and the page that it ends at.
    fn signs_up(&self, page: &Page, name: &str) -> (u16, String) {
        let csrf = page.between("name=\"csrf\" value=\"", "\"");
        let form =
            [("csrf", csrf.as_str()), ("username", name), ("new_password", PASSWORD), ("repeated", PASSWORD)];
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let action = page.between("action=\"", "\"");
        block_on(async {
            let request = self.http.post(format!("{}{action}", self.url)).header(COOKIE, &page.cookies);
            let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    }
}

impl Place {
    /// The link of the only mail to an address, once it has come.
    fn mailed_link(&self, address: &str) -> String {
        let mailed = || self.mails().into_iter().find(|mail| mail.contains(&format!("To: {address}")));
        block_on(eventually(&format!("a mail to {address}"), async || mailed().is_some()));
        // Of quoted-printable lines.
        let mail = mailed().unwrap().replace("=\r\n", "").replace("=3D", "=");
        let (_, rest) = mail.split_once("/sign-up/finish?token=").unwrap();
        let is_of_token = |it: &char| it.is_ascii_alphanumeric() || "-_".contains(*it);
        format!("/sign-up/finish?token={}", rest.chars().take_while(is_of_token).collect::<String>())
    }

    /// All that came; a file that is still being written has another ending.
    fn mails(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path().join("mails")).into_iter().flatten();
        let mails = files
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "eml"));
        mails.map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    fn invited(&self) -> Vec<String> {
        let listed = self.json(&["user", "invitations", "--json"]);
        let addresses = listed.as_array().unwrap().iter();
        addresses
            .map(|it| {
                for member in ["invited_at", "expires_at"] {
                    assert!(it[member].as_str().unwrap().ends_with('Z'), "{it}");
                }
                assert_eq!(it.as_object().unwrap().len(), 3, "nothing to follow it with: {it}");
                it["address"].as_str().unwrap().to_owned()
            })
            .collect()
    }
}

/// On the embedded store, which alone writes its mails to a folder.
#[test]
fn whom_the_operator_invites_signs_up_once() {
    let place = Place::sqlite();
    let mails = place.folder.path().join("mails").to_str().unwrap().to_owned();
    let place = place.with("HEIRLOOM_MAIL__FOLDER", &mails).with("HEIRLOOM_ACCOUNTS__SIGN_UP", "invitation");
    place.add_user("ana");
    let server = place.serve();
    assert_eq!(place.invited(), [""; 0]);
    for address in ["eva@example.com", "ben@example.com"] {
        let said = place.ok(&["user", "invite", address]);
        assert_eq!(said, format!("{address} is invited; the link is good for 7 days\n"));
    }
    assert_eq!(place.invited(), ["eva@example.com", "ben@example.com"]);
    let table = place.ok(&["user", "invitations"]);
    assert!(table.starts_with("ADDRESS") || table.starts_with("address"), "{table}");
    let [eva, ben] = ["eva@example.com", "ben@example.com"].map(|address| place.mailed_link(address));
    let page = server.page(&eva);
    assert_eq!(page.status, 200, "{}", page.body);
    let (status, seen) = server.signs_up(&page, "eva");
    assert!(status == 200 && seen.contains("Your account is ready"), "{status} {seen}");
    let body = json!({ "username": "EVA@example.com", "password": PASSWORD });
    Tokens::of(block_on(server.post("/login", &body)));
    // Once, whoever comes again and with whatever name.
    let (_, seen) = server.signs_up(&page, "evi");
    assert!(seen.contains("This link was used already"), "{seen}");
    assert!(server.page(&eva).body.contains("This link was used already"));
    assert_eq!(place.invited(), ["ben@example.com"]);
    // Taken back while its page is open.
    let page = server.page(&ben);
    assert_eq!(place.ok(&["user", "uninvite", "BEN@example.com"]), "BEN@example.com is invited no more\n");
    let (status, seen) = server.signs_up(&page, "ben");
    assert!(status == 403 && seen.contains(PASSED), "{status} {seen}");
    assert!(server.page(&ben).body.contains(PASSED));
    assert_eq!(place.invited(), [""; 0]);
    assert_eq!(place.json(&["user", "list", "--json"]).as_array().unwrap().len(), 2);
    what_cannot_be_is_told(&place);
    let told =
        |name: &str| place.json(&["event", "list", "--name", name, "--json"]).as_array().unwrap().len();
    assert_eq!((told("user.invited"), told("user.uninvited")), (2, 1));
    let off = place.with("HEIRLOOM_ACCOUNTS__SIGN_UP", "off");
    let said = off.refused(&["user", "invite", "joe@example.com"]);
    assert!(said.contains("nobody could follow the invitation"), "{said}");
}

fn what_cannot_be_is_told(place: &Place) {
    for (arguments, told) in [
        (["user", "invite", "eva@example.com"], "the address eva@example.com is verified as another user's"),
        (["user", "invite", "eva"], "a mail address must be like ana@example.com"),
        (
            ["user", "uninvite", "ben@example.com"],
            "nobody is invited by the address ben@example.com, or no more",
        ),
        (
            ["user", "uninvite", "eva@example.com"],
            "nobody is invited by the address eva@example.com, or no more",
        ),
    ] {
        let said = place.refused(&arguments);
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
}
