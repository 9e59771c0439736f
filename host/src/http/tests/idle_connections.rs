//! What a connection keeps while it does nothing.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Gateway;

/// Of which hyper's two buffers are 16 KiB; both sides of the connection are counted.
const LIMIT: i64 = 24 << 10;

/// Opens connections, and has each answered once.
async fn answered(gateway: &Gateway, count: i64) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = gateway.connect().await;
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 2048];
        assert!(stream.read(&mut answer).await.unwrap() > 0);
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
        streams.push(stream);
    }
    streams
}

#[test]
fn an_idle_connection_keeps_no_room_for_a_request() {
    // One thread, because those of others are not counted.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gateway = runtime.block_on(Gateway::start(|_| {}));
    let first = runtime.block_on(answered(&gateway, 10));
    let (mut idle, count) = (Vec::new(), 50);

    let taken = allocation_counter::measure(|| idle = runtime.block_on(answered(&gateway, count)));

    assert!(taken.bytes_current / count < LIMIT, "{taken:?}");
    drop((first, idle));
}
