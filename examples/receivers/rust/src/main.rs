//! Receives events of the gateway and verifies their signatures. One package: `ring`, for HMAC-SHA256.
//!
//! `TRIAGE_KEY=whsec_... cargo run -- 127.0.0.1:9000`

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Error, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;

const TOLERANCE: u64 = 300; // seconds

/// Whether the gateway signed this body, within the last five minutes.
fn is_genuine(key: &hmac::Key, headers: &HashMap<String, String>, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).map_or("", String::as_str);
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    if !timestamp.parse().is_ok_and(|seconds: u64| now.abs_diff(seconds) <= TOLERANCE) {
        return false;
    }
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    // Several signatures while the secret is rotated. `verify` takes the same time wherever they differ.
    let given = header("webhook-signature").split(' ').filter_map(|one| base64(one.strip_prefix("v1,")?));
    given.into_iter().any(|given| hmac::verify(key, &signed, &given).is_ok())
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        bits = bits << 6 | u32::try_from(alphabet.iter().position(|letter| *letter == c)?).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// Reads one request and answers it.
fn answer(stream: &TcpStream, key: &hmac::Key) -> Result<(), Error> {
    let mut reader = BufReader::new(stream);
    let mut lines = reader.by_ref().lines();
    lines.next();
    let head: Vec<String> =
        lines.take_while(|line| !matches!(line, Ok(line) if line.is_empty())).collect::<Result<_, _>>()?;
    let header = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: HashMap<_, _> = head.iter().filter_map(header).collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let status = if is_genuine(key, &headers, &body) {
        // Delivery is at least once: remember the id, and do nothing if you have seen it.
        println!("verified {}", headers.get("webhook-id").map_or("", String::as_str));
        "204 No Content"
    } else {
        "401 Unauthorized"
    };
    write!(&mut &*stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = std::env::var("TRIAGE_KEY")?;
    let secret = base64(secret.trim_start_matches("whsec_")).ok_or("TRIAGE_KEY is not a whsec_ secret")?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let listener = TcpListener::bind(std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:9000"))?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, key) = (stream?, key.clone());
        std::thread::spawn(move || answer(&stream, &key).unwrap_or_else(|error| eprintln!("{error}")));
    }
    Ok(())
}
