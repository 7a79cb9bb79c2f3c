//! The formation (factor VIII): how many processes of each type, how large, and how patiently
//! they are started and stopped.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::{ProcessType, ProcessTypes, Size, TimeoutChange, Timeouts};

/// The most processes of one type.
pub const MAX_QUANTITY: u32 = 500;

/// How many processes of one type: 0 to [`MAX_QUANTITY`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Quantity(u32);

impl Quantity {
    /// None.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(1);

    /// Takes a number within bounds.
    ///
    /// # Errors
    /// [`FormationError::BadQuantity`] above [`MAX_QUANTITY`].
    pub fn new(quantity: u32) -> Result<Self, FormationError> {
        if quantity > MAX_QUANTITY {
            return Err(FormationError::BadQuantity(quantity.to_string()));
        }
        Ok(Self(quantity))
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One order to scale: to a number, or by a number, as in `2`, `+1`, `-1`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScaleChange {
    /// To so many.
    To(Quantity),
    /// By so many.
    By(i64),
}

impl FromStr for ScaleChange {
    type Err = FormationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || FormationError::BadQuantity(text.chars().take(40).collect());
        match text.as_bytes().first() {
            Some(b'+' | b'-') => text.parse().map(Self::By).map_err(|_| bad()),
            _ => Ok(Self::To(Quantity::new(text.parse().map_err(|_| bad())?)?)),
        }
    }
}

/// Why an order to scale was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormationError {
    /// Not a number from 0 to the most.
    #[error("{0:?} is no quantity: use a whole number from 0 to {MAX_QUANTITY}")]
    BadQuantity(String),
    /// The app has no such type.
    #[error("there is no process type {kind}: this app has {known}")]
    UnknownType {
        /// What was asked for.
        kind: ProcessType,
        /// What there is, in words.
        known: String,
    },
    /// The release phase is not scaled.
    #[error("the release phase runs once for each release and cannot be scaled")]
    Release,
    /// The release phase is not waited for as processes are.
    #[error("the release phase has no timeout of its own: only its size can be set")]
    ReleaseTimeout,
}

/// What is set for all processes of one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessSettings {
    /// How large each may grow.
    pub size: Size,
    /// How long each may take to boot and to stop.
    pub timeouts: Timeouts,
}

/// One order to change what is wanted of a type; `None` leaves it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormationChange {
    /// The type.
    pub kind: ProcessType,
    /// How many.
    pub quantity: Option<ScaleChange>,
    /// How large.
    pub size: Option<Size>,
    /// How long it may take to boot.
    pub boot: Option<TimeoutChange>,
    /// How long it may take to stop.
    pub stop: Option<TimeoutChange>,
}

impl FormationChange {
    /// An order about a type that changes nothing yet.
    pub const fn of(kind: ProcessType) -> Self {
        Self {
            kind,
            quantity: None,
            size: None,
            boot: None,
            stop: None,
        }
    }

    /// Whether such a type can be changed so.
    fn check(&self, types: &ProcessTypes) -> Result<(), FormationError> {
        let kind = &self.kind;
        match self {
            _ if !kind.is_release() => {}
            Self {
                quantity: Some(_), ..
            } => return Err(FormationError::Release),
            Self { boot: Some(_), .. } | Self { stop: Some(_), .. } => {
                return Err(FormationError::ReleaseTimeout);
            }
            _ => {}
        }
        // Before the first deploy a type may be told how it is to boot, that it may boot at all.
        let is_early = self.quantity.is_none() && types.iter().next().is_none();
        if is_early || types.command(kind).is_some() {
            return Ok(());
        }
        Err(FormationError::UnknownType {
            kind: kind.clone(),
            known: known(types),
        })
    }

    fn applied_to(&self, settings: ProcessSettings) -> ProcessSettings {
        let ProcessSettings { size, timeouts } = settings;
        ProcessSettings {
            size: self.size.unwrap_or(size),
            timeouts: Timeouts {
                boot: self.boot.map_or(timeouts.boot, TimeoutChange::wanted),
                stop: self.stop.map_or(timeouts.stop, TimeoutChange::wanted),
            },
        }
    }
}

/// How many processes of each type an app should have, and what is set for them. Types not named
/// have none; settings outlive deploys, also of types that a release lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formation {
    quantities: BTreeMap<ProcessType, Quantity>,
    /// Only what differs from the default.
    settings: BTreeMap<ProcessType, ProcessSettings>,
}

impl Formation {
    /// Takes quantities that were checked before; nothing else is set.
    pub const fn from_map(quantities: BTreeMap<ProcessType, Quantity>) -> Self {
        Self {
            quantities,
            settings: BTreeMap::new(),
        }
    }

    /// The same quantities with these settings.
    pub fn with_settings(mut self, settings: BTreeMap<ProcessType, ProcessSettings>) -> Self {
        self.settings = settings;
        self.settings
            .retain(|_, set| *set != ProcessSettings::default());
        self
    }

    /// The formation of a first deploy: one `web`, none of the others.
    pub fn first(types: &ProcessTypes) -> Self {
        let quantity = |k: &ProcessType| {
            if k.is_web() {
                Quantity::ONE
            } else {
                Quantity::ZERO
            }
        };
        Self::from_map(types.scalable().map(|k| (k.clone(), quantity(k))).collect())
    }

    /// How many of a type.
    pub fn quantity(&self, kind: &ProcessType) -> Quantity {
        self.quantities.get(kind).copied().unwrap_or(Quantity::ZERO)
    }

    /// What is set for a type.
    pub fn settings(&self, kind: &ProcessType) -> ProcessSettings {
        self.settings.get(kind).copied().unwrap_or_default()
    }

    /// Types and quantities.
    pub fn iter(&self) -> impl Iterator<Item = (&ProcessType, Quantity)> {
        self.quantities.iter().map(|(k, q)| (k, *q))
    }

    /// The types for which something is set, and what.
    pub fn iter_settings(&self) -> impl Iterator<Item = (&ProcessType, ProcessSettings)> {
        self.settings.iter().map(|(k, set)| (k, *set))
    }

    /// The formation for a release with `types`: kept quantities, and none of what is new, but
    /// one `web` where there was no `web` before.
    pub fn carried_to(&self, types: &ProcessTypes) -> Self {
        let kept = |k: &ProcessType| self.quantities.get(k).copied();
        let first = Self::first(types);
        let carried = first.iter().map(|(k, q)| (k.clone(), kept(k).unwrap_or(q)));
        Self::from_map(carried.collect()).with_settings(self.settings.clone())
    }

    /// The formation after `changes`, which all hold or none.
    ///
    /// # Errors
    /// [`FormationError`] for a type that `types` lacks, for what `release` cannot have, and for a
    /// quantity below zero or above [`MAX_QUANTITY`].
    pub fn changed(
        &self,
        types: &ProcessTypes,
        changes: &[FormationChange],
    ) -> Result<Self, FormationError> {
        let mut next = self.quantities.clone();
        let mut settings = self.settings.clone();
        for change in changes {
            change.check(types)?;
            let set = settings.entry(change.kind.clone()).or_default();
            *set = change.applied_to(*set);
            if let Some(quantity) = change.quantity {
                let now = next.get(&change.kind).copied().unwrap_or(Quantity::ZERO);
                next.insert(change.kind.clone(), apply(now, quantity)?);
            }
        }
        Ok(Self::from_map(next).with_settings(settings))
    }
}

fn apply(now: Quantity, change: ScaleChange) -> Result<Quantity, FormationError> {
    match change {
        ScaleChange::To(quantity) => Ok(quantity),
        ScaleChange::By(by) => {
            let sum = i64::from(now.0).saturating_add(by);
            let sum =
                u32::try_from(sum).map_err(|_| FormationError::BadQuantity(sum.to_string()))?;
            Quantity::new(sum)
        }
    }
}

fn known(types: &ProcessTypes) -> String {
    let names: Vec<_> = types.scalable().map(ProcessType::as_str).collect();
    if names.is_empty() {
        "none until its first deploy".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> ProcessTypes {
        ProcessTypes::parse(b"web: a\nworker: b\nrelease: c\n").unwrap()
    }

    fn shown(formation: &Formation) -> String {
        formation.iter().map(|(k, q)| format!("{k}={q} ")).collect()
    }

    fn order(kind: &str, quantity: Option<ScaleChange>) -> FormationChange {
        FormationChange {
            quantity,
            ..FormationChange::of(kind.parse().unwrap())
        }
    }

    fn resize(kind: &str, size: Size) -> FormationChange {
        FormationChange {
            size: Some(size),
            ..order(kind, None)
        }
    }

    fn patience(kind: &str, boot: &str) -> FormationChange {
        FormationChange {
            boot: Some(boot.parse().unwrap()),
            ..order(kind, None)
        }
    }

    fn scaled(orders: &[(&str, &str)]) -> Result<String, FormationError> {
        let orders: Vec<_> = orders
            .iter()
            .map(|(k, c)| Ok(order(k, Some(c.parse()?))))
            .collect::<Result<_, FormationError>>()?;
        Formation::first(&types())
            .changed(&types(), &orders)
            .map(|f| shown(&f))
    }

    #[test]
    fn the_first_deploy_has_one_web_and_none_of_the_others() {
        assert_eq!(shown(&Formation::first(&types())), "web=1 worker=0 ");
    }

    #[test]
    fn quantities_outlive_deploys_and_new_types_start_at_none() {
        let scaled = Formation::first(&types())
            .changed(&types(), &[order("web", Some("0".parse().unwrap()))])
            .unwrap();
        let next = ProcessTypes::parse(b"web: a\nclock: b\n").unwrap();
        assert_eq!(shown(&scaled.carried_to(&next)), "clock=0 web=0 ");
    }

    #[test]
    fn orders_to_scale_are_all_taken_or_none() {
        for (orders, expected) in [
            (&[("web", "3"), ("worker", "+2")][..], Ok("web=3 worker=2 ")),
            (&[("web", "-1")], Ok("web=0 worker=0 ")),
            (&[("web", "-2")], Err("\"-1\" is no quantity")),
            (&[("web", "501")], Err("\"501\" is no quantity")),
            (
                &[("web", "99999999999999999999")],
                Err("\"99999999999999999999\" is no quantity"),
            ),
            (&[("web", "two")], Err("\"two\" is no quantity")),
            (&[("web", "")], Err("\"\" is no quantity")),
            (
                &[("clock", "1")],
                Err("there is no process type clock: this app has web, worker"),
            ),
            (&[("release", "1")], Err("the release phase runs once")),
        ] {
            match (scaled(orders), expected) {
                (Ok(got), Ok(want)) => assert_eq!(got, want),
                (Err(got), Err(want)) => assert!(got.to_string().starts_with(want), "{got}"),
                (got, want) => panic!("{orders:?}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn what_is_set_for_a_type_outlives_deploys_and_the_type() {
        let (web, large) = (ProcessType::web(), Size::PerformanceL);
        let set = Formation::first(&types())
            .changed(&types(), &[resize("web", large), patience("worker", "2m")])
            .unwrap();
        assert_eq!(shown(&set), "web=1 worker=0 ");
        let without = ProcessTypes::parse(b"clock: b\n").unwrap();
        let carried = set.carried_to(&without).carried_to(&types());
        assert_eq!(carried.settings(&web).size, large);
        let worker = carried.settings(&"worker".parse().unwrap());
        assert_eq!(worker.timeouts.boot, Some("2m".parse().unwrap()));
        assert_eq!(worker.size, Size::default());
    }

    #[test]
    fn what_is_set_back_to_the_default_is_as_if_it_never_was_set() {
        let first = Formation::first(&types());
        let set = [resize("web", Size::Standard2X), patience("web", "2m")];
        let set = first.changed(&types(), &set).unwrap();
        assert_ne!(set, first);
        let back = [resize("web", Size::default()), patience("web", "default")];
        assert_eq!(set.changed(&types(), &back).unwrap(), first);
    }

    #[test]
    fn before_the_first_deploy_any_type_may_be_told_how_it_will_be() {
        let none = ProcessTypes::default();
        let early = Formation::default();
        let early = early.changed(&none, &[patience("web", "2m")]).unwrap();
        let carried = early.carried_to(&types());
        assert_eq!(shown(&carried), "web=1 worker=0 ");
        let web = carried.settings(&ProcessType::web());
        assert_eq!(web.timeouts.boot.unwrap().as_secs(), 120);
        let error = early.changed(&none, &[order("web", Some(ScaleChange::By(1)))]);
        assert!(error.unwrap_err().to_string().contains("none until"));
    }

    #[test]
    fn a_type_is_changed_only_as_it_can_be() {
        let change = |one| Formation::first(&types()).changed(&types(), &[one]);
        assert!(change(resize("release", Size::Standard2X)).is_ok());
        for (one, expected) in [
            (patience("release", "2m"), "only its size can be set"),
            (resize("clock", Size::Standard2X), "no process type clock"),
            (patience("clock", "2m"), "no process type clock"),
        ] {
            let error = change(one).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
