//! An agent that answers when the test says so.

use tokio::net::TcpListener;

use super::{Message, Wire};

/// An agent that answers when the test tells it to.
pub(crate) struct SlowAgent {
    listener: TcpListener,
}

impl SlowAgent {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// The configuration of the agent `slow`.
    pub(crate) fn configuration(&self) -> String {
        let address = self.listener.local_addr().unwrap();
        format!(
            "[agents.slow]\nplugin = \"http\"\nconfig = {{ url = \"http://{address}/events\" }}\n\
             allow_hosts = [\"{address}\"]\n"
        )
    }

    /// The next attempt, and the connection that waits for its answer.
    pub(crate) async fn attempt(&self) -> (Wire, Message) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut wire = Wire::accepted(stream);
        let request = wire.receive().await.unwrap();
        (wire, request)
    }
}
