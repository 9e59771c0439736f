//! Pins and trusted keys.

use std::fs;

use super::{check_problems, config, environment};
use crate::config::read;
use crate::plugin::{Digest, TrustedKey};

const KEY: &str = "VOTisPoUixccyVL2bJvhfUqbgEe4AhoVl9Amu+4Q2aM=";

#[test]
fn a_pin_belongs_to_its_plugin_and_is_no_limit() {
    let digest = Digest::of(b"plugin");

    let plugins = config(&format!("[plugins.overrides.github]\nsha256 = '{digest}'")).plugins;

    assert_eq!(plugins.rules.trust.pins["github"], digest);
    assert_eq!(plugins.rules.overrides["github"], plugins.rules.limits);
    check_problems(
        "[plugins.overrides.github]\nsha256 = 'abc'",
        &["plugins.overrides.github.sha256: expected the SHA-256 of a plugin file, 64 hexadecimal digits, found `abc`"],
    );
}

#[test]
fn a_trusted_key_is_a_text_or_a_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("plugins.pub"), KEY).unwrap();
    let keys = |text: &str| {
        let config = read(&format!("[plugins]\n{text}"), dir.path(), environment(&[])).unwrap();
        config.plugins.rules.trust.keys
    };
    let key = TrustedKey::parse(KEY).unwrap();

    assert_eq!(keys("trusted_keys = []"), []);
    assert_eq!(keys(&format!("trusted_keys = '{KEY}'")), [key]);
    assert_eq!(keys(&format!("trusted_keys = ['{KEY}', {{ file = 'plugins.pub' }}]")), [key, key]);
    assert_eq!(keys("trusted_keys = { file = 'plugins.pub' }\nrequire_signature = true"), [key]);
}

#[test]
fn a_key_that_is_none_is_told_and_signatures_need_one() {
    const NONE: &str =
        "plugins.trusted_keys: expected a key, because `plugins.require_signature` requires signatures, found nothing";

    check_problems("[plugins]\nrequire_signature = true", &[NONE]);
    check_problems("[plugins]\nrequire_signature = true\ntrusted_keys = []", &[NONE]);
    check_problems(
        "[plugins]\nrequire_signature = true\ntrusted_keys = ['key', { file = '/gone' }, 5]",
        &[
            "plugins.trusted_keys[0]: expected an Ed25519 public key, PEM or 32 bytes in base64, found another text",
            "plugins.trusted_keys[1]: expected an Ed25519 public key, PEM or 32 bytes in base64, found `/gone`, which cannot be read: No such file or directory (os error 2)",
            "plugins.trusted_keys[2]: expected an Ed25519 public key in base64, or `{ file = \"...\" }`, found `5`",
        ],
    );
}
