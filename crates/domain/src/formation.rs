//! The formation (factor VIII): how many processes of each type.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::{ProcessType, ProcessTypes};

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
}

/// How many processes of each type an app should have. Types not named have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formation(BTreeMap<ProcessType, Quantity>);

impl Formation {
    /// Takes quantities that were checked before.
    pub const fn from_map(quantities: BTreeMap<ProcessType, Quantity>) -> Self {
        Self(quantities)
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
        Self(types.scalable().map(|k| (k.clone(), quantity(k))).collect())
    }

    /// How many of a type.
    pub fn quantity(&self, kind: &ProcessType) -> Quantity {
        self.0.get(kind).copied().unwrap_or(Quantity::ZERO)
    }

    /// Types and quantities.
    pub fn iter(&self) -> impl Iterator<Item = (&ProcessType, Quantity)> {
        self.0.iter().map(|(k, q)| (k, *q))
    }

    /// The formation for a release with `types`: kept quantities, and none of what is new, but
    /// one `web` where there was no `web` before.
    pub fn carried_to(&self, types: &ProcessTypes) -> Self {
        let first = Self::first(types);
        let carried =
            |(k, q): (&ProcessType, Quantity)| (k.clone(), self.0.get(k).copied().unwrap_or(q));
        Self(first.iter().map(carried).collect())
    }

    /// The formation after `changes`, which all hold or none.
    ///
    /// # Errors
    /// [`FormationError`] for a type that `types` lacks, for `release`, and for a result below
    /// zero or above [`MAX_QUANTITY`].
    pub fn scaled(
        &self,
        types: &ProcessTypes,
        changes: &[(ProcessType, ScaleChange)],
    ) -> Result<Self, FormationError> {
        let mut next = self.0.clone();
        for (kind, change) in changes {
            if kind.is_release() {
                return Err(FormationError::Release);
            }
            if !types.scalable().any(|k| k == kind) {
                return Err(FormationError::UnknownType {
                    kind: kind.clone(),
                    known: known(types),
                });
            }
            let now = next.get(kind).copied().unwrap_or(Quantity::ZERO);
            next.insert(kind.clone(), apply(now, *change)?);
        }
        Ok(Self(next))
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

    fn scaled(orders: &[(&str, &str)]) -> Result<String, FormationError> {
        let orders: Vec<_> = orders
            .iter()
            .map(|(k, c)| Ok((k.parse().unwrap(), c.parse()?)))
            .collect::<Result<_, FormationError>>()?;
        Formation::first(&types())
            .scaled(&types(), &orders)
            .map(|f| shown(&f))
    }

    #[test]
    fn the_first_deploy_has_one_web_and_none_of_the_others() {
        assert_eq!(shown(&Formation::first(&types())), "web=1 worker=0 ");
    }

    #[test]
    fn quantities_outlive_deploys_and_new_types_start_at_none() {
        let scaled = Formation::first(&types())
            .scaled(&types(), &[(ProcessType::web(), "0".parse().unwrap())])
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
}
