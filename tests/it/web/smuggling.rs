//! Requests that two servers could parse differently: a backend sees what the gateway saw, or nothing.

#[path = "../../hardening/scenarios/smuggling/cases.rs"]
mod cases;

use self::cases::Expected;
use super::Site;
use crate::support::{Backend, Wire};

#[tokio::test]
async fn a_backend_sees_one_request_or_none() {
    let backend = Backend::ok().await;
    let limits = ["HEADER_TIMEOUT", "BODY_TIMEOUT", "IDLE_TIMEOUT"];
    let setup =
        crate::support::Setup::new().config(&super::config(&[backend.address], "/", "", "idle_timeout = \"1s\""));
    let setup = limits.into_iter().fold(setup, |setup, limit| setup.env(&format!("GATEWAY__HTTP__{limit}"), "1s"));
    let site = Site::start(setup).await;
    let cases = cases::all();
    assert!(cases.len() > 50);
    let mut sent = tokio::task::JoinSet::new();
    for case in &cases {
        let (address, bytes) = (site.address, case.bytes.clone());
        sent.spawn(async move {
            let mut wire = Wire::connect(address).await.unwrap();
            // Who is refused may be cut off while it is still sending.
            drop(wire.send_bytes(&bytes).await);
            wire.read_to_end().await
        });
    }
    sent.join_all().await;
    let seen = backend.seen();
    for case in &cases {
        // By its subject, which stands in the query.
        let count = |subject: &str| {
            let is_it = |line: &str| line.split([' ', '&']).any(|part| part.ends_with(&format!("subject={subject}")));
            seen.iter().filter(|request| is_it(request.line())).count()
        };
        let (own, hidden) = (count(case.name), count(&case.hidden()));
        let most = match case.expected {
            Expected::Refused | Expected::Elsewhere(_) => (1, 0),
            Expected::One | Expected::OneThenRefused => (1, 0),
            Expected::Both => (1, 1),
        };
        assert!(own <= most.0 && hidden <= most.1, "{}: {own} and {hidden} hidden, {:?}", case.name, case.expected);
        if case.expected == Expected::Refused {
            assert_eq!((own, hidden), (0, 0), "{}", case.name);
        }
    }
    let one = cases.iter().filter(|case| case.expected == Expected::One).count();
    assert!(seen.len() >= one / 2, "{} of them are passed on", seen.len());
}
