//! Mail to people.

use crate::settings::setting::{
    Default::{Text, Unset},
    Kind::{Duration, MailTls, Number, Path, Secret, Switch, Words},
    Setting,
};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("mail.host", Unset("no mail is sent"), Words, "The mail server that takes mail to people."),
    Setting::new("mail.port", Unset("465; 587 with starttls, 25 with none"), Number, "Its port."),
    Setting::new(
        "mail.tls",
        Text("implicit"),
        MailTls,
        "How the way to it is made secret: implicit, starttls, or none, which is for this machine itself alone.",
    ),
    Setting::new("mail.user", Unset("nobody logs in"), Words, "The name to log in to it with."),
    Setting::new("mail.password", Unset("there is none"), Secret, "The password to log in to it with."),
    Setting::new(
        "mail.password_file",
        Unset("no file"),
        Path,
        "A file with the password, instead of the setting itself.",
    ),
    Setting::new(
        "mail.from",
        Unset("no-reply@ and the issuer's host"),
        Words,
        "Whom mail is from: no-reply@example.com, or Example <no-reply@example.com>.",
    ),
    Setting::new("mail.reply_to", Unset("nobody"), Words, "Who gets the answers to it, in the same form."),
    Setting::new(
        "mail.folder",
        Unset("no folder"),
        Path,
        "A folder that gets mails as .eml files instead of a server: for development, on the embedded store.",
    ),
    Setting::new(
        "mail.timeout",
        Text("20s"),
        Duration,
        "How long handing over one mail may take. Nobody waits for it.",
    ),
    Setting::new(
        "mail.language",
        Text("en"),
        Words,
        "The language of mails to accounts whose locale is none of those that there are texts in: en or de.",
    ),
    Setting::new(
        "mail.notices",
        Text("true"),
        Switch,
        "Whether owners are told of new devices, other passwords and factors, and stolen logins, at addresses that are verified.",
    ),
    Setting::new(
        "mail.per_address",
        Text("10"),
        Number,
        "Mails that one address gets in the window because somebody asks for them; as many again tell of events.",
    ),
    Setting::new("mail.per_account", Text("20"), Number, "The same for one account, whatever its addresses."),
    Setting::new("mail.limit_window", Text("1h"), Duration, "The time that they are counted in."),
];
