use std::collections::BTreeMap;
use std::process::Command;

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    let vars = parse(text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(vars
        .into_iter()
        .map(|(key, value)| (key.to_string(), value))
        .collect())
}

fn one(text: &str) -> String {
    let vars = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(vars.len(), 1, "{text:?}: {vars:?}");
    vars[0].1.clone()
}

#[test]
fn values_are_what_is_written_there() {
    for (text, value) in [
        ("A=1", "1"),
        ("A=", ""),
        ("A=''", ""),
        ("  A = 1  ", "1"),
        ("export A=1", "1"),
        ("export\tA=1", "1"),
        ("A=hello world", "hello world"),
        ("A=it's", "it's"),
        ("A=a\"b\"c", "a\"b\"c"),
        ("A=1#c", "1#c"),
        ("A=1##c#", "1##c#"),
        ("A=1 # c", "1"),
        ("A= # c", ""),
        ("A=#fff", "#fff"),
        ("A=\"1\" # c", "1"),
        ("A='1'#c", "1"),
        ("A=http://h/?a=b#c", "http://h/?a=b#c"),
        ("A=pa$$word$1", "pa$$word$1"),
        ("A=\"${HOME}\"", "${HOME}"),
        ("A=$(rm -rf /)", "$(rm -rf /)"),
        ("A=`id`", "`id`"),
        (
            "A=\"a\\nb\\tc\\\\d\\\"e\\$f\\`g\\xh\"",
            "a\nb\tc\\d\"e$f`g\\xh",
        ),
        ("A='a\\nb'", "a\\nb"),
        ("A=c:\\dir", "c:\\dir"),
        ("A=\"x\ny\n\"", "x\ny\n"),
        ("A='x\n# no comment\ny'", "x\n# no comment\ny"),
        ("A=a=b", "a=b"),
        ("\u{feff}A=1", "1"),
        ("A=1\r\n", "1"),
        ("A=\"x\r\ny\"\r\n", "x\ny"),
        ("A=\"x\r\ny\"\n", "x\r\ny"),
        ("A=1\nA=2", "2"),
        ("# A=0\n\n  # c\nA=1\n\n", "1"),
    ] {
        assert_eq!(one(text), value, "{text:?}");
    }
}

#[test]
fn a_bad_line_is_named_by_its_number_and_not_by_its_value() {
    for (text, complaint) in [
        ("A=1\nB", "line 2: there is no ="),
        ("A=1\n\nwhat is this\n", "line 3: there is no ="),
        ("A=\"x\ny\"\nB C=1", "line 3: \"B C\" is no config var name"),
        ("1A=1", "line 1: \"1A\""),
        ("a-b=1", "line 1: \"a-b\""),
        ("PORT=5000", "line 1: PORT is reserved"),
        (
            "A=1\nB=\"secret\nC=2",
            "line 2: the quote that begins here has no end",
        ),
        (
            "A=\"secret\\",
            "line 1: the quote that begins here has no end",
        ),
        (
            "A='it\\'s'",
            "line 1: there is more after the closing quote",
        ),
        (
            "A=\"x\" secret",
            "line 1: there is more after the closing quote",
        ),
        ("A=x\0secret", "line 1: there is a NUL byte"),
        ("export A", "line 1: there is no ="),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.contains(complaint), "{text:?}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    assert_eq!(
        parse(b"A=1\nB=caf\xe9\n").unwrap_err().to_string(),
        "line 2: it is not UTF-8"
    );
}

#[test]
fn what_is_printed_is_quoted_only_where_needed() {
    for (value, line) in [
        ("", "A=''\n"),
        ("plain-1", "A=plain-1\n"),
        ("postgres://u:p@h:5432/d", "A=postgres://u:p@h:5432/d\n"),
        ("two words", "A='two words'\n"),
        ("$HOME `id` \"x\"", "A='$HOME `id` \"x\"'\n"),
        ("it's $5", "A=\"it's \\$5\"\n"),
        ("c:\\", "A=\"c:\\\\\"\n"),
        ("a\nb", "A='a\nb'\n"),
    ] {
        assert_eq!(print([("A", value)].into_iter()), line);
    }
}

/// Whatever the implementations agree on among those that take quotes, we read too.
#[test]
fn the_corpus_is_read_as_most_others_read_it() {
    let path = "/work/shared/corpora/dotenv.json";
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("skipped: there is no {path}");
        return;
    };
    let corpus: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut agreed = 0;
    for case in corpus["cases"].as_array().unwrap() {
        let Some(input) = case["input"].as_str() else {
            continue;
        };
        let expected: Vec<_> = ["python-dotenv", "node-dotenv", "godotenv", "docker-compose"]
            .iter()
            .map(|name| case["expect"][name]["ok"].clone())
            .collect();
        let is_common = expected.iter().all(|e| e.is_object() && *e == expected[0]);
        let Ok(map) = serde_json::from_value::<BTreeMap<String, String>>(expected[0].clone())
        else {
            continue;
        };
        if !is_common
            || input.contains('\0')
            || map
                .keys()
                .any(|key| key.parse::<noon_domain::ConfigKey>().is_err())
        {
            continue;
        }
        let ours: BTreeMap<_, _> = read(input).unwrap_or_default().into_iter().collect();
        assert_eq!(ours, map, "{}: {input:?}", case["id"]);
        agreed += 1;
    }
    assert!(agreed >= 15, "only {agreed} cases were compared");
}

#[test]
fn a_shell_reads_what_is_printed() {
    let values = [
        "it's", "$HOME", "`id`", "a\nb\n", "\\", "x\\'", "!x", "~", "a\"b", " ", "ü#",
    ];
    let names: Vec<String> = (0..values.len()).map(|index| format!("V{index}")).collect();
    let text = print(names.iter().map(String::as_str).zip(values));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".env");
    std::fs::write(&file, text).unwrap();
    let script = names.iter().fold(". \"$1\"".to_owned(), |script, name| {
        format!("{script}; printf '%s\\0' \"${name}\"")
    });
    let output = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg("sh")
        .arg(&file)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<_> = printed.split_terminator('\0').collect();
    assert_eq!(printed, values);
}

proptest! {
    #[test]
    fn whatever_is_printed_reads_back(values in proptest::collection::vec("[^\\x00]{0,20}", 0..5)) {
        let names: Vec<String> = (0..values.len()).map(|index| format!("V{index}")).collect();
        let text = print(names.iter().map(String::as_str).zip(values.iter().map(String::as_str)));
        let read = read(&text).unwrap();
        prop_assert_eq!(read, names.into_iter().zip(values).collect::<Vec<_>>(), "{}", text);
    }

    #[test]
    fn awkward_values_read_back(value in "['\"\\\\$`#= \\r\\n\\tan\u{feff}]{0,12}") {
        let text = print([("A", value.as_str())].into_iter());
        prop_assert_eq!(one(&text), value, "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "([A\"'=\\\\# \\n\\r]|\\PC){0,30}") {
        let _ = parse(text.as_bytes());
    }
}
