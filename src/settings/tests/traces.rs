//! What is wrong with where traces go, and how many.

use super::{error, load};

#[test]
fn a_collector_has_a_whole_url() {
    let none = load(&[]).traces;
    assert_eq!((none.endpoint, none.one_in.get(), none.trusted_networks.len()), (None, 100, 0));
    for good in ["http://127.0.0.1:4318/v1/traces", "https://collector.example/v1/traces"] {
        let settings = load(&[("HEIRLOOM_TRACES__ENDPOINT", good)]);
        assert_eq!(settings.traces.endpoint.unwrap().as_str(), good);
    }
    for bad in [
        "127.0.0.1:4318",
        "grpc://127.0.0.1:4317",
        "https://a:b@c.example/v1/traces",
        "http://c.example/?key=x",
    ] {
        let told = error(&[("HEIRLOOM_TRACES__ENDPOINT", bad)]);
        let expected =
            "expected a URL such as http://127.0.0.1:4318/v1/traces, without user, query or fragment";
        assert!(told.contains(expected), "{bad}: {told}");
    }
}

#[test]
fn of_no_requests_at_all_nothing_can_be_traced() {
    for bad in ["0", "-1", "0.01", "1%"] {
        let told = error(&[("HEIRLOOM_TRACES__ONE_IN", bad)]);
        assert!(told.contains("\"traces.one_in\"") && told.contains("expected a whole number"), "{told}");
    }
}
