//! The router's own answers, for when no process can give one.

use crate::code::Code;

/// One answer of the router's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    title: &'static str,
    text: &'static str,
}

impl Page {
    /// The page of a failure.
    pub(crate) const fn of(code: Code) -> Self {
        let (title, text) = match code {
            Code::BlankApp => (
                "Nothing here yet",
                "This app has no release yet. Push its code, and this page gives way to it.",
            ),
            Code::Maintenance => (
                "Down for maintenance",
                "This app is being worked on and will be back shortly.",
            ),
            Code::NoWebProcesses => (
                "No web process",
                "This app runs no web process, so nobody is here to answer.",
            ),
            Code::BootTimeout => (
                "Still starting",
                "This app is starting and was not ready in time. Try again in a moment.",
            ),
            Code::ResponseRestriction => (
                "Bad gateway",
                "The app gave an answer that cannot be passed on. Its log tells more.",
            ),
            _ => (
                "Application error",
                "The app could not answer this request. If it is yours, its log tells why.",
            ),
        };
        Self {
            status: code.status(),
            title,
            text,
        }
    }

    /// The page of a host that no app has.
    pub(crate) const UNKNOWN_HOST: Self = Self {
        status: 404,
        title: "No such app",
        text: "No app answers at this address.",
    };

    /// The page of a request that was refused.
    pub(crate) const fn refused(status: u16) -> Self {
        Self {
            status,
            title: "Bad request",
            text: "This request is not well-formed, and was not passed on.",
        }
    }

    /// The whole answer, as bytes; gives with it how many of them are body.
    pub(crate) fn render(self, with: Wanted) -> (Vec<u8>, u64) {
        let body = if with.text { self.plain() } else { self.html() };
        let kind = if with.text { "text/plain" } else { "text/html" };
        let connection = if with.closes {
            "Connection: close\r\n"
        } else {
            ""
        };
        let mut out = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nVia: 1.1 noon\r\n{connection}\r\n",
            self.status,
            reason(self.status),
            body.len(),
        )
        .into_bytes();
        if with.head_only {
            return (out, 0);
        }
        out.extend_from_slice(body.as_bytes());
        (out, body.len() as u64)
    }

    fn plain(self) -> String {
        format!("{}\n\n{}\n", self.title, self.text)
    }

    fn html(self) -> String {
        let Self { title, text, .. } = self;
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>body{{font:1.1em/1.5 system-ui,sans-serif;max-width:32em;\
             margin:20vh auto;padding:0 1em;color-scheme:light dark}}</style>\n\
             <h1>{title}</h1>\n<p>{text}</p>\n</html>\n"
        )
    }
}

/// How a page is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) text: bool,
    pub(crate) head_only: bool,
    pub(crate) closes: bool,
}

const fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        408 => "Request Timeout",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        _ => "Service Unavailable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_comes_as_it_is_wanted_and_is_never_stored() {
        let wanted = Wanted {
            text: false,
            head_only: false,
            closes: false,
        };
        let page = Page::of(Code::Maintenance);
        let (html, bytes) = page.render(wanted);
        let html = String::from_utf8(html).unwrap();
        assert!(html.starts_with("HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html"));
        assert!(html.contains("no-store") && html.ends_with("</html>\n") && bytes > 100);
        let (plain, _) = page.render(Wanted {
            text: true,
            closes: true,
            ..wanted
        });
        let plain = String::from_utf8(plain).unwrap();
        assert!(plain.contains("text/plain") && !plain.contains('<'));
        assert!(plain.contains("Connection: close\r\n"));
        let (head, bytes) = page.render(Wanted {
            head_only: true,
            ..wanted
        });
        assert!(head.ends_with(b"\r\n\r\n") && bytes == 0);
    }
}
