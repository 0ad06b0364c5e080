//! Taking JSON apart, with errors that say where in it something is wrong and what would be right.

use serde_json::{Map, Value};

/// What is wrong: `rules[0].topic: …`.
pub(crate) type Checked<T> = Result<T, String>;

/// A value and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    value: &'a Value,
    at: String,
}

/// An object all of whose members have known names.
#[derive(Clone, Debug)]
pub(crate) struct Object<'a> {
    members: &'a Map<String, Value>,
    at: String,
}

impl<'a> Place<'a> {
    pub(crate) fn root(value: &'a Value) -> Place<'a> {
        Place { value, at: String::new() }
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    pub(crate) fn wrong<T>(&self, what: impl AsRef<str>) -> Checked<T> {
        match self.at.as_str() {
            "" => Err(what.as_ref().to_owned()),
            at => Err(format!("{at}: {}", what.as_ref())),
        }
    }

    fn not<T>(&self, wanted: &str) -> Checked<T> {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.wrong(format!("it is {found}, but must be {wanted}"))
    }

    pub(crate) fn object(&self, known: &[&str]) -> Checked<Object<'a>> {
        let Value::Object(members) = self.value else { return self.not("an object") };
        let object = Object { members, at: self.at.clone() };
        match members.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(format!("{}: unknown; {}", object.path(key), suggestion(key, known))),
            None => Ok(object),
        }
    }

    pub(crate) fn items(&self) -> Checked<Vec<Place<'a>>> {
        let Value::Array(items) = self.value else { return self.not("an array") };
        let place = |(number, value)| Place { value, at: format!("{}[{number}]", self.at) };
        Ok(items.iter().enumerate().map(place).collect())
    }

    pub(crate) fn text(&self) -> Checked<&'a str> {
        self.value.as_str().map_or_else(|| self.not("a string"), Ok)
    }

    /// One of these names.
    pub(crate) fn one_of(&self, known: &[&'static str]) -> Checked<&'static str> {
        let text = self.text()?;
        let found = known.iter().find(|name| **name == text);
        found.copied().map_or_else(|| self.wrong(format!("{text} is unknown; {}", suggestion(text, known))), Ok)
    }

    pub(crate) fn truth(&self) -> Checked<bool> {
        self.value.as_bool().map_or_else(|| self.not("true or false"), Ok)
    }

    pub(crate) fn count(&self) -> Checked<u64> {
        match self.value {
            Value::Number(number) => {
                let wrong = || self.wrong(format!("{number} is no number of messages, such as 5"));
                number.as_u64().map_or_else(wrong, Ok)
            }
            _ => self.not("a number of messages, such as 5"),
        }
    }

    pub(crate) fn number(&self) -> Checked<f64> {
        self.value.as_f64().map_or_else(|| self.not("a number"), Ok)
    }

    /// A number and a unit, as a number of what one of the smallest unit is.
    pub(crate) fn quantity(&self, units: &[(&str, f64)], example: &str) -> Checked<f64> {
        let text = self.text()?;
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = units.iter().find(|(unit, _)| *unit == &text[digits.len()..]);
        match (digits.trim().parse::<f64>(), unit) {
            (Ok(number), Some((_, factor))) if number >= 0.0 && number.is_finite() => Ok(number * factor),
            _ => {
                let units: Vec<_> = units.iter().map(|(unit, _)| *unit).collect();
                self.wrong(format!("'{text}' is not a number with a unit ({}), such as {example}", units.join(", ")))
            }
        }
    }
}

impl<'a> Object<'a> {
    fn path(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }

    pub(crate) fn member(&self, key: &str) -> Option<Place<'a>> {
        Some(Place { value: self.members.get(key)?, at: self.path(key) })
    }

    pub(crate) fn required(&self, key: &str, example: &str) -> Checked<Place<'a>> {
        self.member(key).ok_or_else(|| format!("{}: missing; add it, such as \"{key}\": {example}", self.path(key)))
    }

    pub(crate) fn wrong<T>(&self, what: impl AsRef<str>) -> Checked<T> {
        match self.at.as_str() {
            "" => Err(what.as_ref().to_owned()),
            at => Err(format!("{at}: {}", what.as_ref())),
        }
    }
}

/// What somebody may have meant.
fn suggestion(word: &str, known: &[&str]) -> String {
    let likeness = |name: &&str| (strsim::jaro_winkler(word, name) * 1e6) as u64;
    match known.iter().copied().max_by_key(likeness) {
        Some(nearest) if likeness(&nearest) > 750_000 => format!("do you mean {nearest}?"),
        Some(_) => format!("known here: {}", known.join(", ")),
        None => "nothing is known here; remove it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions() {
        let known = ["save_prev", "save_next"];
        assert_eq!(suggestion("save_pev", &known), "do you mean save_prev?");
        assert_eq!(suggestion("nxet_save", &["save_next"]), "known here: save_next");
        assert_eq!(suggestion("zzz", &known), "known here: save_prev, save_next");
        assert_eq!(suggestion("x", &[]), "nothing is known here; remove it");
    }

    #[test]
    fn quantities() {
        let units = [("ms", 1.0), ("s", 1000.0)];
        let parsed = |text: &str| Place::root(&Value::from(text)).quantity(&units, "2.5s").ok();
        assert_eq!([parsed("2.5s"), parsed("300ms"), parsed("1 s")], [Some(2500.0), Some(300.0), Some(1000.0)]);
        for bad in ["", "s", "5", "-1s", "1m", "1s2", "NaNs", "infs", "1e999s"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
