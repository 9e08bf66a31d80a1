//! What is wrong with the address of the metrics.

use super::{error, load};

#[test]
fn the_metrics_have_an_address_of_their_own() {
    let metrics = ("HEIRLOOM_METRICS__LISTEN", "127.0.0.1:9464");
    let is =
        r#""metrics.listen" is "127.0.0.1:9464" (from the variable HEIRLOOM_METRICS__LISTEN): expected "#;
    for (key, variable) in [
        ("listen", "HEIRLOOM_LISTEN"),
        ("admin.listen", "HEIRLOOM_ADMIN__LISTEN"),
        ("mtls.listen", "HEIRLOOM_MTLS__LISTEN"),
    ] {
        let told = error(&[metrics, (variable, "127.0.0.1:9464")]);
        let expected = format!(
            r#"{is}another address than "{key}", which is "127.0.0.1:9464" (from the variable {variable})"#
        );
        assert!(told.contains(&expected), "{told}");
    }
    let told = error(&[("HEIRLOOM_METRICS__LISTEN", "9464")]);
    assert!(told.contains("expected an address with a port such as 127.0.0.1:8080"), "{told}");
    let any = ["HEIRLOOM_METRICS__LISTEN", "HEIRLOOM_LISTEN", "HEIRLOOM_ADMIN__LISTEN"];
    let any = load(&any.map(|variable| (variable, "127.0.0.1:0")));
    assert!(any.metrics.listen.is_some(), "each takes a port of its own");
    assert!(load(&[]).metrics.listen.is_none(), "there is none unless it is asked for");
}
