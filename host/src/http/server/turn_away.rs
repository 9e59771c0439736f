//! Answers to callers whose requests are not read.

use std::io;
use std::time::Duration;

use ::http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::event::RequestId;

/// The answer beyond the limit of connections, without the end that names the request.
const BUSY: &str = "{\"type\":\"urn:gateway:problem:overloaded\",\"title\":\"Overloaded\",\"status\":503,\
    \"detail\":\"all connections are taken, try again later\",\"code\":\"overloaded\"";

/// The answer to plain HTTP where TLS is expected.
pub(crate) const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 32\r\n\
    connection: close\r\n\r\nexpected https, found plain http";

/// Sends `answer` and reads on until the caller hangs up or `limit` is over: unread bytes would make the system discard the
/// answer.
pub(crate) async fn turn_away(stream: TcpStream, answer: &[u8], limit: Duration) {
    // Whether the caller hears it is its own affair.
    drop(tokio::time::timeout(limit, send_and_drain(stream, answer)).await);
}

async fn send_and_drain(mut stream: TcpStream, answer: &[u8]) -> io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    let mut ignored = [0; 4096];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// The answer to a caller beyond the limit of connections.
pub(crate) fn busy(retry_after: &HeaderValue) -> String {
    let (id, retry_after) = (RequestId::new(), retry_after.to_str().unwrap_or("5"));
    let body = format!("{BUSY},\"request_id\":\"{id}\"}}\n");
    let length = body.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nx-request-id: {id}\r\n\
         retry-after: {retry_after}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}
