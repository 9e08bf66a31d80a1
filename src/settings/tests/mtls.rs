//! What is wrong with the settings of the listener for clients' certificates.

use super::{error, load};

#[test]
fn a_listener_for_certificates_needs_an_address_and_a_url_of_its_own() {
    for (variables, message) in [
        (
            &[("HEIRLOOM_MTLS__LISTEN", "127.0.0.1:8080")][..],
            r#""mtls.listen" is "127.0.0.1:8080" (from the variable HEIRLOOM_MTLS__LISTEN): expected another address than "listen", which is "127.0.0.1:8080" (from the default)"#,
        ),
        (
            &[("HEIRLOOM_MTLS__LISTEN", "0.0.0.0:8443"), ("HEIRLOOM_ISSUER", "https://id.test")],
            r#""mtls.url" is "" (from the default): expected an https URL that leads to "mtls.listen", which is "0.0.0.0:8443" (from the variable HEIRLOOM_MTLS__LISTEN)"#,
        ),
        (
            &[
                ("HEIRLOOM_MTLS__LISTEN", "0.0.0.0:8443"),
                ("HEIRLOOM_MTLS__URL", "https://id.test"),
                ("HEIRLOOM_ISSUER", "https://id.test"),
            ],
            r#""mtls.url" is "https://id.test" (from the variable HEIRLOOM_MTLS__URL): expected another URL than "issuer", which is "https://id.test" (from the variable HEIRLOOM_ISSUER)"#,
        ),
        (
            &[("HEIRLOOM_MTLS__URL", "https://mtls.id.test")],
            r#""mtls.url" is "https://mtls.id.test" (from the variable HEIRLOOM_MTLS__URL): expected nothing without "mtls.listen", which is "" (from the default)"#,
        ),
        (
            &[("HEIRLOOM_MTLS__CERTIFICATE", "/c.pem")],
            r#""mtls.certificate" is "/c.pem" (from the variable HEIRLOOM_MTLS__CERTIFICATE): expected nothing without "mtls.listen", which is "" (from the default)"#,
        ),
        (
            &[("HEIRLOOM_MTLS__KEY", "/k.pem")],
            r#""mtls.key" is "/k.pem" (from the variable HEIRLOOM_MTLS__KEY): expected nothing without "mtls.listen", which is "" (from the default)"#,
        ),
        (
            &[("HEIRLOOM_MTLS__LISTEN", "8443")],
            r#""mtls.listen" is "8443" (from the variable HEIRLOOM_MTLS__LISTEN): expected an address with a port such as 127.0.0.1:8080, [::]:8080 or localhost:8080"#,
        ),
    ] {
        assert_eq!(error(variables), message);
    }
}

#[test]
fn the_url_of_certificates_is_an_https_one() {
    for url in
        ["http://id.test", "id.test", "https://", "https://id.test/", "https://ID.test", "HTTPS://id.test"]
    {
        let told = error(&[("HEIRLOOM_MTLS__LISTEN", "0.0.0.0:8443"), ("HEIRLOOM_MTLS__URL", url)]);
        let expected = format!(
            "\"mtls.url\" is {url:?} (from the variable HEIRLOOM_MTLS__URL): expected an https URL such as \
             https://mtls.example.com, in lower case and without query, fragment, user or slash at the end"
        );
        assert_eq!(told, expected);
    }
}

#[test]
fn the_url_of_certificates_is_made_of_the_address_where_that_of_the_issuer_is() {
    let url = |listen: &str, given: Option<&str>| {
        let given = given.map(|given| ("HEIRLOOM_MTLS__URL", given));
        let all: Vec<_> = [("HEIRLOOM_MTLS__LISTEN", listen)].into_iter().chain(given).collect();
        let settings = load(&all);
        settings
            .mtls_url_at(settings.mtls.listen.as_ref().unwrap(), "192.0.2.7:9443".parse().unwrap())
            .to_string()
    };
    assert_eq!(url("localhost:0", None), "https://localhost:9443");
    assert_eq!(url("0.0.0.0:9443", None), "https://127.0.0.1:9443");
    assert_eq!(url("[::]:9443", None), "https://[::1]:9443");
    assert_eq!(url("0.0.0.0:9443", Some("https://mtls.id.test/a")), "https://mtls.id.test/a");
    let both = [("HEIRLOOM_MTLS__LISTEN", "127.0.0.1:0"), ("HEIRLOOM_LISTEN", "127.0.0.1:0")];
    assert!(load(&both).mtls.listen.is_some(), "each takes a port of its own");
}
