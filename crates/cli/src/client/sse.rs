//! Server-sent events: the form in which log lines arrive.

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Event {
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Its data, lines joined.
    pub data: String,
}

/// Puts events together from lines.
#[derive(Debug, Default)]
pub struct Parser {
    id: Option<String>,
    data: Option<String>,
}

impl Parser {
    /// Takes one line without its end; gives the event that the line completes.
    pub fn feed(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let id = self.id.take();
            return self.data.take().map(|data| Event { id, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) => *data += &format!("\n{value}"),
                none => *none = Some(value.to_owned()),
            },
            _ => {} // comments keep the connection alive; other fields are not for us
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_of_lines_and_comments_do_not() {
        let mut parser = Parser::default();
        let lines = ": hello|id: 7|data: a: b||:|event: x|data:one|data: two||id: 9||data||";
        let events: Vec<_> = lines
            .split('|')
            .filter_map(|line| parser.feed(line))
            .collect();
        let event = |id: Option<&str>, data: &str| Event {
            id: id.map(str::to_owned),
            data: data.to_owned(),
        };
        assert_eq!(
            events,
            [
                event(Some("7"), "a: b"),
                event(None, "one\ntwo"),
                event(None, "")
            ]
        );
    }
}
