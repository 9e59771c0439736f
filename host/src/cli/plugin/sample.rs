//! Samples on the command line: recorded from the running gateway, accepted as expectations, and printed.

mod accept;
mod record;
mod report;
mod stream;

pub(super) use self::accept::accept;
pub(super) use self::report::Report;
pub(super) use self::stream::run as record;
