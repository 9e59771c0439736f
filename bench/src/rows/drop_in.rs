//! Row g: how long a new plugin takes from being written into the folder to its first answer.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::wait_until;
use crate::subject::{Place, STUB, Subject, request};

/// Plugins that one round drops in.
const PLUGINS: u32 = 5;

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is asked for: the answers compete with the compiler for the cores.
const PAUSE: Duration = Duration::from_millis(1);

/// Milliseconds that each plugin took.
pub(crate) fn run(place: &mut Place) -> Result<Vec<f64>> {
    let gateway = place.gateway(STUB)?;
    (1..=PLUGINS).map(|number| drop_in(&gateway, number)).collect()
}

fn drop_in(gateway: &Subject, number: u32) -> Result<f64> {
    let plugins = gateway.folder.plugins();
    let component = fs::read(plugins.join("dummy.wasm")).context("cannot read a plugin")?;
    // Bytes that no plugin had before, so that it is compiled and not taken from the cache.
    let component = version_of(&component, number);
    let name = format!("bench-{number}");
    let ask = format!(
        "POST /webhooks/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    let start = Instant::now();
    fs::write(plugins.join(&name).with_extension("wasm"), component)?;
    let mut last = Ok((0, String::new()));
    let served = wait_until(PATIENCE, PAUSE, || {
        last = request(gateway.server.address, &ask);
        matches!(last, Ok((202, _)) | Err(_))
    });
    let took = start.elapsed();
    let (status, answer) = last?;
    if !served {
        bail!("the new plugin does not serve: {status} {answer}\n{}", gateway.server.last_words());
    }
    Ok(took.as_secs_f64() * 1000.0)
}

/// The same component with other bytes.
pub(crate) fn version_of(component: &[u8], number: u32) -> Vec<u8> {
    [component, &custom_section("bench", &number.to_le_bytes())].concat()
}

/// A section that means nothing: kind 0, its length, its name and its content.
fn custom_section(name: &str, content: &[u8]) -> Vec<u8> {
    let mut section = vec![0, 0, u8::try_from(name.len()).expect("the name is short")];
    section.extend(name.as_bytes());
    section.extend(content);
    // Below 128 a LEB128 number is one byte.
    section[1] = u8::try_from(section.len() - 2).ok().filter(|length| *length < 128).expect("the content is short");
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_section_states_its_lengths() {
        assert_eq!(custom_section("ab", &[7, 8, 9]), [0, 6, 2, b'a', b'b', 7, 8, 9]);
    }
}
