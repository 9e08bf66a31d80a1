//! JSON objects of which an operator changes some members.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::service::admin::error::AdminError;

/// RFC 7396: what is given replaces what was, null takes it away. `name` is what an operator calls the object.
pub(super) fn merged<T: Serialize + DeserializeOwned>(
    name: &'static str,
    was: &T,
    changes: Map<String, Value>,
) -> Result<T, AdminError> {
    let merge = || {
        let mut members: Map<String, Value> = serde_json::from_value(json!(was))?;
        members.extend(changes);
        members.retain(|_, value| !value.is_null());
        serde_json::from_value(Value::Object(members))
    };
    merge().map_err(|error| AdminError::Members(name, error))
}
