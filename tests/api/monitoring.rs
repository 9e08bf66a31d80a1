//! What the dashboard and the alert rules in `deploy/monitoring` ask for is in what a server says: each name, each
//! label, each word.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::*;
use crate::metrics::{scrape, with_metrics};

/// What Prometheus says by itself.
const OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];
/// The labels that it gives to whatever it scrapes.
const OF_TARGETS: [&str; 2] = ["job", "instance"];
const NO_NAMES: [&str; 5] = ["and", "or", "unless", "bool", "offset"];
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Each name with its labels, and the words that each of these has.
type Said = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn said(samples: &BTreeMap<String, f64>) -> Said {
    let mut said = Said::new();
    for series in samples.keys() {
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let known = said.entry(name.to_owned()).or_default();
        // No word has a quotation mark in it.
        let parts: Vec<&str> = labels.split('"').collect();
        for pair in parts.chunks_exact(2) {
            let label = pair[0].trim_matches([',', '=']).to_owned();
            known.entry(label).or_default().insert(pair[1].to_owned());
        }
    }
    said
}

/// What an expression in Prometheus' language asks for.
#[derive(Debug, Default)]
struct Asked {
    /// Names, each with its matchers: label, operator, words.
    series: Vec<(String, Vec<[String; 3]>)>,
    /// Labels that something is grouped by.
    labels: Vec<String>,
}

fn asked(expression: &str) -> Asked {
    let mut asked = Asked::default();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_:.".contains(letter);
        if !is_word(first) {
            let skipped = match first {
                '"' => rest[1..].find('"').unwrap() + 2,
                '[' => rest.find(']').unwrap() + 1,
                other => other.len_utf8(),
            };
            rest = &rest[skipped..];
            continue;
        }
        let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
        let (word, after) = (&rest[..end], rest[end..].trim_start());
        rest = after;
        if BEFORE_LABELS.contains(&word) {
            let (labels, after) = after.strip_prefix('(').unwrap().split_once(')').unwrap();
            asked.labels.extend(labels.split(',').map(|label| label.trim().to_owned()));
            rest = after;
        } else if let Some(inside) = after.strip_prefix('{') {
            let (matchers, after) = inside.split_once('}').unwrap();
            asked.series.push((word.to_owned(), parsed(matchers)));
            rest = after;
        } else if !is_called(after) && !NO_NAMES.contains(&word) && !first.is_ascii_digit() {
            asked.series.push((word.to_owned(), Vec::new()));
        }
    }
    asked
}

/// Whether what stands before this is a function: `rate(…)`, `sum by (…) (…)`.
fn is_called(after: &str) -> bool {
    let grouped = ["by", "without"].iter().find_map(|word| after.strip_prefix(word));
    after.starts_with('(') || grouped.is_some_and(|rest| rest.starts_with([' ', '(']))
}

fn parsed(matchers: &str) -> Vec<[String; 3]> {
    let parts: Vec<&str> = matchers.split('"').collect();
    let pairs = parts.chunks_exact(2).map(|pair| {
        let left = pair[0].trim_matches([',', ' ']);
        let at = left.find(['=', '!']).unwrap();
        [left[..at].trim().to_owned(), left[at..].trim().to_owned(), pair[1].to_owned()]
    });
    pairs.collect()
}

fn file(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/monitoring/");
    std::fs::read_to_string(format!("{folder}{name}")).unwrap()
}

/// The expressions of the rules: in a line, or in those below that go further in.
fn of_rules() -> Vec<String> {
    let text = file("alerts.yml");
    let mut lines = text.lines().peekable();
    let mut found = Vec::new();
    let indent = |line: &str| line.len() - line.trim_start().len();
    while let Some(line) = lines.next() {
        let Some(expression) = line.trim_start().strip_prefix("expr:") else { continue };
        let mut expression = expression.trim().trim_start_matches('|').to_owned();
        while let Some(more) = lines.next_if(|next| indent(next) > indent(line)) {
            expression.push_str(more);
        }
        found.push(expression);
    }
    found
}

/// Every text under this key.
fn texts(json: &Value, key: &str, found: &mut Vec<String>) {
    match json {
        Value::Object(members) => {
            found.extend(members.get(key).and_then(Value::as_str).map(ToOwned::to_owned));
            members.values().for_each(|inner| texts(inner, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        _ => {}
    }
}

/// What somebody asks for and the server does not say.
fn missing(expression: &str, said: &Said) -> Vec<String> {
    let asked = asked(expression);
    let all: BTreeSet<&str> = said.values().flat_map(BTreeMap::keys).map(String::as_str).collect();
    let grouped = asked.labels.iter().filter(|label| !OF_TARGETS.contains(&label.as_str()));
    let mut missing: Vec<String> =
        grouped.filter(|label| !all.contains(label.as_str())).map(|label| format!("label {label}")).collect();
    for (name, matchers) in &asked.series {
        if OF_PROMETHEUS.contains(&name.as_str()) {
            continue;
        }
        let Some(labels) = said.get(name) else {
            missing.push(format!("name {name}"));
            continue;
        };
        for [label, operator, words] in matchers {
            if OF_TARGETS.contains(&label.as_str()) {
                continue;
            }
            let Some(known) = labels.get(label) else {
                missing.push(format!("label {label} of {name}"));
                continue;
            };
            let is_pattern = operator.ends_with('~');
            let words = words.split(if is_pattern { '|' } else { '\n' });
            let plain = words.filter(|word| !is_pattern || !word.contains(['.', '*', '+']));
            let strange = plain.filter(|word| !known.contains(*word));
            missing.extend(strange.map(|word| format!("{label}={word} of {name}")));
        }
    }
    missing
}

both_stores! {
    async fn everything_that_is_asked_for_is_said(app) with with_metrics; {
        let tokens = app.ana_logged_in().await;
        app.rotate(&tokens).await;
        app.post("/oauth/token", &json!({})).await;
        let at = |path: &str| format!("{}{path}", app.metrics_url.as_deref().unwrap());
        for path in ["/healthz", "/readyz", "/metrics"] {
            app.http.get(at(path)).send().await.unwrap();
        }
        let said = said(&scrape(&app).await);
        let (rules, mut queries, mut lists) = (of_rules(), Vec::new(), Vec::new());
        let dashboard = serde_json::from_str(&file("dashboard.json")).unwrap();
        texts(&dashboard, "expr", &mut queries);
        texts(&dashboard["templating"], "definition", &mut lists);
        assert_eq!((rules.len(), lists.len()), (file("alerts.yml").matches("- alert:").count(), 2));
        assert!(rules.len() >= 15 && queries.len() >= 25, "{} {}", rules.len(), queries.len());
        // The second word of a list is a label.
        let lists = lists.iter().map(|list| list.trim_start_matches("label_values(").rsplit_once(',').unwrap().0.to_owned());
        for expression in rules.into_iter().chain(queries).chain(lists) {
            assert_eq!(missing(&expression, &said), [""; 0], "{expression}");
        }
        let mut legends = Vec::new();
        texts(&dashboard, "legendFormat", &mut legends);
        let all: BTreeSet<&str> = said.values().flat_map(BTreeMap::keys).map(String::as_str).chain(OF_TARGETS).collect();
        for legend in legends {
            let labels = legend.split("{{").skip(1).map(|part| part.split_once("}}").unwrap().0);
            let strange: Vec<_> = labels.filter(|label| !all.contains(label)).collect();
            assert!(strange.is_empty(), "{legend}");
        }
    }
}

#[test]
fn a_name_a_label_and_a_word_that_are_not_said_are_found() {
    let samples = [r#"refreshes_total{outcome="failed",route="/refresh"}"#, "depth"];
    let said = said(&samples.map(|series| (series.to_owned(), 0.0)).into());
    for (expression, wrong) in [
        (
            r#"sum by (outcome, job) (rate(refreshes_total{job="a", outcome=~"failed|f.*"}[5m])) > 0.5 or depth"#,
            &[][..],
        ),
        ("up == 1 unless on (instance) depth", &[]),
        ("sum(rate(refreshs_total[5m]))", &["name refreshs_total"]),
        ("2 * depths", &["name depths"]),
        (r#"refreshes_total{outcom="failed"}"#, &["label outcom of refreshes_total"]),
        (
            r#"refreshes_total{outcome="fails", route!="/login"}"#,
            &["outcome=fails of refreshes_total", "route=/login of refreshes_total"],
        ),
        (r#"refreshes_total{outcome!~"failed|kept"}"#, &["outcome=kept of refreshes_total"]),
        ("sum without (routes) (depth)", &["label routes"]),
    ] {
        assert_eq!(missing(expression, &said), wrong, "{expression}");
    }
}
