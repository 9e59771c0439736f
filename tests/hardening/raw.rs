//! Sends raw bytes instead of proper requests.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The time that a gateway may take to end a connection on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends these bytes and reads until the gateway ends the connection.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let (mut reader, mut writer) = TcpStream::connect(address).await?.into_split();
    let mut answer = Vec::new();
    let read = async {
        // A reset ends the connection too; it occurs if the gateway has not read everything.
        let _ = reader.read_to_end(&mut answer).await;
    };
    // The gateway does not read a refused request to its end, so writing may fail.
    let write = async {
        let _ = writer.write_all(bytes).await;
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(read, write) }).await?;
    Ok(answer)
}

/// The statuses of the final responses in `bytes`; interim responses do not count.
pub(crate) fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    let answers = text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok());
    answers.filter(|status| *status >= 200).collect()
}
