//! `noon demo`: all of noon in a minute, shown as commands that one could type.
//!
//! A home of its own, a server of its own, on free ports. Every step is the command itself, run by
//! a shell; nothing is acted. What the app must answer is checked after each step, so that the
//! demo fails where noon does.

mod example;
mod home;
mod house;
mod stage;

use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{Error, Result};
use crate::output::Output;
use example::Example;
use home::Home;
use house::House;
use stage::{Interrupt, Outcome, Stage};

/// The app's name.
const APP: &str = "hello";

/// Shows everything; ends at once with `is_once`, else at Ctrl-C.
///
/// # Errors
/// The first step that did not come out as it must; or the signal that ended it early.
pub fn run(out: &Output, is_once: bool) -> Result<()> {
    let interrupt = Interrupt::listen([SIGINT, SIGTERM, SIGHUP])?;
    let example = Example::choose()?;
    let home = Home::make(&example)?;
    out.note(format_args!(
        "The demo lives in {} and is gone afterwards.\n",
        home.path().display()
    ));
    let house = House::start(&home)?;
    let told = tell(out, &home, (&house, &example), &interrupt);
    if told.is_ok() && !is_once {
        leave_open(out, &house, &interrupt)?;
    }
    out.note("\nStopping the server and its apps.");
    let stopped = house.stop();
    let removed = home.remove();
    told.and(stopped).and(removed)
}

/// The story, as a page of plot.
fn tell(
    out: &Output,
    home: &Home,
    (house, example): (&House, &Example),
    interrupt: &Interrupt,
) -> Result<()> {
    let mut stage = Stage::new(out, home, house, interrupt);
    stage.title("A server, in one directory, on free ports")?;
    stage.show_started()?;
    stage.shell_with(
        &format!("noon login --server {}", house.api_url()),
        house.token(),
    )?;

    stage.title(&format!("A deploy is a git push: {}", example.about))?;
    stage.shell("git init --quiet && git add . && git commit --quiet -m 'Say hello'")?;
    stage.shell(&format!("noon create {APP}"))?;
    let breaking = match stage.shell("git push noon main") {
        Ok(()) => example.breaking,
        Err(error) => push_what_needs_nothing(&mut stage, (home, house), error)?,
    };
    stage.fetch("Hello")?;

    stage.title("More of a process type")?;
    stage.shell("noon ps scale web=3")?;
    stage.shell("noon ps")?;
    stage.fetch("Hello")?;
    stage.fetch("Hello")?;

    stage.title("Config is a release, without a new build")?;
    stage.shell("noon config set GREETING='Good evening'")?;
    stage.fetch("Good evening")?;

    stage.title("A push that breaks: what serves goes on serving")?;
    stage.shell(breaking)?;
    stage.shell("git commit --quiet --all -m 'Break it'")?;
    stage.shell_to("git push noon main", Outcome::Refused)?;
    stage.fetch("Good evening")?;

    stage.title("Back to an earlier release")?;
    stage.shell("noon releases")?;
    stage.shell("noon rollback")?;
    stage.fetch("Hello")?;

    stage.title("One stream of logs, and a one-off process")?;
    stage.shell("noon logs -n 12")?;
    stage.shell("noon run 'echo \"I am $DYNO of $NOON_RELEASE_VERSION\"'")?;
    stage.shell("noon releases verify")
}

/// A machine without a network builds nothing that has dependencies: then the demo goes on with an
/// app that has none. Returns the line that breaks that one.
fn push_what_needs_nothing(
    stage: &mut Stage,
    (home, house): (&Home, &House),
    error: Error,
) -> Result<&'static str> {
    let Error::Demo { .. } = error else {
        return Err(error);
    };
    house.check()?;
    let Some(example) = Example::without_dependencies() else {
        return Err(error);
    };
    stage.title(&format!(
        "That build failed, so another app: {}",
        example.about
    ))?;
    stage.shell("git rm --quiet -r .")?;
    example.write(&home.at("app"))?;
    stage.shell("git add . && git commit --quiet -m 'Say hello with less'")?;
    stage.shell("git push noon main")?;
    Ok(example.breaking)
}

/// Leaves the app to the user until a signal.
fn leave_open(out: &Output, house: &House, interrupt: &Interrupt) -> Result<()> {
    out.line(format_args!(
        "\nThat is all. The app stays up at {} until Ctrl-C.\nIn another terminal:\n\n  \
         export NOON_SERVER={} NOON_TOKEN={} NOON_APP={APP}\n  noon ps\n  noon logs --tail",
        house.app_url(APP),
        house.api_url(),
        house.token(),
    ))?;
    while !interrupt.has_come() {
        std::thread::sleep(Duration::from_millis(100));
        house.check()?;
    }
    Ok(())
}
