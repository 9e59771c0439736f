//! One request to the backend for many callers.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_equal_requests_are_one_and_read_along() {
    let cache = cache(patient());
    let (sender, body) = made();
    let mut body = Some(body);
    let backend = Backend::new(move |_| Ok(response(200, FRESH, body.take().expect("one request")))).shut();
    let (first_pieces, mut first_piece) = mpsc::channel(10_000);
    let mut callers = JoinSet::new();
    for _ in 0..10_000 {
        let (cache, backend, first_pieces) = (cache.clone(), backend.clone(), first_pieces.clone());
        callers.spawn(async move {
            let response = cache.answer(request(Method::GET, "/", &[]), backend).await.unwrap();
            let mut body = response.into_body();
            let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
            first_pieces.send(first).await.unwrap();
            body.collect().await.unwrap().to_bytes()
        });
    }
    backend.asked(1).await;
    backend.open();
    sender.send(Ok("first".into())).await.unwrap();
    for _ in 0..10_000 {
        assert_eq!(timeout(LIMIT, first_piece.recv()).await.unwrap().unwrap(), "first");
    }
    sender.send(Ok("second".into())).await.unwrap();
    drop(sender);
    for rest in timeout(LIMIT, callers.join_all()).await.unwrap() {
        assert_eq!(rest, "second");
    }
    assert_eq!(backend.count(), 1);
    let counted = counted(&cache);
    assert_eq!((counted["miss"], counted["collapsed"]), (1, 9_999));
}

#[tokio::test]
async fn callers_of_what_is_not_shared_are_let_go_at_once_and_the_next_do_not_wait() {
    for fields in [
        &[("cache-control", "private, max-age=60")][..],
        &[("cache-control", "max-age=60"), ("set-cookie", "a=b")],
        &[("cache-control", "max-age=0"), ("etag", "\"a\"")],
        &[],
    ] {
        let cache = cache(patient());
        let backend = Backend::new(move |_| Ok(response(200, fields, whole("mine")))).shut();
        let mut callers = JoinSet::new();
        for _ in 0..100 {
            let (cache, backend) = (cache.clone(), backend.clone());
            callers.spawn(async move { get(&cache, &backend, &[]).await.body.unwrap() });
        }
        backend.asked(1).await;
        backend.open();
        timeout(LIMIT, callers.join_all()).await.unwrap();
        assert!(backend.count() >= 100, "{fields:?}");

        let asked = backend.count();
        backend.0.is_open.send_replace(false);
        let mut callers = JoinSet::new();
        for _ in 0..100 {
            let (cache, backend) = (cache.clone(), backend.clone());
            callers.spawn(async move { get(&cache, &backend, &[]).await.body.unwrap() });
        }
        // All of them, although none was answered.
        backend.asked(asked + 100).await;
        backend.open();
        timeout(LIMIT, callers.join_all()).await.unwrap();
    }
}

#[tokio::test]
async fn a_request_outlives_its_caller() {
    let cache = cache(patient());
    let backend = Backend::always(FRESH, "body").shut();
    let caller = tokio::spawn({
        let (cache, backend) = (cache.clone(), backend.clone());
        async move { get(&cache, &backend, &[]).await.status }
    });
    backend.asked(1).await;
    caller.abort();
    assert!(caller.await.is_err());
    backend.open();
    stored(&cache, true).await;
    assert_eq!(get(&cache, &backend, &[]).await.body(), "body");
    assert_eq!(backend.count(), 1);
}

#[tokio::test]
async fn nobody_waits_longer_than_the_limit() {
    let cache = cache(Settings { max_wait: Duration::from_millis(1), ..Settings::default() });
    let backend = Backend::always(FRESH, "body").shut();
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (cache, backend) = (cache.clone(), backend.clone());
            tokio::spawn(async move { get(&cache, &backend, &[]).await.status })
        })
        .collect();
    backend.asked(2).await;
    backend.open();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn variants_are_requests_of_their_own() {
    let cache = cache(patient());
    let varying: Fields<'static> = &[("cache-control", "max-age=60"), ("vary", "x")];
    let backend = Backend::new(move |head| {
        let value = head.headers["x"].to_str().unwrap().to_owned();
        Ok(response(200, varying, whole(value)))
    })
    .shut();
    let mut callers = JoinSet::new();
    for number in 0..100 {
        let (cache, backend) = (cache.clone(), backend.clone());
        callers.spawn(async move {
            let value = if number % 2 == 0 { "even" } else { "odd" };
            assert_eq!(get(&cache, &backend, &[("x", value)]).await.body(), value);
        });
    }
    backend.asked(1).await;
    backend.open();
    timeout(LIMIT, callers.join_all()).await.unwrap();
    assert_eq!(backend.count(), 2);
    assert_eq!(get(&cache, &backend, &[("x", "new")]).await.field("cache-status"), "gateway; fwd=vary-miss; stored");
}

#[tokio::test]
async fn a_request_that_fails_fails_those_who_wait() {
    let cache = cache(patient());
    let backend = Backend::new(|_| Err("refused")).shut();
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        let (cache, backend) = (cache.clone(), backend.clone());
        callers.spawn(async move { failure(&cache, &backend, &[]).await });
    }
    backend.asked(1).await;
    // All of them wait by now, because there is one thread.
    backend.open();
    let failures = timeout(LIMIT, callers.join_all()).await.unwrap();
    let own = failures.iter().filter(|failed| matches!(failed, Failed::Fetch("refused"))).count();
    let waited = failures.iter().filter(|failed| matches!(failed, Failed::Waited)).count();
    assert_eq!((own, waited, backend.count()), (1, 9, 1));
}

#[tokio::test]
async fn what_is_incomplete_is_not_stored() {
    let cache = cache(patient());
    let backend = Backend::new(|_| {
        let body = pieces(vec![Ok("half".into()), Err(io::Error::other("reset"))]);
        Ok(response(200, FRESH, body))
    });
    for times in 1..=2 {
        let answered = get(&cache, &backend, &[]).await;
        assert_eq!((answered.status, answered.body.unwrap_err().to_string()), (200, "reset".to_owned()));
        assert_eq!((cache.size(), backend.count()), (0, times));
    }
}

#[tokio::test]
async fn what_is_too_large_is_passed_on_and_not_stored() {
    for has_length in [true, false] {
        let cache = cache(Settings { max_object: 1000, ..patient() });
        let backend = Backend::new(move |_| {
            let body = if has_length {
                whole(vec![b'x'; 5000])
            } else {
                pieces((0..50).map(|_| Ok(vec![b'x'; 100].into())).collect())
            };
            Ok(response(200, FRESH, body))
        });
        for times in 1..=2 {
            assert_eq!(get(&cache, &backend, &[]).await.body().len(), 5000, "{has_length}");
            assert_eq!((cache.size(), backend.count()), (0, times), "{has_length}");
        }
        assert!(memory_is_free(&cache).await);
    }
}

#[tokio::test]
async fn without_memory_responses_are_passed_on() {
    let cache = cache(Settings { max_size: 150, max_object: 100, ..patient() });
    let backend = Backend::new(|_| Ok(response(200, FRESH, whole(vec![b'x'; 100]))));
    let holding = Arc::clone(&cache.0.ground.memory).try_acquire_many_owned(100).unwrap();
    assert_eq!(get(&cache, &backend, &[]).await.field("cache-status"), "gateway; fwd=uri-miss");
    drop(holding);
    assert_eq!(get(&cache, &backend, &[]).await.field("cache-status"), "gateway; fwd=uri-miss; stored");
    assert!(memory_is_free(&cache).await);
}

#[tokio::test]
async fn a_stop_ends_requests_on_their_way() {
    let (cache, backend) = (cache(patient()), Backend::always(FRESH, "body").shut());
    let caller = tokio::spawn({
        let (cache, backend) = (cache.clone(), backend.clone());
        async move { failure(&cache, &backend, &[]).await }
    });
    backend.asked(1).await;
    timeout(LIMIT, cache.stop()).await.unwrap();
    assert!(matches!(caller.await.unwrap(), Failed::Stopped));
}
