// SPDX-License-Identifier: GPL-2.0-only
//! `--fault KIND=RATE`.

use fake_gpu::Fault;

/// The kind of fault, and how often it happens, per mille.
pub(crate) fn parse(text: &str) -> Result<(Fault, u32), String> {
    let (kind, rate) = text
        .split_once('=')
        .ok_or("expected KIND=RATE, such as lost=0.01")?;
    let fault = Fault::ALL.into_iter().find(|fault| fault.name() == kind);
    let fault = fault.ok_or_else(|| {
        let kinds = Fault::ALL.map(Fault::name).join(", ");
        format!("no kind of fault `{kind}`: expected one of {kinds}")
    })?;
    let rate = fraction(rate).and_then(thousandths).ok_or_else(|| {
        format!("no rate `{rate}`: expected 0, or 0.001 to 1, such as 0.01, 1/100 or 1%")
    })?;
    Ok((fault, rate))
}

/// A rate above 0 is not rounded to 0.
fn thousandths(rate: f64) -> Option<u32> {
    if !(0.0..=1.0).contains(&rate) {
        return None;
    }
    // CAST: Between 0 and 1000.
    let rounded = (rate * 1000.0).round() as u32;
    (rounded > 0 || rate == 0.0).then_some(rounded)
}

fn fraction(text: &str) -> Option<f64> {
    if let Some((part, whole)) = text.split_once('/') {
        return Some(part.parse::<f64>().ok()? / whole.parse::<f64>().ok()?);
    }
    match text.strip_suffix('%') {
        Some(percent) => Some(percent.parse::<f64>().ok()? / 100.0),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_forms() {
        for text in ["lost=0.01", "lost=1/100", "lost=1%"] {
            assert_eq!(parse(text), Ok((Fault::LostInterrupt, 10)), "{text}");
        }
        assert_eq!(parse("hang=1"), Ok((Fault::Hang, 1000)));
    }

    #[test]
    fn anything_else_is_told_what_would_be_right() {
        for (text, expected) in [
            ("lost", "KIND=RATE"),
            ("last=1", "lost, late, spurious, torn, hang"),
            ("lost=2", "0.001 to 1"),
            ("lost=1/0", "0.001 to 1"),
            ("lost=x", "0.001 to 1"),
            ("lost=-0.1", "0.001 to 1"),
            ("lost=NaN", "0.001 to 1"),
        ] {
            assert!(
                parse(text).is_err_and(|error| error.contains(expected)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_rate_is_0_only_if_it_says_so() {
        for text in ["lost=1/10000", "lost=0.0004", "lost=0.01%"] {
            assert!(
                parse(text).is_err_and(|error| error.contains("expected 0, or 0.001 to 1")),
                "{text}"
            );
        }
        for text in ["lost=0", "lost=0.0", "lost=0/7", "lost=0%"] {
            assert_eq!(parse(text), Ok((Fault::LostInterrupt, 0)), "{text}");
        }
        assert_eq!(parse("lost=0.001"), Ok((Fault::LostInterrupt, 1)));
    }
}
