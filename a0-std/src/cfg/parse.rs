//! Parsing a configuration, and saying what is wrong with it.

use serde::de::DeserializeOwned;

use crate::cfg::error::CfgError;
use crate::error::Error;
use crate::file::File;

/// Returns the error that says what is wrong with the configuration in `file`.
#[cold]
pub(super) fn failure(file: &File, cause: CfgError) -> Error {
    Error::Cfg { path: file.path().to_owned(), cause }
}

/// Parses JSON, and what AlephZero 0.3 takes for it when it writes numbers with an exponent: `1.e-7`.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(text).or_else(|error| {
        let repaired = if error.is_syntax() { without_odd_points(text) } else { None };
        repaired.and_then(|text| serde_json::from_slice(&text).ok()).ok_or(error)
    })
}

/// The text without the points between a digit and an exponent; `None` if there are none.
fn without_odd_points(text: &[u8]) -> Option<Vec<u8>> {
    let mut repaired = Vec::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for (at, &byte) in text.iter().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
        } else {
            in_string = byte == b'"';
            let odd = byte == b'.'
                && matches!(repaired.last(), Some(b'0'..=b'9'))
                && matches!(text.get(at + 1), Some(b'e' | b'E'));
            if odd {
                continue;
            }
        }
        repaired.push(byte);
    }
    (repaired.len() < text.len()).then_some(repaired)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn numbers_as_0_3_writes_them() {
        let odd = br#"{"a":1.e-7,"b":[-2.e300,1.e+21,5.E3],"c":3,"s":"1.e-7 \\\" 1.e-7","t":"\\","d":1.e1}"#;
        let same = json!({"a":1e-7,"b":[-2e300,1e21,5e3],"c":3,"s":"1.e-7 \\\" 1.e-7","t":"\\","d":1e1});
        assert_eq!(parse::<Value>(odd).unwrap(), same);
    }

    #[test]
    fn all_else_is_json() {
        for bad in ["1.", "1.e", ".e1", "-.e1", "1.x", "[1.e1", "[1.e1,]", "1..e1", "\"1.e1"] {
            let error = parse::<Value>(bad.as_bytes()).unwrap_err();
            let first = serde_json::from_str::<Value>(bad).unwrap_err();
            assert_eq!(error.to_string(), first.to_string(), "{bad}");
        }
    }
}
