// SPDX-License-Identifier: GPL-2.0-only
//! `--fault KIND=RATE`.

use fake_gpu::Fault;

/// The kind of fault, and how often it happens, in one of 1000 cases.
pub(crate) fn parse(text: &str) -> Result<(Fault, u32), String> {
    let (kind, rate) = text
        .split_once('=')
        .ok_or("expected KIND=RATE, such as lost=0.01")?;
    let fault = Fault::ALL.into_iter().find(|fault| fault.name() == kind);
    let fault = fault.ok_or_else(|| {
        let kinds = Fault::ALL.map(Fault::name).join(", ");
        format!("no kind of fault `{kind}`: expected one of {kinds}")
    })?;
    let rate = fraction(rate)
        .filter(|rate| (0.0..=1.0).contains(rate))
        .ok_or_else(|| format!("no rate `{rate}`: expected 0 to 1, such as 0.01, 1/100 or 1%"))?;
    // CAST: Between 0 and 1000.
    Ok((fault, (rate * 1000.0).round() as u32))
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
            ("lost=2", "0 to 1"),
            ("lost=1/0", "0 to 1"),
            ("lost=x", "0 to 1"),
        ] {
            assert!(
                parse(text).is_err_and(|error| error.contains(expected)),
                "{text}"
            );
        }
    }
}
