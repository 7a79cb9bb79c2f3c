//! The URL of a server, in one spelling.

use std::fmt;
use std::str::FromStr;

use ureq::http::Uri;

use crate::error::{Error, Result};

/// Where a server is: scheme, host and port, and nothing more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerUrl {
    /// Whether it is asked over TLS.
    pub is_https: bool,
    /// The host, in lower case; IPv6 addresses in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl ServerUrl {
    /// Whether it is this very machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host == "[::1]" || self.host.starts_with("127.")
    }

    /// Whether both lead to the same place, whatever the names of this machine.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.port == other.port
            && (self.host == other.host || self.is_loopback() && other.is_loopback())
    }

    /// Host and port, as in a `Host` header.
    pub fn authority(&self) -> String {
        let usual = if self.is_https { 443 } else { 80 };
        if self.port == usual {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Where an app is pushed to.
    pub fn git_url(&self, app: &str) -> String {
        format!("{self}/{app}.git")
    }

    /// The server and the path of a URL.
    pub fn split(url: &str) -> Option<(Self, String)> {
        let uri: Uri = url.parse().ok()?;
        let is_https = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = uri.host()?.to_ascii_lowercase();
        let authority = uri.authority()?.as_str().to_ascii_lowercase();
        let port = match uri.port_u16() {
            Some(port) => port,
            None if authority.ends_with(&host) => {
                if is_https {
                    443
                } else {
                    80
                }
            }
            None => return None,
        };
        let path = uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        Some((
            Self {
                is_https,
                host,
                port,
            },
            path,
        ))
    }
}

impl FromStr for ServerUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::split(text.trim())
            .map(|(server, _)| server)
            .ok_or_else(|| {
                Error::usage(
                    format!("{text:?} is no URL of a server"),
                    "write it as http://HOST:PORT or https://HOST",
                )
            })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "http{}://{}",
            if self.is_https { "s" } else { "" },
            self.authority()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_one_spelling() {
        for (text, spelling) in [
            ("http://127.0.0.1:8090/", "http://127.0.0.1:8090"),
            ("http://127.0.0.1:8090", "http://127.0.0.1:8090"),
            ("https://Paas.Example.com/x?y", "https://paas.example.com"),
            ("https://h:443", "https://h"),
            ("http://h:443", "http://h:443"),
            ("http://user:pw@h:1/a.git", "http://h:1"),
            ("http://[::1]:8090", "http://[::1]:8090"),
        ] {
            assert_eq!(
                text.parse::<ServerUrl>().unwrap().to_string(),
                spelling,
                "{text}"
            );
        }
        for bad in [
            "",
            "paas.example.com",
            "ftp://h",
            "http://",
            "http://h:99999",
        ] {
            assert!(bad.parse::<ServerUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_names_of_this_machine_are_one_place() {
        let url = |text: &str| text.parse::<ServerUrl>().unwrap();
        assert!(url("http://localhost:1").is_same_place(&url("http://127.0.0.1:1")));
        assert!(!url("http://localhost:1").is_same_place(&url("http://localhost:2")));
        assert!(!url("http://a:1").is_same_place(&url("http://localhost:1")));
    }
}
