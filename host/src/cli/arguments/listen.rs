//! `gateway listen`.

use clap::Args;

use super::select::SelectArguments;

#[derive(Debug, Args)]
pub(in crate::cli) struct ListenArguments {
    /// Port on this machine that the events are posted to
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) port: u16,
    /// Path that the events are posted to
    #[arg(long, default_value = "/", value_parser = path)]
    pub(in crate::cli) path: String,
    #[command(flatten)]
    pub(in crate::cli) select: SelectArguments,
}

fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if is_path { Ok(text.to_owned()) } else { Err("expected a path such as `/hook`".to_owned()) }
}
