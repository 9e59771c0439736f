//! Parts of the configuration, each read alone: for commands that ask a gateway instead of being one.
//!
//! A part is valid, or its own problems are reported. The rest of the file may be wrong, unknown or without its secrets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::binding::{config_table, plugin_name};
use super::channels::{paths, verification};
use super::check::{assemble, eventlog_settings};
use super::plugins::plugin_settings;
use super::problem::ConfigProblems;
use super::raw::Raw;
use super::secret::{Secrets, secrets};
use super::section::Section;
use super::settings::Config;
use super::unknown::unknown_keys;
use super::{access, routes};
use crate::dispatch::RouteSettings;
use crate::event::PluginName;
use crate::http::{self, AdminSettings};
use crate::verify::{Recipe, Secret};
use crate::{eventlog, plugin};

/// A configuration file and the environment, not checked as a whole.
pub struct Parts {
    /// The path of the file, as given.
    pub(super) file: String,
    pub(super) raw: Raw,
}

/// A secret, or why there is none.
#[derive(Clone, Debug)]
pub enum SecretPart {
    /// It is there.
    Present(Secret),
    /// The key refers to a secret that is not there; such as "environment variable `X` is not set".
    Missing(String),
    /// The configuration has no such key.
    Absent,
}

/// Where the requests of one channel go, and what they are signed with.
#[derive(Clone, Debug)]
pub struct ChannelPart {
    /// `None` if the name is not one of a plugin.
    pub plugin: Option<PluginName>,
    /// Never empty.
    pub paths: Vec<String>,
    /// The first of its secrets.
    pub secret: SecretPart,
    /// The verification in the configuration; `None` leaves it to the plugin.
    pub verification: Option<Recipe>,
    /// `config` of the channel, as the plugin gets it.
    pub config: BTreeMap<String, serde_json::Value>,
}

impl Parts {
    /// The addresses of the gateway and its certificate; everything else has its default.
    ///
    /// # Errors
    /// The problems of these keys.
    pub fn server(&self) -> Result<http::Settings, ConfigProblems> {
        self.read(|root| {
            let section = root.section("http");
            let listen = section.address("listen").unwrap_or_else(|| SocketAddr::from(http::Settings::LISTEN));
            let tls = access::tls(&section);
            let admin = root.section("admin").address("listen").filter(|address| *address != listen);
            http::Settings { tls, admin: AdminSettings { listen: admin, token: None }, ..http::Settings::new(listen) }
        })
    }

    /// `admin.token`.
    ///
    /// # Errors
    /// The key is not a reference to a secret.
    pub fn admin_token(&self) -> Result<SecretPart, ConfigProblems> {
        self.read(|root| first(secrets(&root.section("admin"), "token", "GATEWAY_ADMIN_TOKEN")))
    }

    /// `[eventlog]`.
    ///
    /// # Errors
    /// The problems of this table.
    pub fn eventlog(&self) -> Result<eventlog::Settings, ConfigProblems> {
        self.read(|root| eventlog_settings(&root.section("eventlog"), 0).0)
    }

    /// `[plugins]`.
    ///
    /// # Errors
    /// The problems of this table.
    pub fn plugins(&self) -> Result<plugin::Settings, ConfigProblems> {
        self.read(|root| {
            let data = root.section("eventlog").path("dir").unwrap_or_else(|| self.raw.resolve("data"));
            plugin_settings(&root.section("plugins"), &data)
        })
    }

    /// What requests of the channel `name` need. `None` if it has no table in the file.
    ///
    /// # Errors
    /// The problems of the keys that this takes.
    pub fn channel(&self, name: &str) -> Result<Option<ChannelPart>, ConfigProblems> {
        self.read(|root| {
            let (_, section) = root.named("channels").into_iter().find(|(known, _)| *known == name)?;
            let variable = format!("{}_WEBHOOK_SECRET", name.to_ascii_uppercase().replace('-', "_"));
            let secret = first(secrets(&section, "secret", &variable));
            Some(ChannelPart {
                plugin: plugin_name(name, &section),
                paths: paths(name, &section, &mut BTreeMap::new()),
                secret,
                verification: verification(&section),
                config: config_table(&section),
            })
        })
    }

    /// `[[routes]]`, to the agents of the file.
    ///
    /// # Errors
    /// The problems of these tables.
    pub fn routes(&self) -> Result<Vec<RouteSettings>, ConfigProblems> {
        let Config { ingest, mut dispatch, .. } = assemble(&self.raw);
        dispatch.agents.retain(|agent| agent.name.channel().is_none());
        self.read(|root| {
            let routes = routes::routes(root, &ingest.channels, &dispatch.agents);
            let mut unknown = Vec::new();
            unknown_keys(self.raw.table(), "", &self.raw.asked(), &mut unknown);
            unknown.into_iter().filter(|problem| problem.key.starts_with("routes[")).for_each(|it| self.raw.note(it));
            routes
        })
    }

    /// The names in `[channels.*]` and `[agents.*]`.
    pub fn names(&self) -> [Vec<String>; 2] {
        ["channels", "agents"].map(|table| {
            let names = self.raw.table().get(table).and_then(toml::Value::as_table);
            names.into_iter().flat_map(toml::Table::keys).cloned().collect()
        })
    }

    fn read<T>(&self, part: impl FnOnce(&Section<'_>) -> T) -> Result<T, ConfigProblems> {
        // What was wrong with another part is of no interest here.
        drop(self.raw.take_problems());
        let read = part(&Section::root(&self.raw));
        let problems = self.raw.take_problems();
        if problems.is_empty() { Ok(read) } else { Err(ConfigProblems { file: self.file.clone(), problems }) }
    }
}

fn first(found: Option<Secrets<'_>>) -> SecretPart {
    let Some(mut found) = found else { return SecretPart::Absent };
    if !found.present.is_empty() {
        return SecretPart::Present(found.present.swap_remove(0).0);
    }
    found.missing.into_iter().next().map_or(SecretPart::Absent, |missing| SecretPart::Missing(missing.reason))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::asked::Environment;

    fn parts(text: &str, environment: &[(&str, &str)]) -> Parts {
        let environment: Environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        Parts {
            file: "gateway.toml".to_owned(),
            raw: Raw::parse(text, Path::new("/etc/gateway"), environment).unwrap(),
        }
    }

    #[test]
    fn a_part_is_read_whatever_is_wrong_with_the_others() {
        let text = r#"
            typo = 1
            [http]
            listen = "0.0.0.0:9000"
            max_body = "much"
            [admin]
            token = { env = "TOKEN" }
            [eventlog]
            dir = "log"
            [agents.http]
            timeout = 5
            [channels.github]
            secret = [{ env = "OLD" }, { env = "NEW" }]
            rate_limit = "often"
            [channels.grafana]
            secret = { env = "UNSET" }
            verification = "none"
        "#;
        let parts =
            parts(text, &[("NEW", "s3cret"), ("GATEWAY__ADMIN__LISTEN", "127.0.0.1:9001"), ("GATEWAY__X", "1")]);

        let server = parts.server().unwrap();
        assert_eq!(server.listen.to_string(), "0.0.0.0:9000");
        assert_eq!(server.admin.listen.unwrap().to_string(), "127.0.0.1:9001");
        assert!(
            matches!(parts.admin_token(), Ok(SecretPart::Missing(reason)) if reason == "environment variable `TOKEN` is not set")
        );
        assert!(format!("{:?}", parts.eventlog().unwrap().engine).contains("/etc/gateway/log"));
        assert_eq!(parts.plugins().unwrap().dir, PathBuf::from("/etc/gateway/plugins"));
        let channel = |name: &str| parts.channel(name).unwrap();
        assert!(
            matches!(channel("github").unwrap().secret, SecretPart::Present(secret) if secret.expose() == b"s3cret")
        );
        assert!(channel("grafana").unwrap().verification.unwrap().is_open());
        assert!(channel("other").is_none());
        assert_eq!(parts.names(), [vec!["github".to_owned(), "grafana".to_owned()], vec!["http".to_owned()]]);
    }

    #[test]
    fn routes_are_read_without_the_secrets_of_their_agents() {
        let text = |key: &str| {
            format!(
                "typo = 1\n[channels.c]\nsecret = {{ env = 'UNSET' }}\n[agents.a]\ntimeout = 5\nallow_hosts = ['h']\n\
                 credentials.k = {{ kind = 'bearer', secret = {{ env = 'UNSET' }} }}\n\
                 [[routes]]\nagents = ['a']\n{key} = {{ severity = 'high' }}"
            )
        };

        let routes = parts(&text("where"), &[]).routes().unwrap();
        assert_eq!((routes[0].agents[0].as_str(), routes[0].conditions.len()), ("a", 1));
        let problems = parts(&text("wher"), &[]).routes().unwrap_err().problems;
        assert_eq!(problems.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(), ["routes[0].wher"]);
    }

    #[test]
    fn the_problems_of_a_part_are_its_own() {
        let parts = parts("[http]\nlisten = 'x'\n[eventlog]\nqueue = 'y'\n[admin]\ntoken = 'hunter2'", &[]);

        let key =
            |problems: ConfigProblems| problems.problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>();
        assert_eq!(key(parts.server().unwrap_err()), ["http.listen"]);
        assert_eq!(key(parts.eventlog().unwrap_err()), ["eventlog.queue"]);
        let problems = parts.admin_token().unwrap_err();
        assert!(!problems.to_string().contains("hunter2"), "{problems}");
        assert_eq!(key(problems), ["admin.token"]);
    }
}
