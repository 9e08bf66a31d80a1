//! The decision about an authorization request, by its table.

use chrono::TimeDelta;
use uuid::Uuid;

use super::*;
use crate::domain::ids::{SignInSessionId, UserId};

const USER: UserId = UserId(Uuid::from_u128(1));

fn request(change: impl FnOnce(&mut AuthorizationRequest)) -> AuthorizationRequest {
    let mut request = AuthorizationRequest {
        client_id: "app".parse().unwrap(),
        redirect_uri: "https://app.example/cb".to_owned(),
        scope: "openid profile".parse().unwrap(),
        audiences: Vec::new(),
        nonce: None,
        code_challenge: None,
        key_thumbprint: None,
        prompt: Prompt::default(),
        class: AskedClass::Any,
        max_age: None,
        expected_subject: None,
        claims: ClaimsRequest::default(),
        pushed: None,
    };
    change(&mut request);
    request
}

fn session(auth_time: DateTime<Utc>) -> SignInSession {
    SignInSession {
        id: SignInSessionId(Uuid::nil()),
        authentication: Authentication::by_password(USER, auth_time),
        agent: UserAgentInfo::default(),
        created_at: auth_time,
        last_used_at: auth_time,
        expires_at: auth_time + TimeDelta::days(1),
    }
}

fn agreed(scope: &str) -> Agreement {
    Agreement::Remembered(Consent { scope: scope.parse().unwrap(), audiences: Vec::new() })
}

#[test]
fn each_request_needs_what_the_table_says() {
    let signed_in = DateTime::<Utc>::UNIX_EPOCH;
    let now = signed_in + TimeDelta::seconds(60);
    let age = |seconds| move |it: &mut AuthorizationRequest| it.max_age = Some(Duration::from_secs(seconds));
    let prompt = |text: &'static str| move |it: &mut AuthorizationRequest| it.prompt = text.parse().unwrap();
    let rows: Vec<(AuthorizationRequest, Agreement, Need)> = vec![
        (request(|_| ()), Agreement::Implied, Need::Nothing),
        (request(|_| ()), Agreement::Missing, Need::Consent),
        (request(|_| ()), Agreement::Given, Need::Nothing),
        (request(|_| ()), agreed("email openid profile"), Need::Nothing),
        (request(|_| ()), agreed("openid"), Need::Consent),
        (
            request(|it| it.audiences = vec!["https://a".parse().unwrap()]),
            agreed("openid profile"),
            Need::Consent,
        ),
        (request(prompt("login")), Agreement::Implied, Need::SignIn),
        (request(prompt("select_account")), Agreement::Implied, Need::SignIn),
        (request(prompt("consent")), Agreement::Implied, Need::Consent),
        (request(prompt("consent")), agreed("openid profile"), Need::Consent),
        (request(prompt("consent")), Agreement::Given, Need::Nothing),
        (request(age(60)), Agreement::Implied, Need::Nothing),
        (request(age(59)), Agreement::Implied, Need::SignIn),
        (request(age(0)), Agreement::Implied, Need::SignIn),
        (request(|it| it.expected_subject = Some("ana".to_owned())), Agreement::Implied, Need::Nothing),
        (
            request(|it| it.claims = r#"{"userinfo": {"email": null}}"#.parse().unwrap()),
            agreed("openid profile"),
            Need::Consent,
        ),
        (request(|it| it.expected_subject = Some("ben".to_owned())), Agreement::Implied, Need::SignIn),
    ];
    for (request, agreement, need) in rows {
        let at_ease = (&Demand::NOTHING, &SecondFactors::default());
        assert_eq!(request.need(None, at_ease, &agreement, now), Need::SignIn, "{request:?}");
        let found = request.need(Some((&session(signed_in), "ana")), at_ease, &agreement, now);
        assert_eq!(found, need, "{request:?} {agreement:?}");
    }
}

#[test]
fn a_class_is_asked_for_as_far_as_its_user_can_reach_it() {
    let (wanted, essential) = (AskedClass::Wanted, AskedClass::Essential);
    let two = ContextClass::Two;
    let has_app = SecondFactors { totp: true, ..SecondFactors::default() };
    let none = SecondFactors::default();
    for (class, prompt, factors, need) in [
        (wanted(two), "", has_app, Need::StepUp),
        (wanted(two), "none", has_app, Need::Nothing),
        (wanted(two), "", none, Need::Nothing),
        (essential(two), "", has_app, Need::StepUp),
        (essential(two), "none", has_app, Need::StepUp),
        (essential(two), "", none, Need::Unreachable),
        (essential(ContextClass::One), "", none, Need::Nothing),
    ] {
        let request = request(|it| (it.class, it.prompt) = (class, prompt.parse().unwrap()));
        let demand = request.demand(SecondFactorPolicy::Optional);
        let session = session(DateTime::UNIX_EPOCH);
        let found = request.need(
            Some((&session, "ana")),
            (&demand, &factors),
            &Agreement::Implied,
            DateTime::UNIX_EPOCH,
        );
        assert_eq!(found, need, "{class:?} {prompt:?} {factors:?}");
    }
}

#[test]
fn none_stands_alone() {
    assert!("none".parse::<Prompt>().is_ok());
    assert!("login consent".parse::<Prompt>().is_ok());
    for text in ["none login", "create", "LOGIN"] {
        assert_eq!(text.parse::<Prompt>(), Err(InvalidPrompt), "{text}");
    }
}
