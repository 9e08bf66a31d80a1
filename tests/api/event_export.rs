//! What happened, exported: line by line as `docs/event.schema.json` has it, and in the order in which it happened.

use std::collections::{BTreeMap, BTreeSet};

use heirloom::domain::event::EVENT_NAMES;
use heirloom::service::admin::events::{EventSpan, export, list};
use heirloom::service::admin::views::EventView;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::event_samples::Sampled;
use crate::event_table::everything;
use crate::harness::*;

const ALL: EventSpan = EventSpan { since: chrono::DateTime::UNIX_EPOCH, until: None };

/// What every line has, and what it may have.
const COMMON: [&str; 6] = ["v", "id", "at", "event", "times", "by"];

fn read(path: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&read("docs/event.schema.json")).unwrap()
}

fn names_of(members: &Value) -> BTreeSet<String> {
    match members {
        Value::Object(members) => members.keys().cloned().collect(),
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
        _ => BTreeSet::new(),
    }
}

impl TestApp {
    /// Lets one of each event happen.
    async fn sample_events(&self) {
        let now = self.clock.now();
        let sampled = Sampled::new(now);
        let happened = self.core.write(now, async |tx| {
            for event in sampled.events() {
                tx.record(event);
            }
            Ok(Some(()))
        });
        happened.await.unwrap();
    }
}

/// Events that a busy minute counts by their names alone.
fn counted() -> BTreeSet<String> {
    let page = read("docs/events.md");
    let (_, told) = page.split_once("Some events tell of no change in the database:").unwrap();
    let (told, _) = told.split_once(". Others can").unwrap();
    told.split('`').filter(|text| text.contains('.')).map(ToOwned::to_owned).collect()
}

both_stores! {
    async fn each_event_tells_what_its_schema_says(app) {
        app.sample_events().await;
        let mut told: BTreeMap<String, Vec<BTreeSet<String>>> = BTreeMap::new();
        let schema = schema();
        let (known, required) = (names_of(&schema["properties"]), names_of(&schema["required"]));
        for event in export(&app.core, ALL, None, 1000).await.unwrap() {
            let line = json!(event);
            let members = names_of(&line);
            assert!(members.is_subset(&known) && required.is_subset(&members), "{line}");
            assert_eq!(line["v"], schema["properties"]["v"]["const"], "{line}");
            let own = members.into_iter().filter(|member| !COMMON.contains(&member.as_str())).collect();
            told.entry(event.event).or_default().push(own);
        }
        let all: BTreeSet<String> = EVENT_NAMES.into_iter().map(ToOwned::to_owned).collect();
        assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), all, "one of each");
        let counted = counted();
        for (name, samples) in &told {
            let defined = &schema["$defs"][name];
            let whole: BTreeSet<String> = samples.iter().flatten().cloned().collect();
            assert_eq!(names_of(&defined["properties"]), whole, "{name}");
            let is_always_told =
                |member: &String| !counted.contains(name) && samples.iter().all(|own| own.contains(member));
            let always: BTreeSet<String> = whole.into_iter().filter(is_always_told).collect();
            assert_eq!(names_of(&defined["required"]), always, "{name}");
        }
        let branches = schema["allOf"].as_array().unwrap().iter();
        let branches: Vec<(Value, Value)> = branches
            .map(|branch| (branch["if"]["properties"]["event"]["const"].clone(), branch["then"]["$ref"].clone()))
            .collect();
        let expected: Vec<(Value, Value)> =
            all.iter().map(|name| (json!(name), json!(format!("#/$defs/{name}")))).collect();
        assert_eq!(branches, expected);
    }

    async fn what_happened_is_exported_in_its_order_part_by_part(app) {
        app.add_user("ana").await;
        let first = app.clock.now();
        app.clock.advance(MINUTE);
        for _ in 0..5 {
            app.log_in("ana").await;
            app.clock.advance(SECOND);
        }
        let middle = app.clock.now();
        for _ in 0..3 {
            app.log_in("ana").await;
            app.clock.advance(SECOND);
        }
        let mut newest_first = list(&app.core, &everything(), None, 100).await.unwrap();
        newest_first.reverse();
        let ids = |events: &[EventView]| events.iter().map(|event| event.id).collect::<Vec<Uuid>>();
        let whole = export(&app.core, ALL, None, 100).await.unwrap();
        assert_eq!(ids(&whole), ids(&newest_first));
        let (mut parts, mut after) = (Vec::new(), None);
        loop {
            let part = export(&app.core, ALL, after, 4).await.unwrap();
            assert!(part.len() <= 4);
            let Some(last) = part.last() else { break };
            after = Some(last.id);
            parts.extend(ids(&part));
        }
        assert_eq!(parts, ids(&whole));
        let span = async |since, until| ids(&export(&app.core, EventSpan { since, until }, None, 100).await.unwrap());
        let [before, logins, after] = [
            span(chrono::DateTime::UNIX_EPOCH, Some(first + MINUTE)).await,
            span(first + MINUTE, Some(middle)).await,
            span(middle, None).await,
        ];
        assert_eq!((logins.len(), after.len()), (5, 3));
        assert_eq!([before, logins, after].concat(), ids(&whole), "each once");
    }
}
