// SPDX-License-Identifier: GPL-2.0-only
//! Names of functions, as reports show them.

use std::ffi::c_void;

/// A path without its generics, and without what it is in, unless that is a type: `KBox::new`.
pub(super) fn short(path: &str) -> String {
    let path = match path.strip_prefix('<') {
        // `<Type as Trait>::function`
        Some(rest) => {
            let end = closing(rest);
            let inside = &rest[..end];
            let outer = inside.split(" as ").next().unwrap_or(inside);
            format!("{outer}{}", rest.get(end + 1..).unwrap_or(""))
        }
        None => path.into(),
    };
    let segments = segments(&path);
    let mut last = segments.iter().rev();
    let Some(function) = last.next() else {
        return path;
    };
    match last.next() {
        Some(outer) if outer.starts_with(char::is_uppercase) => format!("{outer}::{function}"),
        _ => function.clone(),
    }
}

/// Where the bracket that has been opened before `text` is closed.
fn closing(text: &str) -> usize {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if !text[..at].ends_with('-') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The segments of a path that have names, without their generics.
fn segments(path: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = path;
    while let Some(at) = rest.find('<') {
        plain.push_str(&rest[..at]);
        let inside = &rest[at + 1..];
        rest = inside.get(closing(inside) + 1..).unwrap_or("");
    }
    plain.push_str(rest);
    plain
        .split("::")
        .filter(|segment| !segment.is_empty() && !segment.starts_with('{'))
        .map(|segment| segment.trim_start_matches(['&', '*']).into())
        .collect()
}

/// The name of the function at an address, unless a better one is known.
pub fn function(addr: *const c_void, known: Option<&str>) -> String {
    let mut name = known.map(String::from);
    // What is asked for is what has called: the address before this one.
    let at = addr.cast_mut().wrapping_byte_add(1);
    backtrace::resolve(at, |symbol| {
        let found = symbol.name().map(|name| format!("{name:#}"));
        name = name.take().or(found);
    });
    name.unwrap_or_else(|| format!("{addr:p}"))
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_path_is_shown_by_its_end() {
        for (path, shown) in [
            ("bindings::base::refcount::refcount_inc", "refcount_inc"),
            ("kernel::alloc::kbox::KBox<T,A>::new", "KBox::new"),
            (
                "<kernel::sync::arc::Arc<T> as core::ops::drop::Drop>::drop",
                "Arc::drop",
            ),
            (
                "kernel::workqueue::Queue::enqueue::{{closure}}",
                "Queue::enqueue",
            ),
            ("<impl Fn() -> u8 as a::Call>::call", "call"),
        ] {
            assert_eq!(short(path), shown);
        }
    }
}
