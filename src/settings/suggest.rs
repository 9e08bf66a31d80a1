//! What somebody meant who wrote the name of a setting wrongly.

use super::{origin::SettingOrigin, setting::Setting, table::SETTINGS};

/// The end of the sentence about an unknown setting.
pub(super) fn hint(key: &str, origin: &SettingOrigin) -> String {
    match (nearest(key), origin) {
        (Some(setting), SettingOrigin::EnvFile { .. } | SettingOrigin::Variable(_)) => {
            format!("did you mean \"{}\" ({})?", setting.key, setting.variable())
        }
        (Some(setting), SettingOrigin::File(_) | SettingOrigin::Default) => {
            format!("did you mean \"{}\"?", setting.key)
        }
        (None, _) => format!("expected one of {}", neighbours(key).join(", ")),
    }
}

/// The setting whose key is a few letters away, or whose name stands there without its section.
fn nearest(key: &str) -> Option<&'static Setting> {
    let near = |setting: &&'static Setting| {
        let distance = strsim::levenshtein(key, setting.key);
        (distance <= (key.len() / 4).clamp(1, 3)).then_some(distance)
    };
    let by_letters = SETTINGS.iter().filter(|setting| near(setting).is_some()).min_by_key(near);
    by_letters.or_else(|| SETTINGS.iter().find(|setting| setting.name() == key))
}

/// The settings of the section that was named, else the top ones and the sections.
fn neighbours(key: &str) -> Vec<String> {
    let section = key.split('.').next().unwrap_or_default();
    let within: Vec<String> = SETTINGS
        .iter()
        .filter(|setting| setting.section() == section)
        .map(|setting| setting.key.to_owned())
        .collect();
    if !section.is_empty() && !within.is_empty() {
        return within;
    }
    let mut all: Vec<String> = SETTINGS
        .iter()
        .map(|setting| match setting.section() {
            "" => setting.key.to_owned(),
            section => format!("{section}.*"),
        })
        .collect();
    all.dedup();
    all
}
