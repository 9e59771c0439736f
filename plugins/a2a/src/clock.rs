//! The clock of WASI, the only import of this plugin that is not the gateway's: the contract has no way to wait.

use std::time::Duration;

use self::wasi::clocks::monotonic_clock::subscribe_duration;

wit_bindgen::generate!({
    inline: r#"
        package gateway:a2a;

        world waiting {
            import wasi:clocks/monotonic-clock@0.2.0;
        }

        package wasi:clocks@0.2.0 {
            interface monotonic-clock {
                use wasi:io/poll@0.2.0.{pollable};

                type duration = u64;

                subscribe-duration: func(when: duration) -> pollable;
            }
        }

        package wasi:io@0.2.0 {
            interface poll {
                resource pollable {
                    block: func();
                }
            }
        }
    "#,
    generate_all,
});

/// Waits in the host, which ends the call at its timeout.
pub(crate) fn pause(time: Duration) {
    subscribe_duration(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)).block();
}
