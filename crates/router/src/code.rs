//! Heroku's H codes: what went wrong, in the words that people's alerts look for.

use noon_domain::NoBackend;

/// One way in which a request fails, or is answered without a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    AppCrashed,
    RequestTimeout,
    ClosedWithoutResponse,
    NoWebProcesses,
    IdleConnection,
    PoorResponse,
    ServerInterrupted,
    ConnectTimeout,
    BootTimeout,
    ConnectRefused,
    ResponseRestriction,
    RequestError,
    ClientInterrupted,
    ClientIdle,
    Maintenance,
    BlankApp,
    PlatformError,
}

/// What is known of a code.
struct Facts(&'static str, &'static str, u16, &'static str);

impl Code {
    const fn facts(self) -> Facts {
        match self {
            Self::AppCrashed => Facts("H10", "App crashed", 503, "error"),
            Self::RequestTimeout => Facts("H12", "Request timeout", 503, "error"),
            Self::ClosedWithoutResponse => {
                Facts("H13", "Connection closed without response", 503, "error")
            }
            Self::NoWebProcesses => Facts("H14", "No web processes running", 503, "error"),
            Self::IdleConnection => Facts("H15", "Idle connection", 503, "error"),
            Self::PoorResponse => Facts("H17", "Poorly formatted HTTP response", 503, "error"),
            Self::ServerInterrupted => Facts("H18", "Server Request Interrupted", 503, "error"),
            Self::ConnectTimeout => Facts("H19", "Backend connection timeout", 503, "error"),
            Self::BootTimeout => Facts("H20", "App boot timeout", 503, "error"),
            Self::ConnectRefused => Facts("H21", "Backend connection refused", 503, "error"),
            Self::ResponseRestriction => Facts("H25", "HTTP Restriction", 502, "error"),
            Self::RequestError => Facts("H26", "Request Error", 400, "error"),
            Self::ClientInterrupted => Facts("H27", "Client Request Interrupted", 499, "warning"),
            Self::ClientIdle => Facts("H28", "Client Connection Idle", 499, "warning"),
            Self::Maintenance => Facts("H80", "Maintenance mode", 503, "info"),
            Self::BlankApp => Facts("H81", "Blank app", 503, "info"),
            Self::PlatformError => Facts("H99", "Platform error", 503, "error"),
        }
    }

    /// The code, as in `H12`.
    pub(crate) const fn name(self) -> &'static str {
        self.facts().0
    }

    /// The code in words.
    pub(crate) const fn desc(self) -> &'static str {
        self.facts().1
    }

    /// The status that is answered, or logged where the client is gone.
    pub(crate) const fn status(self) -> u16 {
        self.facts().2
    }

    /// How bad it is: `info`, `warning` or `error`.
    pub(crate) const fn level(self) -> &'static str {
        self.facts().3
    }

    /// Whose socket broke, where one did.
    pub(crate) const fn sock(self) -> Option<&'static str> {
        match self {
            Self::ServerInterrupted => Some("backend"),
            Self::ClientInterrupted | Self::ClientIdle => Some("client"),
            _ => None,
        }
    }

    /// The code of an app that has no process to answer; `None` for no app at all.
    pub(crate) const fn of(why: NoBackend) -> Option<Self> {
        match why {
            NoBackend::UnknownHost => None,
            NoBackend::Blank => Some(Self::BlankApp),
            NoBackend::NoProcesses => Some(Self::NoWebProcesses),
            NoBackend::Crashed => Some(Self::AppCrashed),
            NoBackend::Booting => Some(Self::BootTimeout),
            NoBackend::Maintenance => Some(Self::Maintenance),
        }
    }
}
