//! Server-sent events: the form in which log lines arrive.

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Event {
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Its data, lines joined; none where it only says where the stream stands.
    pub data: Option<String>,
}

/// Puts events together from lines.
#[derive(Debug, Default)]
pub struct Parser {
    event: Event,
}

impl Parser {
    /// Takes one line without its end; gives the event that the line completes.
    pub fn feed(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (event != Event::default()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = Some(value.to_owned()),
            "data" => match &mut self.event.data {
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
        let lines = ": hello|id: 7|:|data: a: b||:|event: x|data:one|data: two||id: 9||:||data||";
        let events: Vec<_> = lines
            .split('|')
            .filter_map(|line| parser.feed(line))
            .collect();
        let event = |id: Option<&str>, data: Option<&str>| Event {
            id: id.map(str::to_owned),
            data: data.map(str::to_owned),
        };
        let expected = [
            event(Some("7"), Some("a: b")),
            event(None, Some("one\ntwo")),
            event(Some("9"), None),
            event(None, Some("")),
        ];
        assert_eq!(events, expected);
    }
}
