//! A browser without a screen, and a user who knows what to type: it keeps cookies, follows redirects, fills in forms.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, RequestBuilder, StatusCode};
use url::Url;

use crate::process::PASSWORD;
use crate::remote::authority;

/// It trusts the tests' authority.
pub fn http_client() -> ClientBuilder {
    let root = std::fs::read(&authority().file).unwrap();
    reqwest::Client::builder().tls_certs_merge([Certificate::from_pem(&root).unwrap()])
}

pub struct Browser {
    http: reqwest::Client,
    /// Where it has eyes; whatever lies elsewhere is the client's to look at.
    here: Vec<String>,
    /// By host, for browsers do not tell ports apart.
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    /// What its user presses where there is a choice.
    decision: &'static str,
}

/// Where a visit ended.
#[derive(Debug)]
pub struct Arrival {
    pub url: Url,
    /// What is shown there; nothing when it is not ours to look at.
    pub body: String,
}

impl Browser {
    pub fn new(here: &str) -> Self {
        let http = http_client().redirect(Policy::none()).build().unwrap();
        Self { http, here: vec![here.to_owned()], cookies: BTreeMap::new(), decision: "allow" }
    }

    /// It looks at this place's pages too.
    pub fn with_eyes_at(mut self, place: &str) -> Self {
        self.here.push(place.to_owned());
        self
    }

    pub fn deciding(mut self, decision: &'static str) -> Self {
        self.decision = decision;
        self
    }

    /// Goes to a place, and on, by redirects and forms, until it is sent elsewhere or nothing is left to fill in.
    pub async fn visit(&mut self, place: &str) -> Arrival {
        let mut url: Url = place.parse().unwrap();
        let mut request = self.http.get(url.clone());
        for _ in 0..20 {
            let (status, to, body) = self.send(&url, request).await;
            if let Some(to) = to {
                url = url.join(&to).unwrap();
                if !self.sees(&url) {
                    return Arrival { url, body: String::new() };
                }
                request = self.http.get(url.clone());
                continue;
            }
            let Some(form) = Form::of(&body) else { return Arrival { url, body } };
            assert_eq!(status, StatusCode::OK, "{url}: {body}");
            let fields = form.filled_in(self.decision);
            url = url.join(&form.action).unwrap();
            if !self.sees(&url) {
                // As a client's own page would get it (Form Post Response Mode).
                url.query_pairs_mut().extend_pairs(fields);
                return Arrival { url, body: String::new() };
            }
            let sent = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            request = self.http.post(url.clone()).body(sent);
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        panic!("it goes in circles: {url}");
    }

    fn sees(&self, url: &Url) -> bool {
        self.here.contains(&url.origin().ascii_serialization())
    }

    async fn send(&mut self, url: &Url, request: RequestBuilder) -> (StatusCode, Option<String>, String) {
        let jar = self.cookies.entry(url.host_str().unwrap().to_owned()).or_default();
        let cookies: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header(COOKIE, cookies.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let to = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        (answer.status(), to, answer.text().await.unwrap())
    }
}

/// The last form of a page.
struct Form {
    action: String,
    fields: Vec<(String, String)>,
    buttons: Vec<(String, String)>,
}

impl Form {
    fn of(page: &str) -> Option<Self> {
        let (_, form) = page.rsplit_once("<form ")?;
        let (form, _) = form.split_once("</form>")?;
        let named = |it: &str| Some((attribute(it, "name")?, attribute(it, "value").unwrap_or_default()));
        // A button may stand beside its form, and name it.
        let id = attribute(form, "id");
        let names_it = |it: &&str| id.is_some() && attribute(it, "form") == id;
        let within = form.split("<button ").skip(1);
        let beside = page.split("<button ").skip(1).filter(names_it);
        Some(Self {
            action: attribute(form, "action")?,
            fields: form.split("<input ").skip(1).filter_map(named).collect(),
            buttons: within.chain(beside).filter_map(named).collect(),
        })
    }

    fn filled_in(&self, decision: &str) -> Vec<(String, String)> {
        let typed = |(name, value): &(String, String)| {
            let value = match name.as_str() {
                "username" | "login" => "ana",
                "password" => PASSWORD,
                _ => value,
            };
            (name.clone(), value.to_owned())
        };
        let pressed = self.buttons.iter().find(|(_, value)| value == decision).or(self.buttons.first());
        self.fields.iter().map(typed).chain(pressed.cloned()).collect()
    }
}

/// An attribute of the tag that this text begins within.
fn attribute(text: &str, name: &str) -> Option<String> {
    let (tag, _) = text.split_once('>')?;
    let (_, value) =
        format!(" {tag}").split_once(&format!(" {name}=\"")).map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    let (value, _) = value.split_once('"')?;
    let plain =
        [("&quot;", "\""), ("&#x2f;", "/"), ("&#x27;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    Some(plain.iter().fold(value.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain)))
}
