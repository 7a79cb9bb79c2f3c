//! The platform's own lines in an app's log stream.

use noon_domain::{App, AppId, LogLine, LogSource, Principal, Timestamp};

use crate::Control;

impl Control {
    /// Says in the app's stream what someone did through the API.
    pub(crate) fn tell(&self, app: &App, by: &Principal, deed: &str) {
        self.relay(app.id, "api", &format!("{deed} by user {}", by.user.email));
    }

    /// Puts a line that is the app's own, or about an API call, into its stream.
    pub(crate) fn relay(&self, app: AppId, process: &str, text: &str) {
        self.write(app, LogSource::App, (process, text));
    }

    /// Puts a line of the platform's into an app's stream.
    pub(crate) fn say(&self, app: AppId, process: &str, text: &str) {
        self.write(app, LogSource::Platform, (process, text));
    }

    fn write(&self, app: AppId, source: LogSource, (process, text): (&str, &str)) {
        (self.hooks.sink)(LogLine {
            app,
            at: Timestamp::now(),
            source,
            process: process.to_owned(),
            text: text.to_owned(),
        });
    }
}
