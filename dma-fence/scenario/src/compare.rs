// SPDX-License-Identifier: GPL-2.0-only
//! Comparison of transcripts.

use similar::{capture_diff_slices, group_diff_ops, Algorithm, DiffOp, DiffTag};
use std::fmt::Write;

/// The number of equal lines around a difference.
const CONTEXT: usize = 3;

/// Compares two transcripts: nothing if they are equal, else a unified diff.
///
/// Of a refused command the text behind `?` does not count.
///
/// # Examples
///
/// ```
/// use dma_fence_scenario::compare;
///
/// assert_eq!(compare(b"put b\n  ?\n", b"put b\n  ? no fence b\n"), None);
/// let diff = compare(b"end\n  = live 0\n", b"end\n  = live 1 [a]\n").unwrap_or_default();
/// assert!(diff.contains("-  = live 0\n+  = live 1 [a]\n"));
/// ```
pub fn compare(expected: &[u8], actual: &[u8]) -> Option<String> {
    compare_named("expected", expected, "actual", actual)
}

/// As [`compare()`], with names for the two in the head of the diff.
pub fn compare_named(
    expected_name: &str,
    expected: &[u8],
    actual_name: &str,
    actual: &[u8],
) -> Option<String> {
    let old: Vec<&[u8]> = lines(expected);
    let new: Vec<&[u8]> = lines(actual);
    let old_known: Vec<&[u8]> = old.iter().map(|line| known(line)).collect();
    let new_known: Vec<&[u8]> = new.iter().map(|line| known(line)).collect();
    if old_known == new_known {
        return None;
    }
    let ops = capture_diff_slices(Algorithm::Myers, &old_known, &new_known);
    let mut diff = format!("--- {expected_name}\n+++ {actual_name}\n");
    for hunk in group_diff_ops(ops, CONTEXT) {
        show(&mut diff, &hunk, &old, &new);
    }
    Some(diff)
}

/// The lines with their ends, so that a missing end of line is a difference.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

/// The part of a line that counts.
fn known(line: &[u8]) -> &[u8] {
    let Some(mut rest) = line.strip_prefix(b"  ") else {
        return line;
    };
    if let Some(note) = rest.strip_prefix(b"! ") {
        // "! CB: ?" or "! thread T ?"; a name holds no space and no colon.
        let words = if note.starts_with(b"thread ") { 2 } else { 1 };
        let mut parts = note.splitn(words + 1, |&byte| byte == b' ');
        let before = parts.by_ref().take(words).last().unwrap_or_default();
        if words == 1 && !before.ends_with(b":") {
            return line;
        }
        rest = parts.next().unwrap_or_default();
    }
    match rest {
        [b'?'] | [b'?', b' ' | b'\n' | b'\r', ..] => &line[..line.len() - rest.len() + 1],
        _ => line,
    }
}

/// One hunk of the diff.
fn show(diff: &mut String, hunk: &[DiffOp], old: &[&[u8]], new: &[&[u8]]) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else {
        return;
    };
    let range = |start: usize, end: usize| {
        let lines = end - start;
        // By convention an empty range names the line before it.
        format!("{},{lines}", start + usize::from(lines > 0))
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        diff,
        "@@ -{} +{} @@",
        range(first.old_range().start, last.old_range().end),
        range(first.new_range().start, last.new_range().end)
    );
    for op in hunk {
        let (tag, old_range, new_range) = op.as_tag_tuple();
        // What is equal is shown as it is now, with its refusals' text.
        let (deleted, sign) = match tag {
            DiffTag::Equal => (&[][..], ' '),
            _ => (&old[old_range], '+'),
        };
        let deleted = deleted.iter().map(|line| ('-', line));
        for (sign, line) in deleted.chain(new[new_range].iter().map(|line| (sign, line))) {
            let (text, end) = match line.strip_suffix(b"\n") {
                Some(text) => (text, ""),
                None => (*line, "\n\\ No newline at end of file"),
            };
            let _ = writeln!(diff, "{sign}{}{end}", String::from_utf8_lossy(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_refusal_does_not_count() {
        let recorded = b"put b\n  ?\n  ! c1: ?\n  ! thread t ?\n";
        let ours = b"put b\n  ? a\n  ! c1: ? b c\n  ! thread t ? d\n";
        assert_eq!(compare(recorded, ours), None);
    }

    #[test]
    fn a_refusal_is_not_a_result() {
        for (a, b) in [
            (&b"put b\n  ?\n"[..], &b"put b\n  = ok\n"[..]),
            (b"  ! c1: ?\n", b"  ! c1: = ok\n"),
            (b"  ! c1: ?\n", b"  ! c2: ?\n"),
            (b"  ?\n", b"  ?x\n"),
            (b"? x\n", b"? y\n"),
            (b"  ! cb ? x\n", b"  ! cb ? y\n"),
            (b"end\n", b"end"),
        ] {
            assert!(compare(a, b).is_some(), "{a:?} {b:?}");
            assert!(compare(b, a).is_some(), "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_difference_is_a_unified_diff() {
        let old = b"a\nb\nc\nd\ne\nf\n";
        let new = b"a\nb\nc\nd\nx\nf\n";
        assert_eq!(
            compare_named("old", old, "new", new).as_deref(),
            Some("--- old\n+++ new\n@@ -2,5 +2,5 @@\n b\n c\n d\n-e\n+x\n f\n")
        );
        assert_eq!(
            compare(b"", b"x").as_deref(),
            Some("--- expected\n+++ actual\n@@ -0,0 +1,1 @@\n+x\n\\ No newline at end of file\n")
        );
    }
}
