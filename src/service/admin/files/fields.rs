//! The names of a form's fields, and which of them somebody meant.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// The names that serde knows the fields of a struct by.
pub(super) fn fields_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &[&str] = &[];
    // It gives nothing: only the names are wanted.
    drop(T::deserialize(Looking(&mut fields)));
    fields
}

struct Looking<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Looking<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any_of_it()
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        self.deserialize_any_of_it()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl Looking<'_> {
    #[expect(clippy::unused_self, reason = "it is what a deserializer is asked of")]
    fn deserialize_any_of_it<T>(self) -> Result<T, Error> {
        Err(Error::custom("there is nothing but names"))
    }
}

/// What somebody meant who wrote the name of a field wrongly: the end of the sentence.
pub(super) fn meant(written: &str, fields: &[&str]) -> String {
    let near = |field: &&&str| {
        let distance = strsim::levenshtein(written, field);
        (distance <= (written.len() / 4).clamp(1, 3)).then_some(distance)
    };
    match fields.iter().filter(|field| near(field).is_some()).min_by_key(near) {
        Some(field) => format!("did you mean \"{field}\"?"),
        None => format!("expected one of {}", fields.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_meant() {
        let fields = ["redirect_uris", "scope", "name"];
        assert_eq!(meant("redirect_uri", &fields), "did you mean \"redirect_uris\"?");
        assert_eq!(meant("scopes", &fields), "did you mean \"scope\"?");
        assert_eq!(meant("colour", &fields), "expected one of redirect_uris, scope, name");
    }

    #[test]
    fn serde_tells_the_names_of_a_struct() {
        #[derive(serde::Deserialize)]
        struct Some {
            #[expect(dead_code, reason = "it has a name only")]
            one: u8,
            #[serde(rename = "other")]
            #[expect(dead_code, reason = "it has a name only")]
            two: u8,
        }
        assert_eq!(fields_of::<Some>(), ["one", "other"]);
        assert!(fields_of::<String>().is_empty());
    }
}
