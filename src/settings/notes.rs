//! What an operator should know of settings that are good otherwise.

use super::values::Settings;

/// NIST SP 800-63B-4 §3.1.1.2, for passwords that are the only factor.
const ONLY_FACTOR: u32 = 15;

impl Settings {
    /// A sentence for each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let least = self.passwords.min_length;
        let short = (least < ONLY_FACTOR).then(|| {
            format!(
                "passwords.min_length is {least}; NIST SP 800-63B-4 asks for {ONLY_FACTOR} characters while the password is \
                 the only factor"
            )
        });
        short.into_iter().collect()
    }
}
