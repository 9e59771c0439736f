//! Which gateway a command asks.

use clap::Args;

#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct ConnectionArguments {
    /// Address of the admin API, if not as configured
    #[arg(long, global = true, value_name = "URL", env = "GATEWAY_URL", hide_env_values = true, display_order = 901)]
    pub(in crate::cli) url: Option<String>,
    /// Token of the admin API
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "GATEWAY_ADMIN_TOKEN",
        hide_env_values = true,
        display_order = 902
    )]
    pub(in crate::cli) token: Option<String>,
}
