//! Sockets that the service manager passes (`sd_listen_fds(3)`).

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

/// Names of sockets in socket units (`FileDescriptorName=`).
const WEBHOOKS: &str = "webhooks";
const ADMIN: &str = "admin";

/// The inherited sockets. They stay open in the service manager, so that callers wait during a restart instead of being
/// refused.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Named>);

#[derive(Debug)]
struct Named {
    name: String,
    address: SocketAddr,
    socket: TcpListener,
}

/// The sockets by purpose. For `None` the gateway opens its own.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the names are those in the socket unit")]
pub struct Sockets {
    pub webhooks: Option<TcpListener>,
    pub admin: Option<TcpListener>,
    /// Never inherited.
    pub sites: Option<TcpListener>,
}

/// Why the inherited sockets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("inherited socket {number} is not a listening TCP socket: {source}")]
    Kind {
        /// Counts from 1.
        number: usize,
        #[source]
        source: io::Error,
    },
    /// Nothing would answer connections to the socket.
    #[error("the socket `{name}` at {address} was inherited, but nothing is served there\nhint: {hint}")]
    Unused { name: String, address: SocketAddr, hint: &'static str },
}

impl Inherited {
    /// Takes the sockets of the variables `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`. Call it once, before there are
    /// threads: it removes the variables from the environment.
    ///
    /// # Errors
    /// `Kind`.
    pub fn from_environment() -> Result<Self, SocketError> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut handed_over = ListenFd::from_env();
        let mut found = Vec::new();
        for index in 0..handed_over.len() {
            let name = names.next().unwrap_or_default().to_owned();
            let take = handed_over.take_tcp_listener(index).and_then(|socket| {
                let socket = socket.ok_or(io::ErrorKind::NotFound)?;
                // A socket that is bound but does not listen would fail later, at every `accept`. Apple's systems cannot tell.
                #[cfg(not(target_vendor = "apple"))]
                if !rustix::net::sockopt::socket_acceptconn(&socket)? {
                    return Err(io::Error::other("it does not listen"));
                }
                socket.set_nonblocking(true)?;
                Ok(Named { name, address: socket.local_addr()?, socket })
            });
            found.push(take.map_err(|source| SocketError::Kind { number: index + 1, source })?);
        }
        Ok(Self(found))
    }

    /// Assigns each socket to its purpose: by its name, else by its address, else by its position.
    ///
    /// # Errors
    /// `Unused`.
    pub fn assign(self, webhooks: SocketAddr, admin: Option<SocketAddr>) -> Result<Sockets, SocketError> {
        let described: Vec<_> = self.0.iter().map(|named| (named.name.as_str(), named.address)).collect();
        let roles = roles(&described, webhooks, admin);
        let mut sockets = Sockets::default();
        for (Named { name, address, socket }, role) in self.0.into_iter().zip(roles) {
            let place = match role {
                Some(Role::Webhooks) => &mut sockets.webhooks,
                Some(Role::Admin) => &mut sockets.admin,
                None => {
                    let hint = match admin {
                        Some(_) => "pass at most one socket for webhooks and one for the admin API",
                        None => "set `admin.listen`, or pass only the socket for webhooks",
                    };
                    return Err(SocketError::Unused { name, address, hint });
                }
            };
            tracing::info!(name, %address, "Socket inherited");
            *place = Some(socket);
        }
        Ok(sockets)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Webhooks,
    Admin,
}

/// How a socket is recognised.
#[derive(Clone, Copy)]
enum Way {
    Name,
    Address,
    Place,
}

/// The role of each socket. Each role occurs at most once.
fn roles(sockets: &[(&str, SocketAddr)], webhooks: SocketAddr, admin: Option<SocketAddr>) -> Vec<Option<Role>> {
    let all = [(Role::Webhooks, WEBHOOKS, Some(webhooks)), (Role::Admin, ADMIN, admin)];
    let all: Vec<_> = all.into_iter().filter_map(|(role, name, address)| Some((role, name, address?))).collect();
    let mut found: Vec<Option<Role>> = vec![None; sockets.len()];
    for way in [Way::Name, Way::Address, Way::Place] {
        for (role, name, address) in &all {
            let fits = |(own_name, own_address): &(&str, SocketAddr)| match way {
                Way::Name => own_name == name,
                _ if [WEBHOOKS, ADMIN].contains(own_name) => false,
                Way::Address => own_address == address,
                Way::Place => true,
            };
            let free = (0..sockets.len()).find(|index| found[*index].is_none() && fits(&sockets[*index]));
            if let Some(index) = free
                && !found.contains(&Some(*role))
            {
                found[index] = Some(*role);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_known_by_its_name_then_its_address_then_its_position() {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let check = |sockets: &[(&str, u16)], admin: Option<u16>, expected: &str| {
            let sockets: Vec<_> = sockets.iter().map(|(name, port)| (*name, at(*port))).collect();
            let found = roles(&sockets, at(80), admin.map(at));
            let letter = |role: &Option<Role>| match role {
                Some(Role::Webhooks) => 'w',
                Some(Role::Admin) => 'a',
                None => '-',
            };
            assert_eq!(found.iter().map(letter).collect::<String>(), expected, "{sockets:?}");
        };

        check(&[], Some(81), "");
        check(&[("admin", 80), ("webhooks", 81)], Some(81), "aw");
        check(&[("gateway.socket", 81), ("gateway.socket", 80)], Some(81), "aw");
        check(&[("", 1), ("", 2)], Some(81), "wa");
        check(&[("", 1), ("webhooks", 2)], Some(81), "aw");
        check(&[("unknown", 9)], None, "w");
        check(&[("", 81)], Some(81), "a");
        check(&[("", 1), ("", 2)], None, "w-");
        check(&[("admin", 1)], None, "-");
        check(&[("webhooks", 1), ("webhooks", 2)], Some(81), "w-");
    }

    #[test]
    fn a_socket_without_a_purpose_is_refused() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let inherited = Inherited(vec![Named { name: "admin".to_owned(), address, socket }]);

        let refused = inherited.assign(address, None).unwrap_err().to_string();

        assert!(refused.starts_with("the socket `admin` at 127.0.0.1:"), "{refused}");
        assert!(refused.ends_with("hint: set `admin.listen`, or pass only the socket for webhooks"), "{refused}");
    }
}
