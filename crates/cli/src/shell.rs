//! Words as a shell reads them.

/// Joins words into one line that a shell takes apart into the same words. One word alone is a
/// line already.
pub fn joined(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => words
            .iter()
            .map(|word| quoted(word))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// One word, quoted where needed.
pub fn quoted(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:,@%+=".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_the_line_apart_into_the_same_words() {
        let words = ["printf", "%s|", "a b", "it's", "$HOME", "", "*", "-x=1"].map(str::to_owned);
        let line = joined(&words);
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(line)
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "a b|it's|$HOME||*|-x=1|"
        );
        assert_eq!(
            joined(&["echo $HOME; exit 3".to_owned()]),
            "echo $HOME; exit 3"
        );
    }
}
