//! Links to providers that move in with their users, and out.

use heirloom::service::admin::moving::import::{self, Batch, DryRun, Effect, Moved};
use heirloom::service::admin::moving::line::ReadLine;
use heirloom::service::admin::moving::{export, line};
use serde_json::{Value, json};

use crate::harness::*;

/// A batch of these lines.
async fn batch(app: &TestApp, lines: &[Value]) -> Batch {
    let rules = import::begin(&app.core, None, Effect::Tell).await.unwrap();
    let mut batch = Batch::default();
    for (number, line) in (1..).zip(lines) {
        let read = ReadLine::read(line.to_string().as_bytes(), &rules).unwrap();
        batch.add(number, read, app.clock.now()).unwrap();
    }
    batch
}

/// How many were imported and were there, and which lines were refused.
fn counts(moved: &Moved) -> (u64, u64, Vec<(u64, String)>) {
    let refused = moved.refused.iter().map(|(line, unfit)| (*line, unfit.to_string())).collect();
    (moved.imported, moved.there, refused)
}

both_stores! {
    async fn links_move_in_and_out_and_are_nobody_elses(app) {
        let link = |subject: &str| json!({ "issuer": "https://id.example", "subject": subject });
        let lines = [
            json!({ "username": "ana", "upstream_links": [link("a-1"), link("a-2")] }),
            json!({ "username": "ben", "upstream_links": [link("b-1")] }),
            json!({ "username": "eve", "upstream_links": [link("e-1"), link("a-2")] }),
            json!({ "username": "joe" }),
        ];
        let expected = (3, 0, vec![(3, line::UnfitLine::LinkTaken.to_string())]);
        let told = DryRun::default().tell(&app.core, batch(&app, &lines).await).await.unwrap();
        assert_eq!(counts(&told), expected);
        let moved = import::write(&app.core, batch(&app, &lines).await, app.clock.now()).await.unwrap();
        assert_eq!(counts(&moved), expected);
        assert_eq!(app.number("SELECT COUNT(*) FROM upstream_links").await, 3, "nothing of a refused line stays");
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 3);
        assert_eq!(app.told("user.imported count=3"), 1);
        let again = import::write(&app.core, batch(&app, &lines).await, app.clock.now()).await.unwrap();
        assert_eq!(counts(&again), (0, 3, expected.2.clone()));
        let (exported, _) = export::lines(&app.core, None, 10).await.unwrap().unwrap();
        let exported: Vec<Value> = exported.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (line, out) in [(0, 0), (1, 1), (3, 2)] {
            assert_eq!(exported[out]["username"], lines[line]["username"]);
            assert_eq!(exported[out]["upstream_links"], lines[line]["upstream_links"]);
        }
    }
}
