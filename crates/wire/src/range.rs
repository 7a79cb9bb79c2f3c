//! `Range` headers, as lists of the API are asked for.

/// The order of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

/// A `Range` header, as in `version ]12..; order=desc, max=10`. Clients differ in their separators.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// The field that orders the list; none where the client does not mind.
    pub field: Option<String>,
    /// Where to begin.
    pub start: Option<String>,
    /// Whether the beginning itself is left out (`]`).
    pub is_after: bool,
    /// The order.
    pub order: Order,
    /// The most items of one answer.
    pub max: usize,
}

/// A text is no range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeError(pub String);

/// The most that one answer holds unless asked for more.
const DEFAULT_MAX: usize = 200;
/// The most that one answer holds.
const MAX: usize = 1000;

impl Default for Range {
    fn default() -> Self {
        Self {
            field: None,
            start: None,
            is_after: false,
            order: Order::default(),
            max: DEFAULT_MAX,
        }
    }
}

impl Range {
    /// Reads a header; an empty one is the default.
    ///
    /// # Errors
    /// [`RangeError`] where `max` is no number or `order` no order.
    pub fn parse(header: &str) -> Result<Self, RangeError> {
        let mut range = Self::default();
        for (index, part) in header.split([';', ',']).map(str::trim).enumerate() {
            match part.split_once('=') {
                Some(("max", value)) => range.max = parse_max(value)?,
                Some(("order", value)) => range.order = parse_order(value)?,
                Some(_) => return Err(RangeError(part.to_owned())),
                None if part.is_empty() => {}
                None if index == 0 => range.read_field(part),
                None => return Err(RangeError(part.to_owned())),
            }
        }
        Ok(range)
    }

    fn read_field(&mut self, part: &str) {
        let (field, span) = part.split_once(' ').unwrap_or((part, ".."));
        let start = span
            .trim()
            .split_once("..")
            .map_or(span.trim(), |(start, _)| start);
        self.is_after = start.starts_with(']');
        let start = start.trim_start_matches(']');
        self.field = Some(field.to_owned());
        self.start = (!start.is_empty()).then(|| start.to_owned());
    }

    /// The header by which the next part of the list is asked for.
    pub fn next(&self, field: &str, last: &str) -> String {
        let order = match self.order {
            Order::Ascending => "",
            Order::Descending => "; order=desc",
        };
        format!("{field} ]{last}..; max={}{order}", self.max)
    }
}

fn parse_max(value: &str) -> Result<usize, RangeError> {
    let max: usize = value
        .trim()
        .parse()
        .map_err(|_| RangeError(value.to_owned()))?;
    Ok(max.clamp(1, MAX))
}

fn parse_order(value: &str) -> Result<Order, RangeError> {
    match value.trim() {
        "asc" => Ok(Order::Ascending),
        "desc" => Ok(Order::Descending),
        other => Err(RangeError(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_however_clients_separate_them() {
        for (header, field, max, order) in [
            (
                "version ..; max=15, order=desc",
                Some("version"),
                15,
                Order::Descending,
            ),
            (
                "version ..; order=desc,max=1",
                Some("version"),
                1,
                Order::Descending,
            ),
            ("id ..; max=1000;", Some("id"), 1000, Order::Ascending),
            ("", None, 200, Order::Ascending),
            ("name", Some("name"), 200, Order::Ascending),
            (
                "seq ..; order=desc,max=5000",
                Some("seq"),
                1000,
                Order::Descending,
            ),
        ] {
            let range = Range::parse(header).unwrap();
            assert_eq!(
                (range.field.as_deref(), range.max, range.order),
                (field, max, order)
            );
        }
        assert!(Range::parse("id ..; max=x").is_err());
        assert!(Range::parse("id ..; order=up").is_err());
    }

    #[test]
    fn the_next_range_reads_back_as_a_beginning_left_out() {
        let range = Range {
            order: Order::Descending,
            max: 2,
            ..Range::default()
        };
        let next = Range::parse(&range.next("version", "7")).unwrap();
        assert_eq!((next.start.as_deref(), next.is_after), (Some("7"), true));
        assert_eq!((next.order, next.max), (Order::Descending, 2));
    }
}
