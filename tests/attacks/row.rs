//! A row, and how a table of them is tried.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use heirloom::settings::Settings;

use crate::database::Database;
use crate::harness::*;
use crate::way::{Proxy, Way};

pub struct Row {
    pub name: &'static str,
    /// Who describes it: a section of an RFC, a requirement of the ASVS 5, a CVE, a CWE.
    pub source: &'static str,
    /// What must come back, in the words of `sends`.
    pub back: &'static str,
    pub sends: for<'a> fn(&'a TestApp) -> LocalBoxFuture<'a, String>,
}

/// Tries every row of a table against one server; all that came back otherwise is told at the end.
pub fn try_all(table: &str, rows: &[Row], store: Store, way: Way, change: fn(&mut Settings)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::make(store).await;
        let proxy = Proxy::bind().await;
        let issuer = proxy.url();
        let (mut app, stop) = start(store, &database.url, TestClock::new(), move |settings| {
            if way == Way::ByProxy {
                settings.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
                settings.issuer = Some(issuer.parse().unwrap());
            }
            change(settings);
        })
        .await;
        if way == Way::ByProxy {
            let (inner, outer) = (app.url.clone(), proxy.url());
            proxy.serve(&inner);
            app.url = outer;
        }
        app.with_victims().await;
        let mut wrong = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            app.http = client_of(address(number));
            let sent = AssertUnwindSafe((row.sends)(&app)).catch_unwind().await;
            let back = sent.unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                format!("panicked: {}", text.unwrap_or_default())
            });
            if back != row.back {
                wrong.push(format!("{} ({}): {:?}, not {:?}", row.name, row.source, back, row.back));
            }
        }
        stop.end().await;
        database.drop().await;
        println!("{table}: {} attacks, {store:?}, {way:?}: {} got through", rows.len(), wrong.len());
        assert!(wrong.is_empty(), "{table}, {store:?}, {way:?}:\n{}", wrong.join("\n"));
    });
}

/// An address of the row's own: what one address may do is no other row's.
fn address(number: usize) -> IpAddr {
    IpAddr::from([127, 7, u8::try_from(number / 200).unwrap(), u8::try_from(number % 200 + 1).unwrap()])
}

/// Somebody who asks from there.
pub fn client_of(address: IpAddr) -> reqwest::Client {
    let builder =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).local_address(address);
    builder.build().unwrap()
}

/// A table: its name, the settings that it needs, its rows. Each is a name, a source, what must come back, and what is
/// sent. It makes four tests: on each store, straight and by a proxy.
macro_rules! attacks {
    ($(with $change:expr;)? $($name:literal, $source:literal, $back:literal => |$app:ident| $body:block)+) => {
        fn rows() -> Vec<crate::row::Row> {
            vec![$(crate::row::Row {
                name: $name,
                source: $source,
                back: $back,
                sends: |$app| Box::pin(async move { $body }),
            }),+]
        }

        fn try_rows(store: crate::harness::Store, way: crate::way::Way) {
            #[allow(unused_mut, unused_assignments, reason = "most tables change no setting")]
            let mut change: fn(&mut heirloom::settings::Settings) = |_| {};
            $(change = $change;)?
            crate::row::try_all(module_path!(), &rows(), store, way, change);
        }

        #[test]
        fn sqlite() {
            try_rows(crate::harness::Store::Sqlite, crate::way::Way::Straight);
        }

        #[test]
        fn sqlite_by_a_proxy() {
            try_rows(crate::harness::Store::Sqlite, crate::way::Way::ByProxy);
        }

        #[test]
        fn postgres() {
            try_rows(crate::harness::Store::Postgres, crate::way::Way::Straight);
        }

        #[test]
        fn postgres_by_a_proxy() {
            try_rows(crate::harness::Store::Postgres, crate::way::Way::ByProxy);
        }
    };
}

pub(crate) use attacks;
