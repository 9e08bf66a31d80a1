//! An error in one line.

use std::error::Error;

/// An error with its causes, the nearest first. What an error says of its cause by itself is not said again: those of
/// the database's driver all do.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("the server is unavailable")]
        Plain(#[source] Arc<Failed>),
        #[error("while migrating: {0}")]
        Telling(#[source] Box<Failed>),
        #[error("error communicating with it: {0}")]
        Io(#[source] io::Error),
    }

    #[test]
    fn a_cause_is_told_once() {
        let io = || Failed::Io(io::Error::other("nobody is there"));
        assert_eq!(with_causes(&io()), "error communicating with it: nobody is there");
        let deep = Failed::Plain(Failed::Telling(io().into()).into());
        let told = "the server is unavailable: while migrating: error communicating with it: nobody is there";
        assert_eq!(with_causes(&deep), told);
    }
}
