//! Runs long calls on threads of a low priority. A call starts on the thread of its caller, and moves after some ticks.
//!
//! Otherwise a guest that computes for long would block a worker: two spinning plugins on two cores would delay every
//! other request.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;
use tracing::instrument::WithSubscriber;

use super::error::PluginError;
use crate::priority::{give_way_if_possible, spare_cores};

/// A call that can move to another runtime.
pub(super) type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The runtime for long calls.
pub(super) struct LongCallRuntime {
    /// `None` only during the drop.
    runtime: Option<Runtime>,
}

impl LongCallRuntime {
    pub(super) fn new() -> Result<Self, PluginError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(spare_cores())
            .thread_name("plugin-slow")
            .on_thread_start(give_way_if_possible)
            .enable_all()
            .build()
            .map_err(PluginError::Thread)?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs `call` to its end, on the current runtime until `slow` is set.
    ///
    /// Cancel safe: dropping it drops the call, which ends at its next tick at the latest.
    pub(super) async fn drive<T: Send + 'static>(&self, mut call: Call<T>, slow: &AtomicBool) -> T {
        let here = poll_fn(|context| match call.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if slow.load(Ordering::Relaxed) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match (here.await, &self.runtime) {
            (Some(result), _) => result,
            (None, None) => call.await,
            (None, Some(runtime)) => {
                match AbortOnDropHandle::new(runtime.spawn(call.with_current_subscriber())).await {
                    Ok(result) => result,
                    // The task was not aborted, so it panicked.
                    Err(error) => resume_unwind(error.into_panic()),
                }
            }
        }
    }
}

impl Drop for LongCallRuntime {
    fn drop(&mut self) {
        // The gateway is dropped in async code, where waiting for threads panics; and there is nothing to wait for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// The thread's name at the start and after each yield.
    async fn threads(slow: Arc<AtomicBool>) -> [String; 3] {
        let name = || std::thread::current().name().unwrap_or_default().to_owned();
        let first = name();
        tokio::task::yield_now().await;
        let second = name();
        slow.store(true, Ordering::Relaxed);
        tokio::task::yield_now().await;
        [first, second, name()]
    }

    #[tokio::test]
    async fn a_long_call_moves_to_the_runtime_for_long_calls() {
        let long_calls = LongCallRuntime::new().unwrap();
        let slow = Arc::new(AtomicBool::new(false));

        let [first, second, third] = long_calls.drive(Box::pin(threads(Arc::clone(&slow))), &slow).await;

        assert_eq!(first, second);
        assert_eq!(third, "plugin-slow");
    }

    #[tokio::test]
    async fn a_call_that_is_dropped_ends_there_too() {
        let long_calls = LongCallRuntime::new().unwrap();
        let slow = Arc::new(AtomicBool::new(true));
        let held = Arc::new(());
        let call_holds = Arc::clone(&held);
        let forever = async move {
            let _held = call_holds;
            std::future::pending::<()>().await;
        };

        let dropped =
            tokio::time::timeout(std::time::Duration::from_millis(50), long_calls.drive(Box::pin(forever), &slow));
        dropped.await.unwrap_err();

        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
