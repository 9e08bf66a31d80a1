//! Mail is queued with what wants it, and sent once, or told of when it cannot be.

use heirloom::domain::letter::Letter;
use heirloom::service::admin::janitor;
use heirloom::service::mail::{self, NewMail, Queued};
use heirloom::settings::Settings;
use heirloom::store::StoreError;

use crate::database::both_databases;
use crate::harness::*;
use crate::mailbox::*;

const ANA: &str = "ana@example.com";
const LINK: &str = "https://id.example.com/verify?token=hush";

fn few(settings: &mut Settings) {
    mailing(settings);
    (settings.mail.per_address, settings.mail.per_account) = (2, 3);
}

/// Nothing can be written there.
fn nowhere(settings: &mut Settings) {
    settings.mail.folder = Some("/proc/nowhere".into());
}

fn verify(to: &str) -> NewMail<'_> {
    let letter = Letter::VerifyAddress { link: LINK.to_owned() };
    NewMail { to, language: None, user: None, letter, good_until: None }
}

impl TestApp {
    async fn post_mail(&self, new: NewMail<'_>) -> Queued {
        let (core, now) = (&self.core, self.clock.now());
        let queued = core.write(now, async |tx| mail::queue(core, tx, &new, now).await.map(Some)).await;
        queued.unwrap().unwrap()
    }

    /// An event that ends like this is told, a moment after its row is there.
    async fn is_told_of(&self, ending: &str) {
        for _ in 0..1000 {
            if self.events().iter().any(|event| event.ends_with(ending)) {
                return;
            }
            tokio::time::sleep(SECOND / 200).await;
        }
        panic!("{ending}: {:?}", self.events());
    }
}

both_stores! {
    async fn a_mail_is_sent_in_both_forms_and_its_row_is_emptied_and_deleted(app) with mailing; {
        let user = Some(app.add_user("ana").await);
        let good_until = Some(app.clock.now() + 20 * MINUTE);
        let letter = Letter::SignInCode { code: "012345".to_owned(), link: LINK.to_owned() };
        let new = NewMail { to: ANA, language: Some("de-AT"), user, letter, good_until };
        assert_eq!(app.post_mail(new).await, Queued::Yes);
        let mail = app.newest_mail(ANA).await;
        assert_eq!((mail.link().as_str(), mail.code().as_str()), (LINK, "012345"));
        assert_eq!(mail.subject, "Ihr Code für Heirloom");
        assert!(mail.text.contains("gelten 20 Minuten") && mail.html.contains("gelten 20 Minuten"), "{mail:?}");
        assert!(mail.html.contains("012345") && mail.html.contains("<a href=\"https:"), "{mail:?}");
        assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
        assert_eq!(mail.header("From").as_deref(), Some("no-reply@localhost"));
        assert_eq!(mail.header("Date").unwrap(), app.clock.now().format("%a, %d %b %Y %H:%M:%S +0000").to_string());
        let emptied = "SELECT COUNT(*) FROM mails WHERE sealed IS NULL AND recipient IS NULL AND state = 'delivered'";
        assert_eq!(app.number(emptied).await, 1);
        app.clock.advance(SECOND);
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM mails").await, 0);
        assert_eq!(app.number("SELECT COUNT(*) FROM mail_counts").await, 2);
        app.clock.advance(60 * MINUTE);
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM mail_counts").await, 0);
    }

    async fn what_is_undone_sends_no_mail(app) with mailing; {
        let (core, now) = (&app.core, app.clock.now());
        let undone = core.write(now, async |tx| {
            mail::queue(core, tx, &verify(ANA), now).await?;
            Ok(None::<()>)
        });
        assert_eq!(undone.await.unwrap(), None);
        let failed = core.write(now, async |tx| {
            mail::queue(core, tx, &verify(ANA), now).await?;
            Err::<Option<()>, _>(StoreError::Exists)
        });
        failed.await.unwrap_err();
        app.send_mails().await;
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn a_mail_that_waits_tells_nothing_to_who_reads_the_database(app) with nowhere; {
        app.post_mail(verify(ANA)).await;
        app.mails_are("pending", 1).await;
        let text = match app.store {
            Store::Sqlite => "SELECT COUNT(*) FROM mails WHERE instr(CAST(sealed AS TEXT), 'hush') > 0",
            Store::Postgres => "SELECT COUNT(*) FROM mails WHERE position('hush'::BYTEA IN sealed) > 0",
        };
        assert_eq!(app.number(text).await, 0);
        assert_eq!(app.number("SELECT COUNT(*) FROM mails WHERE sealed IS NOT NULL").await, 1);
    }

    async fn an_address_and_an_account_get_so_many_mails_and_no_more(app) with few; {
        let ana = app.add_user("ana").await;
        let about = |to| NewMail { user: Some(ana), ..verify(to) };
        assert_eq!(app.post_mail(about("a@example.com")).await, Queued::Yes);
        assert_eq!(app.post_mail(about("A@example.com")).await, Queued::Yes);
        assert_eq!(app.post_mail(about("a@example.com")).await, Queued::OverLimit);
        let limited = |reason: &str| format!("mail.limited letter=verify_address reason={reason} user={ana}");
        assert_eq!(app.told(&limited("address")), 1, "{:?}", app.events());
        assert_eq!(app.post_mail(about("b@example.com")).await, Queued::Yes);
        assert_eq!(app.post_mail(about("c@example.com")).await, Queued::OverLimit);
        assert_eq!(app.told(&limited("account")), 1, "{:?}", app.events());
        // What somebody asked for does not use up what is to be told.
        let notice = NewMail { letter: Letter::AddressChanged, ..about("a@example.com") };
        assert_eq!(app.post_mail(notice).await, Queued::Yes);
        assert_eq!(app.mails().await.len(), 4);
        app.clock.advance(60 * MINUTE);
        assert_eq!(app.post_mail(about("a@example.com")).await, Queued::Yes);
    }

    async fn without_a_place_for_it_there_is_no_mail(app) {
        assert!(!app.core.mail.is_on());
        assert_eq!(app.post_mail(verify(ANA)).await, Queued::Off);
        assert_eq!(app.number("SELECT COUNT(*) FROM mails").await, 0);
    }

    async fn a_mail_that_cannot_be_sent_is_tried_for_two_days_and_then_told_of(app) with nowhere; {
        assert_eq!(app.post_mail(verify(ANA)).await, Queued::Yes);
        let tried = "SELECT MAX(attempts) FROM mails WHERE state = 'pending'";
        for (tries, pause) in (1..10).zip([88, 300, 750, 2250, 4500, 13_500, 27_000, 54_000, 108_000]) {
            app.send_mails().await;
            for _ in 0..1000 {
                if app.number(tried).await == tries {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            assert_eq!(app.number(tried).await, tries);
            // Not before the pause is over.
            app.clock.advance(59 * SECOND);
            app.send_mails().await;
            assert_eq!(app.number(tried).await, tries);
            app.clock.advance(pause * SECOND);
        }
        app.send_mails().await;
        app.mails_are("given_up", 1).await;
        app.is_told_of("reason=tried_often").await;
        assert_eq!(app.told("mail.undeliverable letter=verify_address mail="), 1, "{:?}", app.events());
        assert_eq!(app.told("mail.undeliverable"), 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM mails WHERE sealed IS NOT NULL").await, 0);
    }

    async fn a_mail_is_not_sent_when_its_link_is_good_no_more(app) with nowhere; {
        let good_until = Some(app.clock.now() + 10 * MINUTE);
        app.post_mail(NewMail { good_until, ..verify(ANA) }).await;
        app.send_mails().await;
        app.clock.advance(10 * MINUTE);
        app.send_mails().await;
        app.mails_are("given_up", 1).await;
        app.is_told_of("reason=too_late").await;
    }

    async fn an_address_that_is_none_is_given_up_at_once(app) with mailing; {
        app.post_mail(verify("ana@example.com\r\nBcc: eve@example.com")).await;
        app.mails_are("given_up", 1).await;
        app.is_told_of("reason=refused").await;
        assert_eq!(app.mails().await.len(), 0);
    }
}

both_databases! {
    async fn a_mail_that_waits_outlives_the_master_key_that_sealed_it(store, url) {
        const OTHER: &str = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), nowhere).await;
        assert_eq!(app.post_mail(verify(ANA)).await, Queued::Yes);
        app.mails_are("pending", 1).await;
        stop.end().await;
        let both = |settings: &mut Settings| {
            nowhere(settings);
            settings.master_key = Some(format!("{OTHER},{MASTER_KEY}").into());
        };
        start(store, &url, clock.clone(), both).await.1.end().await;
        clock.advance(DAY);
        let other = |settings: &mut Settings| {
            mailing(settings);
            settings.master_key = Some(OTHER.to_owned().into());
        };
        let (app, stop) = start(store, &url, clock.clone(), other).await;
        assert_eq!(app.newest_mail(ANA).await.link(), LINK);
        stop.end().await;
    }
}
