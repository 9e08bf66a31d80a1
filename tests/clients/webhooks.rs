//! A receiver of webhooks that uses the convention's own library.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use crate::process::Place;
use crate::program::node;

#[test]
fn the_standardwebhooks_library_verifies_what_a_webhook_is_told() {
    let place = Place::sqlite().with("HEIRLOOM_OUTBOUND__ALLOWED_NETWORKS", "127.0.0.0/8").migrated();
    let mut receiver = node("webhook.mjs").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(receiver.stdout.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    let added = place.json(&["webhook", "add", &url, "--json"]);
    let id = added["id"].as_str().unwrap();
    let rotated = place.ok(&["webhook", "rotate-secret", id]);
    let (former, current) = (added["secret"].as_str().unwrap(), rotated.trim());
    writeln!(receiver.stdin.take().unwrap(), "{former}\n{current}").unwrap();
    place.ok(&["webhook", "test", id]);
    assert_eq!(lines.next().unwrap().unwrap(), "done");
    assert!(receiver.wait().unwrap().success());
}
