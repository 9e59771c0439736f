//! Samples on the command line: recording, accepting results as expected ones, printing.

mod accept;
mod record;
mod report;
mod stream;

pub(super) use self::accept::accept;
pub(super) use self::report::Report;
pub(super) use self::stream::run as record;
