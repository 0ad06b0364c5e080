//! JSON merge patches (RFC 7396).
//!
//! By hand because of the order of members, which is that of AlephZero 0.3: those of the patch first. The libraries
//! that there are shuffle the others when one is removed. What they agree on is tested against one of them.

use serde_json::{Map, Value};

use crate::cfg::CfgError;
use crate::cfg::parse::parse;

/// What a patch makes of a configuration, both as text.
pub(super) fn merged(original: &[u8], patch: &[u8]) -> Result<Vec<u8>, CfgError> {
    // The parser refuses deep nesting, which bounds every recursion over the values, too.
    let original = parse(original).map_err(CfgError::ConfigNotJson)?;
    let patch = parse(patch).map_err(CfgError::PatchNotJson)?;
    Ok(merge(original, &patch).to_string().into_bytes())
}

fn merge(original: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut old = match original {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    let mut new = Map::new();
    for (key, change) in patch.iter().filter(|(_, change)| !change.is_null()) {
        let before = old.get_mut(key).map_or(Value::Null, Value::take);
        new.insert(key.clone(), merge(before, change));
    }
    new.extend(old.into_iter().filter(|(key, _)| !patch.contains_key(key)));
    Value::Object(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn text(original: &str, patch: &str) -> String {
        String::from_utf8(merged(original.as_bytes(), patch.as_bytes()).unwrap()).unwrap()
    }

    /// Appendix A of the RFC.
    #[test]
    fn examples_of_the_rfc() {
        for (original, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"b":"c","a":"b"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            (r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(text(original, patch), result, "{original} with {patch}");
        }
    }

    #[test]
    fn members_of_the_patch_come_first_and_the_others_keep_their_order() {
        let original = r#"{"a":1,"b":2,"c":3,"d":4,"e":{"x":1,"y":2,"z":3}}"#;
        assert_eq!(
            text(original, r#"{"e":{"z":9,"w":0},"b":null,"d":5,"new":{"k":null,"l":[null]}}"#),
            r#"{"e":{"z":9,"w":0,"x":1,"y":2},"d":5,"new":{"l":[null]},"a":1,"c":3}"#
        );
    }

    #[test]
    fn what_is_not_patched_stays_the_same_to_the_last_digit() {
        let untouched = r#"{"i":-9223372036854775808,"u":18446744073709551615,"f":0.1,"one":1.0,"g":1.7976931348623157e+308,"h":5e-324,"s":"/ é 🦀 \" \\ \n"}"#;
        assert_eq!(text(untouched, "{}"), untouched);
        assert_eq!(text(r#"{"a":1e21}"#, "{}"), r#"{"a":1e+21}"#);
        assert_eq!(text(r#"{"a":18446744073709551616}"#, "{}"), r#"{"a":1.8446744073709552e+19}"#);
    }

    #[test]
    fn escapes_become_characters_and_duplicates_one() {
        assert_eq!(text(r#"{"a":"\/\u00e9\ud83e\udd80"}"#, "{}"), r#"{"a":"/é🦀"}"#);
        assert_eq!(text(r#"{"a":1,"b":2,"a":3}"#, r#"{"b":4,"b":5}"#), r#"{"b":5,"a":3}"#);
    }

    #[test]
    fn what_is_no_json_is_named() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let bad =
            ["foo", "", " ", "{", r#"{"a":1,}"#, "{} // c", "NaN", "{} {}", "\u{0}", r#""\ud800""#, "1e999", &deep];
        for bad in bad.map(str::as_bytes).into_iter().chain([&b"\"\xff\""[..]]) {
            assert!(matches!(merged(bad, b"{}"), Err(CfgError::ConfigNotJson(_))), "{bad:?}");
            assert!(matches!(merged(b"{}", bad), Err(CfgError::PatchNotJson(_))), "{bad:?}");
            assert!(matches!(merged(bad, bad), Err(CfgError::ConfigNotJson(_))), "{bad:?}");
        }
        let deepest = format!("{}{}", "[".repeat(127), "]".repeat(127));
        assert_eq!(text(&deepest, &deepest), deepest);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                // Few names, so that they meet.
                vec(("[a-f]", inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_a_library(original in json(), patch in json()) {
            let merged = text(&original.to_string(), &patch.to_string());
            let mut expected = original;
            json_patch::merge(&mut expected, &patch);
            prop_assert_eq!(serde_json::from_str::<Value>(&merged).unwrap(), expected);
        }
    }
}
