//! The formation.

use noon_domain::ProcessType;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Named, Time, named_id};

/// One process type and its quantity, as `GET /apps/X/formation` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formation {
    /// Whose.
    pub app: Named,
    /// The command.
    pub command: String,
    /// When the app was made.
    pub created_at: Time,
    /// The size.
    pub dyno_size: Named,
    /// The identity.
    pub id: Uuid,
    /// How many.
    pub quantity: u32,
    /// The size.
    pub size: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the app was last changed.
    pub updated_at: Time,
}

impl Formation {
    /// One type of an app's formation.
    pub fn new(
        app: &noon_domain::App,
        (kind, command): (&ProcessType, &str),
        formation: &noon_domain::Formation,
    ) -> Self {
        let size = formation.settings(kind).size;
        Self {
            app: Named {
                id: app.id.as_uuid(),
                name: app.name.to_string(),
            },
            command: command.to_owned(),
            created_at: app.created_at.into(),
            dyno_size: Named::by_name("dyno-size", size.as_str()),
            id: named_id(&format!("formation {}", app.id), kind.as_str()),
            quantity: formation.quantity(kind).get(),
            size: size.to_string(),
            kind: kind.to_string(),
            updated_at: app.updated_at.into(),
        }
    }
}

/// A quantity as clients send it: a number, or a text such as `"2"`, `"+1"` or `"-1"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Quantity {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// One change of a formation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormationUpdate {
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many, or by how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// How large, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// How large, as the schema has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dyno_size: Option<SizeRef>,
}

/// A size by id or by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SizeRef {
    /// By its name alone.
    Plain(String),
    /// By one of the two.
    Object {
        /// The id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<Uuid>,
        /// The name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
}

/// The body of `PATCH /apps/X/formation`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormationUpdates {
    /// The changes, all or none.
    pub updates: Vec<FormationUpdate>,
}
