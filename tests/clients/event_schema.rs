//! Each event as a line, judged by a validator of JSON Schema that is not ours.

use std::io::Write as _;
use std::process::Stdio;

use heirloom::domain::event::EVENT_NAMES;
use heirloom::service::admin::events::{EventSpan, export};
use serde_json::json;

use crate::event_samples::Sampled;
use crate::harness::{Store, TestApp, run};
use crate::program::python;

async fn each_event_keeps_to_the_schema(app: TestApp) {
    let now = app.clock.now();
    let core = app.core.acting_for("client ops");
    let happened = core.write(now, async |tx| {
        for event in Sampled::new(now).events() {
            tx.record(event);
        }
        Ok(Some(()))
    });
    happened.await.unwrap();
    let all = EventSpan { since: chrono::DateTime::UNIX_EPOCH, until: None };
    let lines = export(&app.core, all, None, 1000).await.unwrap();
    let lines: Vec<String> = lines.iter().map(|event| json!(event).to_string() + "\n").collect();
    let lines = lines.concat();
    let mut judge = python("event_schema.py").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    judge.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let said = judge.wait_with_output().unwrap();
    let said = (said.status.success(), String::from_utf8(said.stdout).unwrap());
    assert_eq!(said, (true, format!("{} lines of {} events\n", lines.lines().count(), EVENT_NAMES.len())));
}

#[test]
fn each_event_keeps_to_the_published_schema() {
    run(Store::Sqlite, |_| (), each_event_keeps_to_the_schema);
}
