//! The last lines of a push.

use std::time::Duration;

use noon_control::Deployed;

/// What the pusher reads once the release is current.
pub(crate) fn summary(deployed: &Deployed, received: Duration) -> Vec<String> {
    let mut stages = vec![stage("receive", received)];
    stages.extend(
        deployed
            .stages
            .iter()
            .map(|(name, took)| stage(name, *took)),
    );
    let mut lines = vec![
        format!("-----> Released {}", deployed.version),
        format!("       {} deployed", deployed.url),
        format!("       {}", stages.join(" · ")),
    ];
    if !deployed.idle_types.is_empty() {
        lines.push(format!(
            "       No process runs of: {}",
            deployed.idle_types.join(", ")
        ));
    }
    lines.extend([String::new(), "Verifying deploy... done.".to_owned()]);
    lines
}

fn stage(name: &str, took: Duration) -> String {
    format!("{name} {:.2} s", took.as_secs_f64())
}

/// A failure as the pusher reads it.
pub(crate) fn complaint(sentence: &str) -> Vec<String> {
    sentence
        .lines()
        .map(|line| format!(" !     {line}"))
        .collect()
}
