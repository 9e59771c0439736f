use std::fmt;

use thiserror::Error;

/// A secret shared with a provider, or a provider's public key. Never empty; `Debug` prints `***`.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// An empty secret: anyone could compute what it signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected a secret, found an empty value")]
pub struct EmptySecret;

impl Secret {
    /// A secret of these bytes, exactly as they are.
    pub fn new(bytes: Vec<u8>) -> Result<Self, EmptySecret> {
        if bytes.is_empty() { Err(EmptySecret) } else { Ok(Self(bytes)) }
    }

    /// The bytes themselves: for computing with, never for showing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_does_not_exist() {
        assert_eq!(Secret::new(Vec::new()).unwrap_err(), EmptySecret);
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2".to_vec()).unwrap()), "***");
    }
}
