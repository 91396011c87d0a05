// SPDX-License-Identifier: GPL-2.0-only
//! A case for each thing that is rewritten or refused, and for what looks like it and is not.

use super::*;

/// What a text becomes, or what is refused in it.
type Rule = fn(&str) -> Result<String, String>;

fn ours(text: &str) -> Result<String, String> {
    let file = syn::parse_file(text).unwrap();
    let missing = ["testing".to_owned()].into();
    let done = rewrite(text, &file, &missing, true);
    match done.refused.is_empty() {
        true => Ok(done.text),
        false => Err(done.refused.join("\n")),
    }
}

/// Texts, and what they become.
const IMPORTS: &[(&str, &str)] = &[
    ("use dma_fence::Fence;", "use crate::dma_fence::Fence;"),
    ("use ::dma_fence::Fence;", "use crate::dma_fence::Fence;"),
    (
        "pub(crate) use dma_fence::{A, B};",
        "pub(crate) use crate::dma_fence::{A, B};",
    ),
    (
        "#[cfg(x)] use dma_fence::A;",
        "#[cfg(x)] use crate::dma_fence::A;",
    ),
    (
        "use dma_fence as fences;",
        "use crate::dma_fence as fences;",
    ),
    (
        "mod a { use dma_fence; }",
        "mod a { use crate::dma_fence; }",
    ),
    (
        "fn f() { use dma_fence::A; }",
        "fn f() { use crate::dma_fence::A; }",
    ),
    // Over several lines, and beside others.
    (
        "use dma_fence::{\n    A,\n    B, //\n};",
        "use crate::dma_fence::{\n    A,\n    B, //\n};",
    ),
    (
        "use {\n    dma_fence::A,\n    kernel::B,\n};",
        "use {\n    crate::dma_fence::A,\n    kernel::B,\n};",
    ),
    ("use\n    dma_fence::A;", "use\n    crate::dma_fence::A;"),
    (
        "use /* why */ dma_fence /**/ :: A;",
        "use /* why */ crate::dma_fence /**/ :: A;",
    ),
    (
        "/* é */ use dma_fence::A;\r\n",
        "/* é */ use crate::dma_fence::A;\r\n",
    ),
    // Behind what syn takes off.
    (
        "\u{feff}use dma_fence::A;",
        "\u{feff}use crate::dma_fence::A;",
    ),
    (
        "\u{feff}#!/bin/é\nuse dma_fence::A;",
        "\u{feff}#!/bin/é\nuse crate::dma_fence::A;",
    ),
    ("use r#dma_fence::A;", "use crate::r#dma_fence::A;"),
    (
        "use dma_fence::{self as fences, chain::{self}};",
        "use crate::dma_fence::{self as fences, chain::{self}};",
    ),
    // In what a macro is given.
    (
        "m! { use dma_fence as fences; }",
        "m! { use crate::dma_fence as fences; }",
    ),
    (
        "m! { use dma_fence::A; }",
        "m! { use crate::dma_fence::A; }",
    ),
    (
        "macro_rules! m { () => { use ::dma_fence::A; } }",
        "macro_rules! m { () => { use crate::dma_fence::A; } }",
    ),
];

/// What is no such import, and stays as it is.
const STAYS: &[&str] = &[
    "// use dma_fence::Fence;",
    "/*\nuse dma_fence::Fence;\n*/",
    "/// use dma_fence::Fence;\nstruct A;",
    "//! See [`dma_fence::Fence`].",
    "const A: &str = \"use dma_fence::Fence;\";",
    "const A: &str = r#\"\nuse dma_fence::Fence;\n\"#;",
    "fn f() { pr_info!(\"\nuse dma_fence::{}\", 1); }",
    "use dma_fences::A;",
    "use my_dma_fence::A;",
    "use self::dma_fence::A;",
    "use crate::dma_fence::A;",
    "use kernel::dma_fence::A;",
    "use kernel::{dma_fence::A, dma_fence};",
    "fn f() { kernel::dma_fence::a(); m!(kernel::dma_fence::a(), dma_fence); }",
    "fn f() { let dma_fence = 1; m!(dma_fence, dma_fence: 2); }",
    "#[cfg(CONFIG_RUST)]\nmod dma_fence;",
    "use ::{kernel::A, core::B};",
    "macro_rules! m { () => { $crate::dma_fence::a() } }",
    "fn f() { m!(include_str!(\"data/firmware\"), a::kernel::testing, cfg!(CONFIG_SMP)); }",
    // What Linux does not compile may stay what it is.
    "#[cfg(test)]\nmod tests { use dma_fence::testing; fn f() { dma_fence::a(); std::b(); } }",
    "#[cfg(not(CONFIG_RUST))]\nuse dma_fence::testing;",
    "#[cfg(not(CONFIG_RUST))]\nimpl A { fn f() { kernel::testing::f(); } }",
    "impl A { #[cfg(test)] fn f() { dma_fence::a(); } }",
    "const A: &str = include_str!(\"data/firmware\");",
    "#[cfg(all(test, feature = \"debug\"))]\nmod tests;",
    "#[cfg(CONFIG_KUNIT)]\nfn feature() { m!(feature = 1); }",
];

/// What is refused, and by which rule.
const REFUSED: &[(&str, &str)] = &[
    ("fn f() { dma_fence::a(); }", "1: path: "),
    ("fn f() { ::dma_fence::a(); }", "1: path: "),
    ("fn f() {\n    let a: dma_fence::A;\n}", "2: path: "),
    ("impl dma_fence::A for B {}", "1: path: "),
    ("fn f() { m!(a, dma_fence::a()); }", "1: path: "),
    ("fn f() { m!(return dma_fence::a()); }", "1: path: "),
    ("fn f() { m!(a::<dma_fence::A>()); }", "1: path: "),
    ("fn f() { dma_fence::m!(); }", "1: path: "),
    ("m! { impl ::dma_fence::A for B {} }", "1: path: "),
    ("fn f() { m!(return ::dma_fence::a()); }", "1: path: "),
    ("m! { use dma_fence; }", "1: path: "),
    (
        "unsafe extern \"C\" {\n    safe fn f(x: dma_fence::A);\n}",
        "2: path: ",
    ),
    // Colons that are of several crates, and a name that the root has.
    ("use ::{kernel::A, dma_fence::B};", "1: path: "),
    ("use ::{{dma_fence::A, dma_fence::B}};", "1: path: "),
    ("use dma_fence;", "1: path: "),
    ("\npub use dma_fence::{self, Fence};", "2: path: "),
    ("use {kernel::A, dma_fence as dma_fence};", "1: path: "),
    ("#[cfg(feature = \"debug\")]\nfn f() {}", "1: feature: "),
    (
        "#[cfg(feature = \"debug\")]\nuse kernel::A;",
        "1: feature: ",
    ),
    ("fn f() { m!(cfg!(feature = \"debug\")); }", "1: feature: "),
    (
        "fn f() { core::cfg!(feature = \"debug\"); }",
        "1: feature: ",
    ),
    (
        "m! {\n    #[cfg(feature = \"debug\")] fn f() {}\n}",
        "2: feature: ",
    ),
    (
        "fn f() { if cfg!(not(feature = \"debug\")) {} }",
        "1: feature: ",
    ),
    (
        "const A: &str = include_str!(\"../README.md\");",
        "1: outside: ",
    ),
    ("include!(\"table.rs\");", "1: outside: "),
    (
        "const A: &str = include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/a\"));",
        "1: outside: ",
    ),
    (
        "const A: &str = core::include_str!(\"../Cargo.toml\");",
        "1: outside: ",
    ),
    ("fn f() { m!(include_str!(\"../a\")); }", "1: outside: "),
    ("extern crate dma_fence;", "1: extern-crate: "),
    ("use dma_fence::testing::A;", "1: here-only: "),
    ("use dma_fence::{A, testing};", "1: here-only: "),
    (
        "use kernel::{\n    prelude::*,\n    testing::explore,\n};",
        "3: here-only: ",
    ),
    ("fn f() { kernel::testing::f(); }", "1: here-only: "),
    (
        "fn f() { assert!(kernel::testing::f()); }",
        "1: here-only: ",
    ),
    ("m! { use dma_fence::testing::a; }", "1: here-only: "),
    (
        "m! { use kernel::{prelude::*, testing::a}; }",
        "1: here-only: ",
    ),
];

/// The texts with which the rule does something else.
fn wrong(rule: Rule) -> Vec<&'static str> {
    let imports = IMPORTS
        .iter()
        .filter(|(text, new)| rule(text).as_deref() != Ok(new));
    let stays = STAYS
        .iter()
        .filter(|text| rule(text).as_deref() != Ok(text));
    let refused = REFUSED
        .iter()
        .filter(|(text, what)| !rule(text).is_err_and(|said| said.starts_with(what)));
    imports
        .map(|(text, _)| *text)
        .chain(stays.copied())
        .chain(refused.map(|(text, _)| *text))
        .collect()
}

#[test]
fn each_is_rewritten_left_or_refused() {
    assert_eq!(wrong(ours), [""; 0]);
}

/// A rule that goes by lines, and one that goes by words: what a script would have.
#[test]
fn what_does_not_know_the_language_is_wrong_about_some() {
    fn lines(text: &str) -> Result<String, String> {
        Ok(text
            .split_inclusive('\n')
            .map(|line| line.replacen("use dma_fence::", "use crate::dma_fence::", 1))
            .collect())
    }
    fn words(text: &str) -> Result<String, String> {
        Ok(text.replace("dma_fence", "crate::dma_fence"))
    }
    for (rule, text) in [
        (lines as Rule, IMPORTS[8].0),
        (lines, STAYS[0]),
        (lines, STAYS[1]),
        (lines, STAYS[5]),
        (words, STAYS[3]),
        (words, STAYS[7]),
        (words, STAYS[8]),
        (words, STAYS[13]),
    ] {
        assert!(wrong(rule).contains(&text), "{text}");
    }
}

#[test]
fn a_line_is_told_of_with_its_number() {
    let text = "\nmod a {\n    use dma_fence::A;\n}\n";
    let done = rewrite(
        text,
        &syn::parse_file(text).unwrap(),
        &BTreeSet::new(),
        true,
    );
    let line = Line {
        number: 3,
        before: "use dma_fence::A;".into(),
        after: "use crate::dma_fence::A;".into(),
    };
    assert_eq!(done.lines, [line]);
}
