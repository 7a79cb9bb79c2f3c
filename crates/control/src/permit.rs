//! Permission as a value that must be handed to a verb.

use std::marker::PhantomData;

use noon_domain::{App, Principal};

/// May look at an app, its config included.
#[derive(Clone, Copy, Debug)]
pub struct View;
/// May push code to an app.
#[derive(Clone, Copy, Debug)]
pub struct Deploy;
/// May change what an app runs and how: config, scale, restart, rollback, one-offs, domains.
#[derive(Clone, Copy, Debug)]
pub struct Operate;
/// May rename and destroy an app.
#[derive(Clone, Copy, Debug)]
pub struct Own;

/// Proof that someone may do `Action` to one app. Only [`crate::Control`] makes one.
#[derive(Clone, Debug)]
pub struct Permit<Action> {
    app: App,
    by: Principal,
    action: PhantomData<Action>,
}

impl<Action> Permit<Action> {
    pub(crate) const fn grant(app: App, by: Principal) -> Self {
        Self {
            app,
            by,
            action: PhantomData,
        }
    }

    /// The app, as it was when the permit was given.
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Who holds the permit.
    pub const fn by(&self) -> &Principal {
        &self.by
    }
}
