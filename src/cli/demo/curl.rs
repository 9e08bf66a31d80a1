//! How the reader does each step with curl: lines to paste into a POSIX shell, bash or zsh, in the story's order.
//!
//! None holds a comment (zsh takes none at its prompt) and none needs `curl --json` (curl before 7.82 has none).

use crate::cli::demo::stage::{APP, HASTY, PASSWORD, Stage, USER};

/// What the other lines use.
pub(super) fn prepare(stage: &Stage) -> String {
    format!(
        r#"H={} S={} J=Content-Type:application/json
pick() {{ sed "s/.*\"$1\":\"\([^\"]*\).*/\1/"; }}"#,
        stage.server, stage.service
    )
}

pub(super) fn log_in() -> String {
    format!(
        r#"T=$({}); echo "$T"
ACCESS=$(echo "$T" | pick access_token) FIRST=$(echo "$T" | pick refresh_token)"#,
        login(APP)
    )
}

pub(super) fn visit() -> String {
    r#"curl -sw '\n' $S/profile -H "Authorization: Bearer $ACCESS""#.to_owned()
}

pub(super) fn refresh() -> String {
    format!(
        r#"refresh() {{ curl -sw '\n' $H/refresh -H $J \
  -d "{{\"refresh_token\":\"$1\",\"client_id\":\"{APP}\"}}"; }}
SECOND=$(refresh $FIRST | pick refresh_token); echo $SECOND"#
    )
}

pub(super) fn lose_a_response() -> String {
    "AGAIN=$(refresh $FIRST | pick refresh_token); echo $AGAIN\n\
     [ $AGAIN = $SECOND ] && echo the very same"
        .to_owned()
}

pub(super) fn expire() -> String {
    format!(
        r#"SHORT=$({} | pick access_token); sleep 3
curl -sw '\n' $S/profile -H "Authorization: Bearer $SHORT""#,
        login(HASTY)
    )
}

pub(super) fn steal() -> String {
    "THIRD=$(refresh $SECOND | pick refresh_token)\n\
     FOURTH=$(refresh $THIRD | pick refresh_token); refresh $SECOND"
        .to_owned()
}

pub(super) fn both_are_out() -> String {
    format!("refresh $FOURTH; sleep 7\n{}", visit())
}

/// What else there is to see.
pub(super) fn more() -> String {
    format!(
        r#"T=$({})
ACCESS=$(echo "$T" | pick access_token) TOKEN=$(echo "$T" | pick refresh_token)
curl -sw '\n' $S/dashboard -H "Authorization: Bearer $ACCESS"
curl -sw '\n' $H/sessions -H "Authorization: Bearer $ACCESS"
curl -sw '%{{http_code}}\n' $H/logout -H $J \
  -d "{{\"refresh_token\":\"$TOKEN\",\"client_id\":\"{APP}\"}}"
curl -sw '\n' $H/.well-known/jwks.json"#,
        login(APP)
    )
}

fn login(client: &str) -> String {
    format!(
        r#"curl -s $H/login -H $J -d '{{"username":"{USER}","client_id":"{client}",
  "password":"{PASSWORD}"}}'"#
    )
}
