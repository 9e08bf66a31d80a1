//! What is known of one setting.

use self::{
    Default::{Text, Unset},
    Kind::{
        Algorithm, Audiences, CodeProtection, CollectorUrl, Colour, Database, Domains, Duration, EdDsaName,
        Filter, Format, Header, HttpsUrl, Issuer, Listen, MailTls, MailedSignIn, Networks, Number, Origins,
        Path, Policy, Providers, Registration, Schemes, Scopes, Secret, SignUp, Switch, Words,
    },
};

/// What every part of this module knows of a setting.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    /// Its place in the file: `section.name`, or a name alone at the top.
    pub(super) key: &'static str,
    pub(super) default: Default,
    pub(super) kind: Kind,
    /// One sentence for an operator.
    pub(super) doc: &'static str,
}

/// What applies when nothing is set.
#[derive(Clone, Copy)]
pub(super) enum Default {
    /// This, in the form a variable has.
    Text(&'static str),
    /// Nothing: the words say what happens then.
    Unset(&'static str),
}

impl Default {
    pub(super) fn text(self) -> Option<&'static str> {
        match self {
            Text(text) => Some(text),
            Unset(_) => None,
        }
    }
}

/// The form of a value.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Algorithm,
    Audiences,
    CodeProtection,
    CollectorUrl,
    Colour,
    Database,
    Domains,
    Duration,
    EdDsaName,
    Filter,
    Format,
    Header,
    HttpsUrl,
    Issuer,
    Listen,
    MailTls,
    MailedSignIn,
    Networks,
    Number,
    Origins,
    Path,
    Policy,
    Providers,
    Registration,
    Schemes,
    Scopes,
    Secret,
    SignUp,
    Switch,
    Words,
}

impl Kind {
    /// What would be right, to end a sentence with.
    pub(super) fn expected(self) -> &'static str {
        match self {
            CodeProtection => "pkce, pkce-or-nonce or optional",
            CollectorUrl => "a URL such as http://127.0.0.1:4318/v1/traces, without user, query or fragment",
            Colour => "a colour such as #0b57d0",
            Algorithm => "ES256, EdDSA or RS256",
            Database => {
                "sqlite:PATH, sqlite::memory: or postgres://USER:PASSWORD@HOST/NAME, \
                 with reserved characters in the password written as %XX"
            }
            Domains => "domains with spaces between them such as example.com example.org",
            Duration => "a duration such as 15m, 36h or 7d",
            EdDsaName => "EdDSA or Ed25519",
            Filter => "log directives such as info or info,heirloom=debug",
            Format => "pretty or json",
            Header => "the name of a header such as Client-Cert",
            HttpsUrl => {
                "an https URL such as https://mtls.example.com, in lower case and without query, fragment, user or \
                 slash at the end"
            }
            Issuer => {
                "an http or https URL such as https://id.example.com, in lower case and without query, \
                 fragment, user or slash at the end"
            }
            Listen => "an address with a port such as 127.0.0.1:8080, [::]:8080 or localhost:8080",
            MailedSignIn => "off, link or code",
            MailTls => "implicit, starttls or none",
            Networks => "networks or addresses with commas between them such as 10.0.0.0/8,192.0.2.7",
            Number => "a whole number",
            Origins => "origins of sites with spaces between them such as https://app.example.com",
            Path => "a path",
            Policy => "optional or required",
            Audiences => "services' URLs with spaces between them",
            Providers => "tables of providers as in docs/settings.md, or the same as JSON",
            Registration => "off, initial_access_token or open",
            Schemes => {
                "schemes of programs with spaces between them such as cursor vscode, and none that runs or reads"
            }
            Scopes => "scopes with spaces between them such as openid profile",
            Secret | Words => "text",
            SignUp => "off, open, invitation or domains",
            Switch => "true or false",
        }
    }

    /// Whether a value of this form may hold what must not be shown.
    pub(super) fn is_secret(self) -> bool {
        match self {
            Database | Providers | Secret => true,
            Algorithm | Audiences | CodeProtection | CollectorUrl | Colour | Domains | Duration
            | EdDsaName | Filter | Format | Header | HttpsUrl | Issuer | Listen | MailTls | MailedSignIn
            | Networks | Number | Origins | Path | Policy | Registration | Schemes | Scopes | SignUp
            | Switch | Words => false,
        }
    }
}

impl Setting {
    pub(super) const fn new(key: &'static str, default: Default, kind: Kind, doc: &'static str) -> Self {
        Self { key, default, kind, doc }
    }

    /// The variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key.to_uppercase().replace('.', "__"))
    }

    /// The section it stands in; empty at the top.
    pub(super) fn section(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(section, _)| section)
    }

    /// Its name within the section.
    pub(super) fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }
}

/// What the names of our variables begin with.
pub(super) const PREFIX: &str = "HEIRLOOM_";
