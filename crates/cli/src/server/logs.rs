//! The logs role: hands the shims' pipes to the collector.

use noon_logs::{Collector, Pipe, RingSize, Settings, Stop};
use noon_machine::OutputScan;

use super::role::Stage;
use super::{ServerError, signals};

/// Collects until told to stop.
pub fn play(mut stage: Stage) -> Result<(), ServerError> {
    let stop = Stop::new().map_err(|error| ServerError(error.to_string()))?;
    stop_when_told(stop.clone())?;
    let mut scan = OutputScan::new(stage.data.at("shims"));
    let settings = Settings {
        dir: stage.data.at("logs"),
        socket: stage.data.socket("logs"),
        ring: RingSize::default(),
    };
    let mut is_first = true;
    let pipes = move || {
        let found = scan.scan().into_iter().map(pipe).collect();
        if std::mem::take(&mut is_first) {
            stage.ready();
        }
        found
    };
    Collector::run(settings, pipes, &stop).map_err(|error| ServerError(error.to_string()))
}

fn pipe(output: noon_machine::Output) -> Pipe {
    let noon_machine::Output {
        pipe,
        app,
        name,
        process: _,
    } = output;
    Pipe {
        fd: pipe,
        app,
        process: name,
        stream: noon_domain::Stream::Stdout,
    }
}

fn stop_when_told(stop: Stop) -> Result<(), ServerError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| ServerError::failed("no event loop", error))?;
    std::thread::spawn(move || {
        if runtime.block_on(signals::told_to_stop_by_parent()).is_ok() {
            stop.now();
        }
    });
    Ok(())
}
