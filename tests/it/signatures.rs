//! The signature matrix: every scheme against every manipulation of a request.

use crate::shared::signatures::{CASES, SCHEMES, matrix};

/// Only signed requests pass: with either key during a rotation, and unchanged in every part that the scheme covers.
#[test]
fn every_scheme_refuses_unsigned_changes() {
    let bodies: [&[u8]; 3] =
        [br#"{"b":1, "a":"x"}"#, r#"{ "title" : "café 😀", "n": 1.0e1 }"#.as_bytes(), b"[1 ,2, {\"x\": \"\\u00e9\"}]"];
    for body in bodies {
        let cells = matrix(body);

        let broken: Vec<_> = cells.iter().filter(|cell| !cell.holds()).map(ToString::to_string).collect();
        assert!(broken.is_empty(), "{broken:#?}");
        for scheme in SCHEMES {
            let tried = cells.iter().filter(|cell| cell.scheme == scheme.name).count();
            let without = usize::from(!scheme.has_time) * 2 + usize::from(scheme.other_algorithm.is_none());
            assert_eq!(tried, CASES.len() - without, "{}", scheme.name);
        }
    }
}
