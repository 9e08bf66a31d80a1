//! What is to be done again of an event that a restore lost: what took rights away, as far as ids tell enough. What
//! gives rights, or needs what no event holds, is an operator's.

use uuid::Uuid;

use crate::domain::event::{EVENT_NAMES, ToldEvent, UnfitEventLine};
use crate::domain::ids::{ClientId, FamilyId, PasskeyId, SignInSessionId, UserId, WebhookId};
use crate::domain::refusal::EndReason;

/// What is to be done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redo {
    /// At once: it does not depend on what other events tell.
    Act(LostAct),
    /// When all that was lost of the user is known.
    OfUser(UserId, LostUserChange),
    /// All signing keys from before were withdrawn.
    ReplaceKeys,
    /// An operator can, if anybody.
    ByHand(Concerned, &'static str),
    /// It took no rights away.
    Nothing,
    /// What a later release tells of.
    Unknown,
}

/// What is for good, whatever came after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LostAct {
    EndFamily(FamilyId, EndReason),
    EndSignIn(UserId, SignInSessionId),
    RevokeToken { client: ClientId, family: Option<FamilyId>, jti: String },
    WithdrawConsent(UserId, ClientId),
    RemovePasskey(UserId, PasskeyId),
    RemoveClient(ClientId),
    ForgetConsents(ClientId),
    DropMasterKey(String),
    RemoveRegistrationToken(Uuid),
    RemoveWebhook(WebhookId),
}

/// What was changed of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostUserChange {
    Remove,
    Switch(UserSwitch),
    /// The logins from before ended.
    EndLogins,
    /// What the user signs in with is another one, and what it was changed to is lost: the logins from before end.
    Distrust {
        decided_by: &'static [&'static str],
        hint: &'static str,
    },
}

/// Whether a user may log in: the last word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserSwitch {
    Disabled,
    Enabled,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concerned {
    User(UserId),
    Client(ClientId),
    /// By its id or name.
    Thing(String),
    Nobody,
}

const PASSWORDS: &[&str] = &["password", "own_password", "password_reset"];
const SET_PASSWORD: &str = "the former password is good again: heirloom user set-password NAME, to a new one";
const RESET_FACTORS: &str = "what was taken away is good again: heirloom user reset-mfa NAME";
const ADD_FACTOR: &str = "it is lost: its user adds it again";
const RENEW_CODES: &str = "the former codes are good again: their user renews them";
const ACCOUNT: &str = "the account is lost: it is made again";
const DETAILS: &str = "heirloom user update NAME";
const LINKS: &str = "its user looks at /account/sign-in-methods";
const ROTATE_SECRET: &str =
    "the former secret is good again: heirloom client rotate-secret CLIENT --overlap 0s";
const ROTATE_WEBHOOK_SECRET: &str =
    "the former secret is in use again: heirloom webhook rotate-secret WEBHOOK --overlap 0s";

impl Redo {
    /// What an event asks for.
    ///
    /// # Errors
    /// [`UnfitEventLine::Member`] for what it needs and does not say.
    pub fn of(told: &ToldEvent) -> Result<Self, UnfitEventLine> {
        let thing = |member| told.text(member).map(|it| Concerned::Thing(it.to_owned()));
        Ok(match told.name.as_str() {
            "user.changed" => of_user(told.id("user")?, told.text("change")?),
            "client.changed" => of_client(told.id("client")?, told.text("change")?),
            "key.replaced" => Self::ReplaceKeys,
            "key.rotated" => Self::ByHand(thing("key")?, "the key is lost: heirloom keys rotate"),
            "passkey.added" => Self::ByHand(Concerned::User(told.id("user")?), ADD_FACTOR),
            "user.imported" => Self::ByHand(Concerned::Nobody, "heirloom user import FILE"),
            "user.invited" => Self::ByHand(Concerned::Nobody, "heirloom user invite ADDRESS"),
            "user.uninvited" => Self::ByHand(Concerned::Nobody, "heirloom user uninvite ADDRESS"),
            "audience.changed" => {
                Self::ByHand(thing("audience")?, "heirloom audience set, or heirloom apply")
            }
            "registration_token.added" => Self::ByHand(thing("token")?, "heirloom registration-token new"),
            "webhook.added" => Self::ByHand(thing("webhook")?, "heirloom webhook add URL"),
            "webhook.updated" => Self::ByHand(thing("webhook")?, "heirloom webhook update WEBHOOK"),
            "webhook.disabled" => Self::ByHand(thing("webhook")?, "heirloom webhook disable WEBHOOK"),
            "webhook.enabled" => Self::ByHand(thing("webhook")?, "heirloom webhook enable WEBHOOK"),
            "webhook.secret_rotated" => Self::ByHand(thing("webhook")?, ROTATE_WEBHOOK_SECRET),
            name => match LostAct::of(told)? {
                Some(act) => Self::Act(act),
                None if EVENT_NAMES.contains(&name) => Self::Nothing,
                None => Self::Unknown,
            },
        })
    }
}

impl LostAct {
    fn of(told: &ToldEvent) -> Result<Option<Self>, UnfitEventLine> {
        Ok(Some(match told.name.as_str() {
            "family.ended" => {
                Self::EndFamily(told.id("family")?, EndReason::from_stored(told.text("reason")?))
            }
            "sign_in.ended" => Self::EndSignIn(told.id("user")?, told.id("session")?),
            "token.revoked" => Self::RevokeToken {
                client: told.id("client")?,
                family: told.optional_id("family")?,
                jti: told.text("jti")?.to_owned(),
            },
            "consent.withdrawn" => Self::WithdrawConsent(told.id("user")?, told.id("client")?),
            "passkey.removed" => Self::RemovePasskey(told.id("user")?, told.id("passkey")?),
            "key.master_dropped" => Self::DropMasterKey(told.text("key")?.to_owned()),
            "registration_token.removed" => Self::RemoveRegistrationToken(told.id("token")?),
            "webhook.removed" => Self::RemoveWebhook(told.id("webhook")?),
            _ => return Ok(None),
        }))
    }
}

fn of_user(user: UserId, change: &str) -> Redo {
    let by_hand = |hint| Redo::ByHand(Concerned::User(user), hint);
    let of_user = |change| Redo::OfUser(user, change);
    let distrust = |decided_by, hint| of_user(LostUserChange::Distrust { decided_by, hint });
    match change {
        "removed" | "own_removal" => of_user(LostUserChange::Remove),
        "disabled" => of_user(LostUserChange::Switch(UserSwitch::Disabled)),
        "enabled" => of_user(LostUserChange::Switch(UserSwitch::Enabled)),
        "logins_ended" => of_user(LostUserChange::EndLogins),
        "password" | "own_password" | "password_reset" => distrust(PASSWORDS, SET_PASSWORD),
        "totp_added" => distrust(&["totp_added", "factors_reset"], ADD_FACTOR),
        "totp_removed" => distrust(&["totp_removed", "factors_reset"], RESET_FACTORS),
        "factors_reset" => distrust(&["factors_reset"], RESET_FACTORS),
        "recovery_codes_renewed" => distrust(&["recovery_codes_renewed", "factors_reset"], RENEW_CODES),
        "added" | "signed_up" => Redo::ByHand(Concerned::Thing(user.to_string()), ACCOUNT),
        "roles" => by_hand("heirloom user set-roles NAME ROLE…"),
        "details" | "email_verified" | "email_changed" | "email_unverified" => by_hand(DETAILS),
        "linked" | "unlinked" => by_hand(LINKS),
        // Each login that ended tells of itself, and one was spared.
        "own_logins_ended" => Redo::Nothing,
        _ => Redo::Unknown,
    }
}

fn of_client(client: ClientId, change: &str) -> Redo {
    match change {
        "removed" | "removed_itself" => Redo::Act(LostAct::RemoveClient(client)),
        "consents_forgotten" => Redo::Act(LostAct::ForgetConsents(client)),
        "secret_rotated" => Redo::ByHand(Concerned::Client(client), ROTATE_SECRET),
        "added" => Redo::ByHand(Concerned::Thing(client.to_string()), "heirloom client add CLIENT"),
        "registered_itself" => {
            Redo::ByHand(Concerned::Thing(client.to_string()), "it is lost: it registers itself again")
        }
        "updated" | "updated_itself" => {
            Redo::ByHand(Concerned::Client(client), "heirloom client update CLIENT")
        }
        _ => Redo::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::event::{AudienceChange, ClientChange, EventLine, UserChange};

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn told(name: &str, change: Option<&str>) -> ToldEvent {
        let change = change.map(|change| format!(r#","change":"{change}""#)).unwrap_or_default();
        let line = format!(
            r#"{{"v":1,"id":"{ID}","event":"{name}","family":"{ID}","user":"{ID}","session":"{ID}","client":"web",
            "audience":"https://api.example.com","token":"{ID}","webhook":"{ID}","passkey":"{ID}","key":"aa","jti":"j",
            "reason":"owner"{change}}}"#
        );
        match line.parse() {
            Ok(EventLine::Event(told)) => told,
            other => panic!("{other:?}"),
        }
    }

    /// Every event that there is, with every change that it may tell of.
    fn all() -> Vec<ToldEvent> {
        let mut all = Vec::new();
        for name in EVENT_NAMES {
            let changes = match name {
                "user.changed" => UserChange::WORDS,
                "client.changed" => ClientChange::WORDS,
                "audience.changed" => AudienceChange::WORDS,
                _ => {
                    all.push(told(name, None));
                    continue;
                }
            };
            all.extend(changes.iter().map(|change| told(name, Some(change))));
        }
        all
    }

    /// What stands in backticks at the beginning of the rows below a heading of docs/operate.md.
    fn listed(heading: &str) -> BTreeSet<String> {
        let page = include_str!("../../../docs/operate.md");
        let (_, below) = page.split_once(&format!("\n| {heading} |")).unwrap();
        let rows = below.lines().skip(2).map_while(|row| row.strip_prefix("| "));
        let names = |row: &str| -> Vec<String> {
            let (first, _) = row.split_once(" |").unwrap();
            let (name, changes) = first.split_once(" (").unwrap_or((first, ""));
            let words =
                |text: &str| text.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect::<Vec<_>>();
            match words(changes).as_slice() {
                [] => words(name),
                changes => changes.iter().map(|it| format!("{} ({it})", words(name).concat())).collect(),
            }
        };
        rows.flat_map(names).collect()
    }

    #[test]
    fn the_manual_says_of_each_event_what_is_done_again() {
        let (mut done, mut by_hand) = (BTreeSet::new(), BTreeSet::new());
        for told in all() {
            match Redo::of(&told).unwrap() {
                Redo::Unknown => panic!("nobody decided what is done again of {}", told.label()),
                Redo::Nothing => {}
                Redo::ByHand(..) | Redo::OfUser(_, LostUserChange::Switch(UserSwitch::Enabled)) => {
                    by_hand.insert(told.label());
                }
                Redo::OfUser(_, LostUserChange::Distrust { .. }) => {
                    done.insert(told.label());
                    by_hand.insert(told.label());
                }
                Redo::Act(_) | Redo::OfUser(..) | Redo::ReplaceKeys => {
                    done.insert(told.label());
                }
            }
        }
        let without_change = |label: String| match label.split_once(" (") {
            Some(("audience.changed", _)) => "audience.changed".to_owned(),
            Some(_) | None => label,
        };
        assert_eq!(listed("event, done again"), done);
        assert_eq!(listed("event, yours"), by_hand.into_iter().map(without_change).collect::<BTreeSet<_>>());
    }

    #[test]
    fn what_a_later_release_tells_of_is_unknown_and_what_lacks_an_id_is_named() {
        assert_eq!(Redo::of(&told("family.adopted", None)), Ok(Redo::Unknown));
        assert_eq!(Redo::of(&told("user.changed", Some("married"))), Ok(Redo::Unknown));
        assert_eq!(Redo::of(&told("client.changed", Some("married"))), Ok(Redo::Unknown));
        let lacks = |member: &'static str, text: &str| {
            let Ok(EventLine::Event(told)) = text.parse() else { panic!("{text}") };
            assert_eq!(Redo::of(&told), Err(UnfitEventLine::Member(member)), "{text}");
        };
        lacks("family", &format!(r#"{{"v":1,"id":"{ID}","event":"family.ended","reason":"owner"}}"#));
        lacks(
            "family",
            &format!(r#"{{"v":1,"id":"{ID}","event":"family.ended","family":"7","reason":"owner"}}"#),
        );
        lacks("reason", &format!(r#"{{"v":1,"id":"{ID}","event":"family.ended","family":"{ID}"}}"#));
        lacks("change", &format!(r#"{{"v":1,"id":"{ID}","event":"user.changed","user":"{ID}"}}"#));
        lacks(
            "client",
            &format!(r#"{{"v":1,"id":"{ID}","event":"client.changed","client":"a b","change":"removed"}}"#),
        );
        // What takes no rights away need not say anything: of busy minutes the names alone are told.
        let counted = format!(r#"{{"v":1,"id":"{ID}","event":"login.refused","times":9}}"#);
        let Ok(EventLine::Event(counted)) = counted.parse() else { panic!() };
        assert_eq!(Redo::of(&counted), Ok(Redo::Nothing));
    }
}
