// SPDX-License-Identifier: GPL-2.0-only
//! The examples in the documentation of a file, as tests.

/// What is expected of an example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Run,
    Build,
    Panic,
    Fail,
    /// Not looked at.
    Ignore,
}

/// An example.
#[derive(Debug)]
pub(crate) struct Example {
    /// The file, from the directory of its source.
    pub(crate) file: String,
    /// The directory of that, if there are files of others as well.
    pub(crate) dir: String,
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    body: String,
}

/// The examples of a file.
pub(crate) fn of_file(file: &str, text: &str) -> Vec<Example> {
    let mut out = Vec::new();
    // The fence that is open, and the example in it unless it is of another language.
    let mut open: Option<(&str, Option<Example>)> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let Some(doc) = line.strip_prefix("///").or(line.strip_prefix("//!")) else {
            open = None;
            continue;
        };
        let doc = doc.strip_prefix(' ').unwrap_or(doc);
        let ticks = fence(doc.trim_start());
        match &mut open {
            None if !ticks.is_empty() => {
                let kind = kind(doc.trim_start()[ticks.len()..].trim());
                let example = kind.map(|kind| Example {
                    file: file.to_owned(),
                    dir: String::new(),
                    line: number + 1,
                    kind,
                    body: String::new(),
                });
                open = Some((ticks, example));
            }
            None => {}
            Some((end, example)) if ticks == *end && doc.trim() == ticks => {
                out.extend(example.take());
                open = None;
            }
            Some((_, Some(example))) => {
                example.body += shown(doc);
                example.body += "\n";
            }
            Some(_) => {}
        }
    }
    out
}

/// The backticks that a line begins with, if it has as many as a fence.
fn fence(line: &str) -> &str {
    let count = line.bytes().take_while(|byte| *byte == b'`').count();
    &line[..if count < 3 { 0 } else { count }]
}

/// What is expected of a block with these words behind its fence; nothing of another language.
fn kind(words: &str) -> Option<Kind> {
    let mut kind = Kind::Run;
    let words = words.split(|c: char| c == ',' || c.is_whitespace());
    for word in words.filter(|word| !word.is_empty()) {
        kind = match word {
            "rust" | "edition2021" => kind,
            "no_run" => Kind::Build,
            "should_panic" => Kind::Panic,
            "compile_fail" => Kind::Fail,
            _ if word.starts_with("ignore") => Kind::Ignore,
            _ => return None,
        };
    }
    Some(kind)
}

/// A line as the compiler is shown it: rustdoc hides what follows `# `.
fn shown(line: &str) -> &str {
    let trimmed = line.trim_start();
    match trimmed {
        "#" => "",
        _ if trimmed.starts_with("##") => &trimmed[1..],
        _ => trimmed.strip_prefix("# ").unwrap_or(line),
    }
}

impl Example {
    /// The name of its module and of its file.
    pub(crate) fn name(&self) -> String {
        let file = format!("{}{}", self.dir, self.file.trim_end_matches(".rs"));
        format!("{}_{}", file.replace(['/', '-'], "_"), self.line)
    }

    /// The line of the file that it is in, of a line of `code()`.
    pub(crate) fn line_of(&self, line: usize) -> usize {
        let code = self.code();
        let head = code.lines().position(|line| line.starts_with(HEAD));
        self.line + line.saturating_sub(head.map_or(line, |head| head + 1))
    }

    /// Its file: the example as the body of a function, with the assertions that KUnit has.
    pub(crate) fn code(&self) -> String {
        let body = &self.body;
        let (result, end) = if body.contains("fn main(") {
            ("()", "main();")
        } else if body.trim_end().ends_with("(())") || body.contains("\nOk::<(), ") {
            ("::core::result::Result<(), impl ::core::fmt::Debug>", "")
        } else {
            ("()", "")
        };
        let panics = if self.kind == Kind::Panic {
            "#[should_panic]\n"
        } else {
            ""
        };
        let test = if self.kind == Kind::Build {
            "#[allow(dead_code)] fn built() { let _ = example; }".to_owned()
        } else {
            format!(
                "#[test]\n{panics}fn runs() {{ ::kernel::testing::kunit_case(|| {{ \
                 let _: () = ::core::result::Result::unwrap(shown(example())); }}) }}"
            )
        };
        let shown = if result == "()" {
            "fn shown(_: ()) -> ::core::result::Result<(), ()> { Ok(()) }"
        } else {
            "fn shown<T, E>(result: ::core::result::Result<T, E>) -> ::core::result::Result<T, E> { result }"
        };
        format!("{PRELUDE}{test}\n{shown}\n{HEAD} -> {result} {{\n{body}\n{end}}}\n")
    }
}

/// What the line in front of the body begins with.
const HEAD: &str = "fn example()";

/// In the kernel an example has these as well. Here it has the prelude of `std` too, with a `dbg!`.
const PRELUDE: &str = "\
use ::kernel::{dbg, prelude::*};
macro_rules! assert { ($cond:expr $(,)?) => { ::core::assert!($cond) }; }
macro_rules! assert_eq { ($a:expr, $b:expr $(,)?) => { ::core::assert!($a == $b, \"{} == {}\", stringify!($a), stringify!($b)) }; }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_found_and_others_left() {
        let text = "\
//! ```text
//! no
//! ```
/// ```
/// # let hidden = 1;
/// #[allow(unused)]
/// let x = hidden;
/// ```
fn f() {}
    /// ````ignore
    /// ```
    /// ````
";
        let found = of_file("a/b.rs", text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            found[0].body,
            "let hidden = 1;\n#[allow(unused)]\nlet x = hidden;\n"
        );
        assert_eq!((found[0].line, found[0].kind), (4, Kind::Run));
        assert_eq!(found[0].name(), "a_b_4");
        let code = found[0].code();
        let line = code.lines().position(|line| line.starts_with("let x"));
        assert_eq!(found[0].line_of(line.unwrap() + 1), 7);
        assert_eq!((found[1].line, found[1].kind), (10, Kind::Ignore));
    }
}
