//! Files and the cache of sites.

use std::path::Path;

use super::{check_problems, config};
use crate::web::{Caching, FilesSettings, Target};

/// A site with one route of these keys.
fn route(keys: &str) -> String {
    format!(
        "[web]\nlisten = '127.0.0.1:3000'\n[backends.app]\naddresses = ['127.0.0.1:1']\n\
         [[sites]]\n[[sites.routes]]\nprefix = '/'\n{keys}"
    )
}

#[test]
fn a_route_leads_to_files() {
    let config = config(&route("files = 'dist'\nfallback = true\nimmutable = ['assets/*', '*.woff2']"));
    let Target::Files(FilesSettings { root, fallback, immutable }) = &config.web.sites[0].routes[0].target else {
        panic!("{:?}", config.web.sites)
    };
    assert_eq!((root.as_path(), *fallback), (Path::new("/etc/gateway/dist"), true));
    assert_eq!(immutable.iter().map(|names| names.as_str()).collect::<Vec<_>>(), ["assets/*", "*.woff2"]);
}

#[test]
fn a_route_to_a_backend_can_have_the_cache() {
    for (keys, expected) in [
        ("", Caching::Off),
        ("cache = false\ncache_reload = true", Caching::Off),
        ("cache = true", Caching::On { reload: false }),
        ("cache = true\ncache_reload = true", Caching::On { reload: true }),
    ] {
        assert_eq!(
            config(&route(&format!("backend = 'app'\n{keys}"))).web.sites[0].routes[0].cache,
            expected,
            "{keys}"
        );
    }
    let cache = config("[web.cache]\nmax_size = '64MiB'\nmax_object = '2MiB'").web.cache;
    assert_eq!((cache.max_size, cache.max_object), (64 << 20, 2 << 20));
}

#[test]
fn what_does_not_go_together_is_reported() {
    for (keys, expected) in [
        (
            "backend = 'app'\nfiles = 'dist'",
            "sites[0].routes[0].backend: expected either a backend or files, found both",
        ),
        (
            "backend = 'app'\nfallback = true",
            "sites[0].routes[0].fallback: expected `files` beside it, found a route without files",
        ),
        (
            "files = 'dist'\ncache = true",
            "sites[0].routes[0].cache: expected a route to a backend, found one of files, which are not stored",
        ),
    ] {
        check_problems(&route(keys), &[expected]);
    }
    check_problems(
        "[web.cache]\nmax_size = '1MiB'\nmax_object = '1MiB'",
        &["web.cache.max_object: expected at most half of `max_size`, found 1048576 of 1048576 bytes"],
    );
}
