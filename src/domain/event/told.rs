//! Events read back, in each of the forms that they are told in: a line of an export, a line of the log as JSON, the
//! body of a webhook's message.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::event::EVENT_FORM;

/// An event that a line tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldEvent {
    pub name: String,
    /// Of its row; the log does not tell it.
    pub id: Option<Uuid>,
    /// To the millisecond, where the line tells its id.
    pub at: DateTime<Utc>,
    fields: Map<String, Value>,
}

/// What a line holds.
#[derive(Debug, Clone, PartialEq)]
pub enum EventLine {
    Event(ToldEvent),
    /// An event in a form of later releases.
    OfLaterForm,
    /// A line of the log that is no event.
    OfTheLog,
}

/// Why a line cannot be read. It holds nothing of what the line says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitEventLine {
    #[error("it is longer than {LONGEST_EVENT_LINE} bytes")]
    TooLong,
    #[error("it is not a JSON object")]
    NotAnObject,
    #[error("it tells of no event: a line of an export has v, id, at and event")]
    NoEvent,
    #[error("{0} is missing, or is not what it should be")]
    Member(&'static str),
}

/// Longer than any event, with all that a browser says of itself.
pub const LONGEST_EVENT_LINE: usize = 64 * 1024;

impl FromStr for EventLine {
    type Err = UnfitEventLine;

    fn from_str(text: &str) -> Result<Self, UnfitEventLine> {
        let read: Result<Value, _> = serde_json::from_str(text);
        let Ok(Value::Object(mut line)) = read else { return Err(UnfitEventLine::NotAnObject) };
        if line.contains_key("target") {
            return of_log(line);
        }
        if let Some(Value::Object(data)) = line.remove("data") {
            return of_webhook(&line, data);
        }
        of_export(line)
    }
}

fn of_export(line: Map<String, Value>) -> Result<EventLine, UnfitEventLine> {
    if !line.contains_key("event") {
        return Err(UnfitEventLine::NoEvent);
    }
    match line.get("v").and_then(Value::as_u64) {
        Some(v) if v == u64::from(EVENT_FORM) => {}
        Some(v) if v > u64::from(EVENT_FORM) => return Ok(EventLine::OfLaterForm),
        Some(_) | None => return Err(UnfitEventLine::Member("v")),
    }
    let (name, (id, at)) = (name(&line, "event")?, id_with_time(&line)?);
    Ok(EventLine::Event(ToldEvent { name, id: Some(id), at, fields: line }))
}

fn of_webhook(line: &Map<String, Value>, data: Map<String, Value>) -> Result<EventLine, UnfitEventLine> {
    let (name, (id, at)) = (name(line, "type")?, id_with_time(&data)?);
    Ok(EventLine::Event(ToldEvent { name, id: Some(id), at, fields: data }))
}

fn of_log(line: Map<String, Value>) -> Result<EventLine, UnfitEventLine> {
    if line.get("target").and_then(Value::as_str) != Some("audit") {
        return Ok(EventLine::OfTheLog);
    }
    let at = line.get("timestamp").and_then(Value::as_str);
    let at = at.and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    let at = at.ok_or(UnfitEventLine::Member("timestamp"))?.to_utc();
    Ok(EventLine::Event(ToldEvent { name: name(&line, "event")?, id: None, at, fields: line }))
}

fn name(line: &Map<String, Value>, member: &'static str) -> Result<String, UnfitEventLine> {
    let name = line.get(member).and_then(Value::as_str);
    name.map(ToOwned::to_owned).ok_or(UnfitEventLine::Member(member))
}

/// An id of version 7, and the time that it begins with (RFC 9562 §5.7): `at` has whole seconds.
fn id_with_time(line: &Map<String, Value>) -> Result<(Uuid, DateTime<Utc>), UnfitEventLine> {
    let id: Option<Uuid> = line.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.and_then(|id| Some((id, time_of(&id)?))).ok_or(UnfitEventLine::Member("id"))
}

fn time_of(id: &Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = id.get_timestamp().filter(|_| id.get_version_num() == 7)?.to_unix();
    DateTime::from_timestamp(seconds.try_into().ok()?, nanos)
}

impl ToldEvent {
    /// A word, or any other text.
    pub fn text(&self, member: &'static str) -> Result<&str, UnfitEventLine> {
        self.fields.get(member).and_then(Value::as_str).ok_or(UnfitEventLine::Member(member))
    }

    /// An id of whatever kind.
    pub fn id<T: FromStr>(&self, member: &'static str) -> Result<T, UnfitEventLine> {
        self.text(member)?.parse().map_err(|_| UnfitEventLine::Member(member))
    }

    /// The same where the event may do without.
    pub fn optional_id<T: FromStr>(&self, member: &'static str) -> Result<Option<T>, UnfitEventLine> {
        if self.fields.contains_key(member) { self.id(member).map(Some) } else { Ok(None) }
    }

    /// Its name, with what changed if it tells of that.
    #[must_use]
    pub fn label(&self) -> String {
        match self.text("change") {
            Ok(change) => format!("{} ({change})", self.name),
            Err(_) => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn read(text: &str) -> Result<EventLine, UnfitEventLine> {
        text.parse()
    }

    #[test]
    fn an_event_is_read_in_each_of_its_forms() {
        let line = format!(
            r#"{{"v":1,"id":"{ID}","at":"2023-06-29T16:02:27Z","event":"family.ended","family":"x"}}"#
        );
        let message = format!(
            r#"{{"type":"family.ended","timestamp":"2023-06-29T16:02:27.1Z","data":{{"id":"{ID}","family":"x"}}}}"#
        );
        let logged = r#"{"timestamp":"2023-06-30T03:34:18.518Z","level":"INFO","event":"family.ended","family":"x","target":"audit"}"#;
        for text in [&line, &message, logged] {
            let Ok(EventLine::Event(told)) = read(text) else { panic!("{text}") };
            assert_eq!((told.name.as_str(), told.text("family")), ("family.ended", Ok("x")));
            assert_eq!(told.at.timestamp_millis(), 1_688_096_058_518, "{text}");
        }
        let other = r#"{"timestamp":"2023-06-29T16:02:27.350Z","message":"tidied up","target":"heirloom"}"#;
        assert_eq!(read(other), Ok(EventLine::OfTheLog));
        assert_eq!(read(&line.replace(":1,", ":2,")), Ok(EventLine::OfLaterForm));
    }

    #[test]
    fn what_is_no_event_says_why() {
        let unfit = |member| Err(UnfitEventLine::Member(member));
        for (text, expected) in [
            ("", Err(UnfitEventLine::NotAnObject)),
            ("[]", Err(UnfitEventLine::NotAnObject)),
            (r#"{"v":1"#, Err(UnfitEventLine::NotAnObject)),
            ("{}", Err(UnfitEventLine::NoEvent)),
            (r#"{"event":"family.ended"}"#, unfit("v")),
            (r#"{"v":0,"event":"family.ended"}"#, unfit("v")),
            (r#"{"v":"1","event":"family.ended"}"#, unfit("v")),
            (r#"{"v":1,"event":"family.ended"}"#, unfit("id")),
            (r#"{"v":1,"event":7,"id":"x"}"#, unfit("event")),
            (r#"{"v":1,"event":"family.ended","id":"f47ac10b-58cc-4372-a567-0e02b2c3d479"}"#, unfit("id")),
            (r#"{"data":{}}"#, unfit("type")),
            (r#"{"target":"audit","event":"family.ended"}"#, unfit("timestamp")),
            (r#"{"target":"audit","timestamp":"2023-06-29T16:02:27Z"}"#, unfit("event")),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
