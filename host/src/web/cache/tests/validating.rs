//! Stale responses: validated, or served as they are.

use super::*;

#[tokio::test]
async fn a_confirmed_response_is_fresh_again_with_new_fields() {
    let cache = cache(patient());
    let backend = Backend::new(|head| {
        Ok(match head.headers.contains_key("if-none-match") {
            false => response(
                200,
                &[("cache-control", "max-age=60"), ("age", "60"), ("etag", "\"a\""), ("x", "old"), ("y", "kept")],
                whole("body"),
            ),
            true => response(
                304,
                &[("cache-control", "max-age=60"), ("etag", "\"a\""), ("x", "new"), ("set-cookie", "a=b")],
                whole(""),
            ),
        })
    });
    get(&cache, &backend, &[]).await;
    stored(&cache, true).await;
    for (cookie, status) in [("a=b", "gateway; fwd=stale; fwd-status=304"), ("", "gateway; hit; ttl=60")] {
        let answered = get(&cache, &backend, &[]).await;
        assert_eq!((answered.status, answered.body(), answered.field("x")), (200, "body", "new"));
        assert_eq!((answered.field("y"), answered.field("set-cookie")), ("kept", cookie));
        assert_eq!(answered.field("cache-status"), status);
    }
    assert_eq!(backend.count(), 2);
}

#[tokio::test]
async fn a_304_about_something_else_is_asked_again_for_the_whole() {
    let cache = cache(patient());
    let mut bodies = ["new", "old"].to_vec();
    let backend = Backend::new(move |head| {
        Ok(match head.headers.contains_key("if-none-match") {
            false => response(
                200,
                &[("cache-control", "max-age=60"), ("age", "60"), ("etag", "\"a\"")],
                whole(bodies.pop().unwrap()),
            ),
            true => response(304, &[("etag", "\"b\"")], whole("")),
        })
    });
    get(&cache, &backend, &[]).await;
    stored(&cache, true).await;
    assert_eq!(get(&cache, &backend, &[]).await.body(), "new");
    assert_eq!((backend.count(), backend.field("if-none-match")), (3, None));
}

#[tokio::test]
async fn a_stale_response_is_served_while_it_is_validated() {
    let cache = cache(patient());
    let mut bodies = ["second", "first"].to_vec();
    let backend = Backend::new(move |_| {
        let fields: Fields<'_> = &[("cache-control", "max-age=60, stale-while-revalidate=60"), ("age", "60")];
        Ok(response(200, if bodies.len() == 2 { fields } else { FRESH }, whole(bodies.pop().unwrap())))
    });
    get(&cache, &backend, &[]).await;
    stored(&cache, true).await;
    let backend_is_shut = backend.clone().shut();
    for _ in 0..10 {
        let answered = get(&cache, &backend_is_shut, &[]).await;
        assert_eq!((answered.body(), answered.field("cache-status")), ("first", "gateway; hit; ttl=0"));
    }
    backend.asked(2).await;
    backend.open();
    timeout(LIMIT, async {
        while get(&cache, &backend, &[]).await.body() != "second" {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(backend.count(), 2);
}

#[tokio::test]
async fn a_stale_response_is_served_on_errors_only_if_it_says_so() {
    for (stated, error, expected) in [
        ("max-age=60, stale-if-error=60", None, Some("first")),
        ("max-age=60, stale-if-error=60", Some(503), Some("first")),
        ("max-age=60, stale-if-error=60", Some(404), Some("error")),
        ("max-age=60", Some(503), Some("error")),
        ("max-age=60", None, None),
        ("max-age=60, stale-if-error=60, must-revalidate", Some(503), Some("error")),
        ("max-age=60, stale-if-error=60, must-revalidate", None, None),
        ("s-maxage=60, stale-if-error=60", None, None),
    ] {
        let cache = cache(patient());
        let mut is_first = true;
        let backend = Backend::new(move |_| {
            if std::mem::take(&mut is_first) {
                let fields: Fields<'_> = &[("cache-control", stated), ("age", "60"), ("etag", "\"a\"")];
                return Ok(response(200, fields, whole("first")));
            }
            error.map(|status| response(status, &[], whole("error"))).ok_or("refused")
        });
        get(&cache, &backend, &[]).await;
        stored(&cache, true).await;
        match expected {
            Some(body) => assert_eq!(get(&cache, &backend, &[]).await.body(), body, "{stated} {error:?}"),
            None => {
                let failed = failure(&cache, &backend, &[]).await;
                let is_forbidden = stated.contains("must-revalidate") || stated.contains("s-maxage");
                assert_eq!(matches!(failed, Failed::MustRevalidate("refused")), is_forbidden, "{stated}: {failed:?}");
            }
        }
    }
}
