//! What is in force, and where it came from: for people as TOML with comments, for programs as JSON.

use serde_json::{Map, Value, json};

use super::{
    origin::SettingOrigin,
    setting::{Default, Setting},
    table::SETTINGS,
    values::Settings,
};

impl Settings {
    /// Every setting with its value and, in a comment, its origin. Secrets are masked; what is not set is a
    /// comment as a whole. Without a secret among them it can be used as `heirloom.toml`.
    #[must_use]
    pub fn to_toml_string(&self) -> String {
        let values = self.values();
        let left: Vec<String> = values.iter().map(|(setting, value)| assignment(setting, value)).collect();
        let width = left.iter().map(|text| text.chars().count()).max().unwrap_or_default();
        let mut lines = Vec::new();
        let mut section = "";
        for ((setting, value), left) in values.iter().zip(&left) {
            if setting.section() != section {
                section = setting.section();
                lines.push(format!("\n[{section}]"));
            }
            lines.push(format!("{left:width$}  # {}", self.comment(setting, value)));
        }
        lines.join("\n") + "\n"
    }

    /// The same as an object: each key's `value` (null if not set) and `from`. Secrets are masked.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let entry = |(setting, value): (&Setting, Value)| {
            let from = self.origins.of(setting.key).to_string();
            (setting.key.to_owned(), json!({ "value": value, "from": from }))
        };
        self.values().into_iter().map(entry).collect::<Map<String, Value>>().into()
    }

    fn values(&self) -> Vec<(&'static Setting, Value)> {
        let all = serde_json::to_value(self).unwrap_or_default();
        let value = |setting: &Setting| all.pointer(&format!("/{}", setting.key.replace('.', "/"))).cloned();
        SETTINGS.iter().map(|setting| (setting, value(setting).unwrap_or_default())).collect()
    }

    fn comment(&self, setting: &Setting, value: &Value) -> String {
        match (setting.default, self.origins.of(setting.key)) {
            (Default::Unset(instead), _) if value.is_null() => format!("not set: {instead}"),
            (_, SettingOrigin::Default) => "default".to_owned(),
            (_, origin) => format!("from {origin}"),
        }
    }
}

fn assignment(setting: &Setting, value: &Value) -> String {
    match value {
        Value::Null => format!("# {} =", setting.name()),
        // Texts, numbers and lists are written alike in JSON and TOML.
        value => format!("{} = {value}", setting.name()),
    }
}
