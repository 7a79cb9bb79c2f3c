//! What all processes of the server do alike: their own log, and being told to stop.

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Sends noon's own log to standard output, as its own factor XI asks.
pub fn log_to_stdout() {
    let filter = std::env::var("NOON_LOG").unwrap_or_default();
    let filter = EnvFilter::try_new(if filter.is_empty() { "info" } else { &filter });
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new("info")))
        .with_ansi(false)
        .with_target(false)
        .finish();
    // Only tests of several servers in one process could have set one before.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Resolves when this process is told to stop.
pub async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Lets Ctrl-C reach the parent only: it stops its roles in order.
pub async fn told_to_stop_by_parent() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => {}
        }
    }
}
