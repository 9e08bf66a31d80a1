//! What mail is told of the settings.

use std::fs;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::TimeDelta;
use url::{Host, Url};

use super::parts::{authorities, letter_files, look};
use crate::crypto::master_key::MasterKeys;
use crate::outbound::mail::{MailSecurity, MailSender, MailServer, MailWay};
use crate::service::mail::letters::{LetterLook, Letters};
use crate::service::mail::{MailLimits, PostOffice};
use crate::settings::{Issuer, MailSettings, MailTls, Settings};

/// Where mail is written and sent, if it is.
///
/// # Errors
/// When letters cannot be written, or sent, as the settings have it.
pub(super) fn post_office(
    settings: &Settings,
    issuer: &Issuer,
    master: Arc<MasterKeys>,
) -> anyhow::Result<PostOffice> {
    let it = &settings.mail;
    let limits = MailLimits {
        of_address: it.per_address,
        of_account: it.per_account,
        window: TimeDelta::from_std(it.limit_window).context("mail.limit_window")?,
    };
    let (letters, way) = (letters(settings, issuer)?, way(settings, issuer)?);
    Ok(PostOffice { master, letters, way, limits, tells_owners: it.notices })
}

/// What would keep a server from starting.
///
/// # Errors
/// As [`post_office`].
pub(super) fn check(settings: &Settings, issuer: &Issuer) -> anyhow::Result<()> {
    letters(settings, issuer)?;
    way(settings, issuer).map(drop)
}

/// Whether the mail server takes mail from us, as far as it tells before there is any.
///
/// # Errors
/// What it says.
pub(super) async fn greet(settings: &Settings) -> anyhow::Result<()> {
    let issuer = settings.issuer_at(([127, 0, 0, 1], settings.listen.port()).into());
    let Some(way) = way(settings, &issuer)? else { return Ok(()) };
    way.greet().await.context("mail.host")
}

fn letters(settings: &Settings, issuer: &Issuer) -> anyhow::Result<Letters> {
    let look = LetterLook {
        brand: settings.pages.name.clone(),
        home: issuer.to_string(),
        accent: look(settings)?.accent,
        language: settings.mail.language.clone(),
    };
    Ok(Letters::new(look, letter_files(settings)?)?)
}

fn way(settings: &Settings, issuer: &Issuer) -> anyhow::Result<Option<MailWay>> {
    let it = &settings.mail;
    let from = it.from.clone().unwrap_or_else(|| format!("no-reply@{}", mail_domain(issuer)));
    let sender = MailSender::new(&from, it.reply_to.as_deref()).context("mail.from or mail.reply_to")?;
    let Some(host) = &it.host else {
        return Ok(it.folder.clone().map(|folder| MailWay::into_folder(sender, folder)));
    };
    let (security, usual) = match it.tls {
        MailTls::Implicit => (MailSecurity::Implicit, 465),
        MailTls::Starttls => (MailSecurity::StartTls, 587),
        MailTls::None => (MailSecurity::Plain, 25),
    };
    let server = MailServer {
        host: host.clone(),
        port: it.port.unwrap_or(usual),
        security,
        credentials: credentials(it)?,
        authorities: authorities(&settings.outbound)?,
        timeout: it.timeout,
    };
    MailWay::by_server(sender, server).map(Some).context("mail.host")
}

/// What a mail address can have behind its @: no number of a machine.
fn mail_domain(issuer: &Issuer) -> String {
    let url = Url::parse(issuer.as_str()).ok();
    match url.as_ref().and_then(Url::host) {
        Some(Host::Domain(domain)) => domain.to_owned(),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => "localhost".to_owned(),
    }
}

fn credentials(mail: &MailSettings) -> anyhow::Result<Option<(String, String)>> {
    let Some(user) = mail.user.clone() else { return Ok(None) };
    let password = match (&mail.password, &mail.password_file) {
        (Some(password), _) => password.expose().to_owned(),
        (None, Some(path)) => {
            let text = fs::read_to_string(path);
            let text = text.with_context(|| format!("mail.password_file: cannot read {}", path.display()))?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        (None, None) => {
            anyhow::bail!("mail.user is set, so mail.password or mail.password_file must be, too")
        }
    };
    Ok(Some((user, password)))
}
