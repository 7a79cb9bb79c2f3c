//! What the server says when it is up.

use super::settings::Settings;

/// Where everything answers.
pub fn up(settings: &Settings) -> String {
    let port = settings.http_addr.port();
    let domain = &settings.domain;
    format!(
        "noon {} is up\n  apps  http://APP.{domain}:{port}\n  API   {}\n  data  {}\n",
        env!("CARGO_PKG_VERSION"),
        api_url(settings),
        settings.data_dir.display(),
    )
}

/// How to log in, shown once.
pub fn first_login(settings: &Settings, token: &str) -> String {
    format!(
        "First start: log in with\n\n    noon login --server {} --token {token}\n\n\
         The token is shown this once. Whoever has it owns this platform.\n",
        api_url(settings),
    )
}

/// How clients reach the API.
pub fn api_url(settings: &Settings) -> String {
    settings
        .api_url
        .clone()
        .unwrap_or_else(|| format!("http://{}", settings.api_addr))
}
