//! What the owner of an account is told of what happened to it, in the transaction that made it happen.

use std::net::IpAddr;

use aws_lc_rs::digest;
use chrono::{DateTime, Utc};

use crate::domain::event::{Event, MailLoss, UserChange, Whence};
use crate::domain::ids::UserId;
use crate::domain::letter::Letter;
use crate::domain::passkey::PasskeyChange;
use crate::domain::refusal::EndReason;
use crate::domain::user_agent::describe;
use crate::service::mail::post_office::{NewMail, PostOffice};
use crate::store::known_devices::{self, SeenDevice};
use crate::store::{StoreError, Tx, mails};

/// Queues the mails that the transaction's events ask for; gives the events of those that were too many.
pub(crate) async fn note(
    office: &PostOffice,
    tx: &mut Tx,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, StoreError> {
    if !office.is_on() || !office.tells_owners {
        return Ok(Vec::new());
    }
    let is_new = |user: UserId| {
        let added = |event: &Event| *event == Event::UserChanged { user, change: UserChange::Added };
        tx.events().iter().any(added)
    };
    let told = tx.events().iter().filter_map(|it| of_event(it, now));
    // What an account begins with is no news.
    let mut letters: Vec<(UserId, Letter)> = told.filter(|(user, _)| !is_new(*user)).collect();
    let entered: Vec<(UserId, Whence)> = tx.events().iter().filter_map(entered).collect();
    for (user, from) in entered {
        let (system, network) = (described(&from), from.address().map(network));
        let hash = device_hash(user, &system, network.as_deref());
        // What an account is first used with is no news: it is new itself.
        if known_devices::see(tx, user, &hash, now).await? == SeenDevice::New {
            letters.push((user, of_device(system, &from, now)));
        }
    }
    let mut over_limit = Vec::new();
    for (user, letter) in letters {
        let Some(owner) = mails::verified_owner(tx, user).await? else { continue };
        let new = NewMail {
            to: &owner.email,
            language: owner.locale.as_deref(),
            user: Some(user),
            letter,
            good_until: None,
        };
        if let Err(limit) = office.queue(tx, &new, now).await? {
            let (letter, why) = (new.letter.kind().to_owned(), MailLoss::Limited(limit));
            over_limit.push(Event::MailLost { user: Some(user), letter, why });
        }
    }
    Ok(over_limit)
}

fn of_event(event: &Event, at: DateTime<Utc>) -> Option<(UserId, Letter)> {
    if let Event::FamilyEnded { family, reason: EndReason::Reuse | EndReason::CodeReused } = event {
        return Some((family.user, Letter::LoginReused { at }));
    }
    if let Event::RecoveryCodeUsed { user, .. } = event {
        return Some((*user, Letter::RecoveryCodeUsed { at }));
    }
    if let Event::PasskeyChanged { user, change: PasskeyChange::Added, .. } = event {
        return Some((*user, Letter::FactorAdded { at }));
    }
    if let Event::PasskeyChanged { user, change: PasskeyChange::Removed, .. } = event {
        return Some((*user, Letter::FactorRemoved { at }));
    }
    let Event::UserChanged { user, change } = event else { return None };
    let letter = match change {
        UserChange::OwnPassword | UserChange::Password | UserChange::PasswordReset => {
            Letter::PasswordChanged { at }
        }
        UserChange::TotpAdded => Letter::FactorAdded { at },
        UserChange::TotpRemoved | UserChange::FactorsReset => Letter::FactorRemoved { at },
        UserChange::Linked => Letter::ProviderLinked { at },
        UserChange::Unlinked => Letter::ProviderUnlinked { at },
        UserChange::RecoveryCodesRenewed => Letter::RecoveryCodesRenewed { at },
        UserChange::Added
        | UserChange::Roles
        | UserChange::Details
        | UserChange::SignedUp
        | UserChange::EmailVerified
        | UserChange::EmailChanged
        | UserChange::EmailUnverified
        | UserChange::Disabled
        | UserChange::Enabled
        | UserChange::Removed
        | UserChange::LoginsEnded
        | UserChange::OwnLoginsEnded
        | UserChange::OwnRemoval => return None,
    };
    Some((*user, letter))
}

/// Who came in, and whence. An app that gets a login for who is signed in at the pages is no device.
fn entered(event: &Event) -> Option<(UserId, Whence)> {
    let (Event::SignInSucceeded { user, from, .. } | Event::LoginSucceeded { user, from, session: None, .. }) =
        event
    else {
        return None;
    };
    Some((*user, from.clone()))
}

/// A program and a system, in words that cannot be anybody's message.
type DescribedDevice = (Option<String>, Option<String>);

fn described(from: &Whence) -> DescribedDevice {
    let described = describe(from.agent().unwrap_or_default());
    let is_word = |text: &&str| text.chars().all(|letter| letter.is_ascii_alphabetic() || letter == ' ');
    let owned = |text: &str| text.to_owned();
    (described.program.filter(is_word).map(owned), described.system.map(owned))
}

fn of_device((program, system): DescribedDevice, from: &Whence, at: DateTime<Utc>) -> Letter {
    let address = from.address().and_then(|text| text.parse::<IpAddr>().ok());
    Letter::NewDevice { at, program, system, address: address.map(|address| address.to_string()) }
}

/// About as much of an address as stays when somebody moves within one provider's network: of IPv4 16 bits, of IPv6 32.
fn network(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [first, second, ..] = address.octets();
            format!("{first}.{second}")
        }
        Ok(IpAddr::V6(address)) => {
            let [first, second, ..] = address.segments();
            format!("{first:x}:{second:x}")
        }
        Err(_) => String::new(),
    }
}

fn device_hash(user: UserId, (program, system): &DescribedDevice, network: Option<&str>) -> Vec<u8> {
    let [program, system] = [program, system].map(|text| text.as_deref().unwrap_or_default());
    let text = format!("{user}\n{program}\n{system}\n{}", network.unwrap_or_default());
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}
