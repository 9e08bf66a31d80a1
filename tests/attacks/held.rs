//! Attacks that tests elsewhere hold, at more length than a row has room for: each is there, by its name.

use std::path::Path;

/// What it is, who describes it, the file and the test that hold it.
#[rustfmt::skip]
const HELD: &[(&str, &str, &str, &str)] = &[
    // Refresh and codes
    ("every order of an owner's and a thief's refreshes, with lost messages", "RFC 9700 §4.14.2", "tests/model/controls.rs", "reuse_that_only_refuses_ends_nothing"),
    ("a restored database, and tokens that are ahead of it", "RFC 9700 §4.14", "tests/api/recovery.rs", "an_operator_says_that_there_was_no_restore_and_the_token_is_refused"),
    ("a restored database brings back what was revoked", "RFC 7009 §2.1", "tests/api/recovery_apply.rs", "a_login_ends_again_for_the_reason_that_it_had"),
    ("a second replica serves what the first has spent", "RFC 9700 §4.14.2", "tests/api/policies.rs", "two_replicas_and_a_crowd_agree"),
    ("one token in a hundred requests, within the leeway", "CWE-799", "tests/api/replays.rs", "a_hundred_replays_are_served_and_no_more"),
    ("a body held back until a token is good again", "CWE-367", "tests/api/arrival.rs", "a_spent_token_is_judged_when_its_request_is_whole"),
    ("a code that was stolen with nothing else", "RFC 6749 §4.1.2", "tests/api/code.rs", "whoever_has_only_the_code_spends_nothing_and_ends_nothing"),
    ("a stolen database: codes, cookies, keys in the open", "ASVS 11.3, 13.3", "tests/api/code.rs", "no_code_and_no_cookie_is_in_the_database"),
    ("a stolen database: private keys", "ASVS 13.3.1", "tests/api/keys.rs", "the_database_never_holds_a_private_key_in_the_open"),
    // Requests for authorization
    ("each wrong authorization request, by its section", "RFC 6749 §4.1.2.1", "tests/api/authorize_refused.rs", "every_request_that_is_wrong_is_refused_to_the_client"),
    ("a pushed request, changed on the way", "RFC 9126 §7", "tests/api/par.rs", "what_was_pushed_cannot_be_changed_on_the_way"),
    ("a pushed request of another browser, another client, twice", "RFC 9126 §7", "tests/api/par.rs", "every_browser_that_comes_with_a_wrong_request_uri_is_refused"),
    ("each wrong request object", "RFC 9101 §10", "tests/api/request_objects.rs", "every_request_object_that_is_wrong_is_refused"),
    ("parameters beside a signed request", "RFC 9101 §6.3", "tests/api/request_objects.rs", "a_signed_request_is_honoured_and_what_stands_beside_it_is_not"),
    ("a device's page: codes guessed, forms of elsewhere", "RFC 8628 §5.1, §5.4", "tests/api/device_refused.rs", "wrong_codes_are_limited"),
    ("names and texts of strangers as markup", "CWE-79", "tests/api/pages.rs", "what_others_wrote_is_shown_as_text"),
    ("a stranger's place behind a refusal", "RFC 9700 §4.11.2", "tests/api/strangers.rs", "a_request_that_fails_leads_to_a_strangers_place_by_a_link_only"),
    // Login
    ("who has an account, statement by statement", "ASVS 6.3.8, CWE-208", "tests/api/counted.rs", "whoever_asks_for_a_mail_has_the_same_done_as_anybody"),
    ("guesses at one replica after another", "CWE-307", "tests/api/shared_limits.rs", "wrong_passwords_at_several_servers_are_added_up"),
    ("guesses before and after a restart", "CWE-307", "tests/api/shared_limits.rs", "a_restart_forgives_nobody"),
    ("guesses from a network of many addresses", "CWE-307", "tests/api/attempts.rs", "a_network_of_many_addresses_does_not_lock_the_owner_out"),
    ("guesses at the password of whoever is signed in", "CWE-307", "tests/api/attempts.rs", "the_present_password_cannot_be_guessed_at_the_account_page"),
    ("a full queue tells known from unknown", "CWE-204", "tests/api/login.rs", "an_unknown_user_takes_a_place_in_the_queue_like_a_known_one"),
    // Second factors and passkeys
    ("one code shown by many at once", "ASVS 6.5.1, CWE-367", "tests/api/second_factors.rs", "of_many_who_show_one_code_at_once_one_is_let_in"),
    ("a code of before, of later", "RFC 6238 §5.2", "tests/api/second_factors.rs", "a_code_is_taken_once_and_a_step_away_at_most"),
    ("guesses at codes", "ASVS 6.6.3", "tests/api/second_factors.rs", "wrong_codes_count_as_wrong_passwords_do"),
    ("second factors taken away by a sign-in of before", "ASVS 7.5.1", "tests/api/second_factors.rs", "only_who_was_let_in_a_moment_ago_by_all_factors_changes_them"),
    ("a passkey's answer for another site, challenge, user", "WebAuthn §7.2", "tests/api/passkey_sign_in.rs", "an_answer_that_opens_nothing_says_why"),
    ("a challenge answered twice, in another browser, late", "WebAuthn §13.4.3", "tests/api/passkey_sign_in.rs", "a_challenge_of_the_sign_in_page_is_good_once_in_its_browser_for_ten_minutes"),
    ("a copied passkey", "WebAuthn §6.1.1", "tests/api/passkey_sign_in.rs", "a_copy_of_a_passkey_is_an_alarm_and_opens_nothing"),
    ("a new passkey that is none", "WebAuthn §7.1", "tests/api/passkeys.rs", "what_is_no_new_passkey_of_this_site_is_refused_with_a_reason"),
    // Mail
    ("a mailed link for another deed", "ASVS 6.6.2", "tests/api/forgotten.rs", "a_link_is_good_for_what_it_was_mailed_for_alone"),
    ("an account called like another's address", "CWE-290", "tests/api/forgotten.rs", "nobody_who_is_called_like_an_address_gets_in_the_way_of_its_owner"),
    ("mail of the server's, read in the database", "CWE-312", "tests/api/mail.rs", "a_mail_that_waits_tells_nothing_to_who_reads_the_database"),
    // Tokens and keys
    ("another kind of token under the server's own key", "RFC 8725 §3.11", "tests/api/keys.rs", "another_kind_of_jwt_under_our_key_is_no_access_token"),
    ("a key that leaked", "ASVS 11.1.1", "tests/api/keys.rs", "leaked_signing_keys_are_withdrawn_at_once"),
    ("a master key that leaked", "ASVS 11.1.1", "tests/api/keys.rs", "a_dropped_master_key_opens_no_token"),
    ("a status list that is old, of another, bent", "Token Status List §11", "verifier/tests/status_documents.rs", "each_bad_document_has_its_error_and_opens_nothing"),
    ("each wrong proof of a key, wherever it may stand", "RFC 9449 §4.3", "tests/api/dpop_refused.rs", "every_bad_proof_at_a_grant_of_a_public_client_is_refused_and_consumes_nothing"),
    ("each wrong proof at a service", "RFC 9449 §4.3", "verifier/tests/dpop_proofs.rs", "a_proof_that_breaks_a_rule_is_refused_by_its_name"),
    ("a certificate in a header that no proxy wrote", "RFC 9440 §4", "tests/api/mtls_refused.rs", "what_a_stranger_says_of_a_certificate_is_not_even_read"),
    ("a certificate without its key", "RFC 8705 §2", "tests/api/mtls_listener_refused.rs", "whoever_has_a_certificate_and_not_its_key_does_not_get_in"),
    ("another client's certificate", "RFC 8705 §2", "tests/api/mtls_refused.rs", "one_clients_certificate_is_no_other_clients"),
    // Clients and what is fetched
    ("an assertion that comes again at another replica", "RFC 7523 §3 (7)", "tests/api/client_assertion.rs", "no_replica_takes_an_assertion_again"),
    ("private addresses by every spelling, straight at what fetches", "CWE-918", "tests/api/outbound.rs", "nothing_private_is_reached_unless_its_network_is_allowed"),
    ("redirects to private addresses, documents without end", "CWE-918, CWE-409", "tests/api/outbound.rs", "what_is_no_document_is_refused"),
    ("a fetch that never ends", "CWE-400", "tests/api/outbound.rs", "who_answers_too_slowly_is_left"),
    ("a name that resolves to a public address, then to a private one", "CWE-918, CWE-350", "src/outbound/checked_names.rs", "a_name_leads_to_those_of_its_addresses_alone_that_may_be_reached"),
    ("a document that nobody trusted vouches for", "Client ID Metadata Document §6", "tests/api/documents_trusted.rs", "a_document_that_nobody_trusted_vouches_for_lets_nobody_in"),
    ("strangers push what operators' clients need out of memory", "CWE-400", "tests/api/outbound.rs", "strangers_push_nothing_of_operators_out_of_memory"),
    ("an exchange that gives more than was held", "RFC 8693 §2.2.2", "tests/api/exchange.rs", "every_exchange_that_would_give_too_much_is_refused"),
    // Providers
    ("an ID token that the provider did not sign", "OpenID Connect Core §3.1.3.7", "tests/api/elsewhere_refused.rs", "an_id_token_that_the_provider_did_not_sign_lets_nobody_in"),
    ("an ID token for another client, of another time, with another nonce", "OpenID Connect Core §3.1.3.7", "tests/api/elsewhere_refused.rs", "an_id_token_that_is_not_what_it_must_be_lets_nobody_in"),
    ("an answer of another provider (mix-up)", "RFC 9207 §2.4", "tests/api/elsewhere_refused.rs", "an_answer_of_another_issuer_is_not_looked_at"),
    ("a way back in another browser, twice, late", "RFC 9700 §4.7", "tests/api/elsewhere_refused.rs", "a_way_back_is_good_once_in_its_browser_and_for_a_while"),
    ("an account taken over by an address that a provider asserts", "ASVS 6.8.1", "tests/api/elsewhere.rs", "an_account_with_the_same_address_is_linked_by_its_owner_alone"),
    ("a provider's logout token: bent, again, of another", "ASVS 10.5.5", "tests/api/elsewhere_account.rs", "a_logout_there_ends_what_it_opened_here"),
    // Operators
    ("each act of the console, by looking, by forms of elsewhere", "CWE-352", "tests/api/console_refused.rs", "nothing_is_done_by_looking_or_without_the_forms_own_token"),
    ("the console with one factor of two", "ASVS 6.3.3", "tests/api/console_refused.rs", "who_has_a_second_factor_has_shown_it"),
    ("an act that is sent twice", "CWE-799", "tests/api/idempotency.rs", "of_twenty_at_once_one_makes_it"),
    ("lines of an import that are none", "CWE-20", "tests/api/user_imports.rs", "each_bad_line_is_told_by_its_number"),
    ("hashes that would take minutes", "CWE-400", "src/crypto/hash_forms/tests.rs", "what_is_too_cheap_or_too_dear_is_refused_with_the_bound"),
    ("a webhook's secret and signature", "CWE-345", "tests/api/webhooks.rs", "an_event_is_told_and_signed_by_the_convention"),
    ("a webhook by a name that leads to a private address", "CWE-918", "tests/api/webhooks.rs", "nothing_private_is_told"),
    ("an audit log that somebody mended", "ASVS 16.4.2", "tests/api/event_chain.rs", "who_has_the_database_alone_cannot_mend_the_chain"),
    // Transport
    ("connections of one address", "CWE-400", "tests/api/connections.rs", "an_address_holds_a_quarter_of_the_connections_and_no_more"),
    ("weak ciphers", "ASVS 12.1.2", "tests/api/tls.rs", "only_recommended_cipher_suites_are_spoken"),
    ("sixty-five parameters", "CWE-400", "tests/api/parameters.rs", "nothing_reads_on_past_64_parameters"),
    ("texts that no row can hold", "CWE-158", "tests/api/unstorable.rs", "a_form_holds_no_text_that_no_row_can_hold"),
];

#[test]
fn each_of_them_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let missing: Vec<String> = HELD
        .iter()
        .filter(|(_, _, file, test)| {
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            !text.contains(&format!("fn {test}("))
        })
        .map(|(name, _, file, test)| format!("{name}: {file} has no test {test}"))
        .collect();
    println!("held elsewhere: {} attacks, {} of them by tests that are not there", HELD.len(), missing.len());
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
