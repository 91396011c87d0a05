// SPDX-License-Identifier: GPL-2.0-only
//! Numbers and errors, as they are written in scenarios and transcripts.

macro_rules! errors {
    ($($name:ident)*) => {
        [$((kernel::bindings::$name as i64, stringify!($name))),*]
    };
}

/// The errors that have a name in the language, with Linux's numbers.
const ERRORS: [(i64, &str); 20] = errors! {
    EPERM ENOENT EINTR EIO EAGAIN ENOMEM EFAULT EBUSY ENODEV EINVAL ENOSPC EDEADLK ENODATA ETIME
    EPROTO EOVERFLOW EOPNOTSUPP ETIMEDOUT ECANCELED ERESTARTSYS
};

/// The names of the errors, without the sign.
pub(crate) fn error_names() -> impl Iterator<Item = &'static str> {
    ERRORS.iter().map(|&(_, name)| name)
}

/// A number as a transcript has it: a named error by its name.
pub(crate) fn show(value: i64) -> String {
    match ERRORS.iter().find(|&&(number, _)| value == -number) {
        Some((_, name)) => format!("-{name}"),
        None => value.to_string(),
    }
}

/// A signed number or a named error.
pub(crate) fn signed(word: &[u8]) -> Option<i64> {
    let Some(rest) = word.strip_prefix(b"-") else {
        return i64::try_from(unsigned(word)?).ok();
    };
    if rest.first()?.is_ascii_alphabetic() {
        let found = ERRORS.iter().find(|(_, name)| name.as_bytes() == rest);
        return found.map(|&(number, _)| -number);
    }
    0i64.checked_sub_unsigned(magnitude(rest)?)
}

/// An unsigned number. A plus sign is allowed, as it is in the kernel.
pub(crate) fn unsigned(word: &[u8]) -> Option<u64> {
    magnitude(word.strip_prefix(b"+").unwrap_or(word))
}

/// Digits alone: decimal, or hexadecimal after `0x`.
fn magnitude(word: &[u8]) -> Option<u64> {
    let (digits, radix) = match word {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        digits => (digits, 10),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, &byte| {
        let digit = char::from(byte).to_digit(radix)?;
        value.checked_mul(radix.into())?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(unsigned(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(unsigned(b"0xffffffffffffffff"), Some(u64::MAX));
        assert_eq!(unsigned(b"0X1f"), Some(31));
        assert_eq!(unsigned(b"010"), Some(10));
        for bad in [
            &b""[..],
            b"0x",
            b"-1",
            b"1a",
            b"18446744073709551616",
            b"++1",
            b"\xb2",
        ] {
            assert_eq!(unsigned(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn signed_numbers_reach_both_ends() {
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(signed(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(signed(b"-0x10"), Some(-16));
        assert_eq!(signed(b"-EIO"), Some(-5));
        for bad in [
            &b"-"[..],
            b"--1",
            b"-+1",
            b"EIO",
            b"-EFOO",
            b"9223372036854775808",
        ] {
            assert_eq!(signed(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn errors_are_shown_by_name() {
        assert_eq!(show(-512), "-ERESTARTSYS");
        assert_eq!(show(512), "512");
        assert_eq!(show(-6), "-6");
        assert_eq!(show(0), "0");
    }
}
