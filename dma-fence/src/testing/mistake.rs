// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes of drivers, and whether what tells of them names the driver's lines.

use kernel::{
    error::Result,
    testing::{console, report::reports_of, vcpu::Stuck, Explorer},
};

/// Schedules under which a driver must be silent that makes no mistake.
const SCHEDULES: usize = 25;

/// A driver that is told whether to make its mistake.
#[derive(Clone, Copy, Debug)]
pub struct Mistake {
    /// The end of the path of its file.
    pub file: &'static str,
    /// The text of that file.
    pub source: &'static str,
    /// The driver. May sleep.
    pub driver: fn(bool) -> Result,
}

impl Mistake {
    /// Runs the driver without its mistake, in order, under several schedules and on threads that
    /// run freely, where nothing may be reported. Then with it, in order: a report must have `says`
    /// in it, and name a line of the file that ends with the word BUG; or the machine ends at a bug
    /// with `says` in its message, where it cannot go on. If that is `None`, nothing may be
    /// reported: the mistake is one that no check can see.
    ///
    /// A production kernel, which checks nothing, runs it without its mistake only.
    ///
    /// # Panics
    ///
    /// If that is not so.
    #[track_caller]
    pub fn judge(self, says: Option<&str>) {
        super::expect_no_report(move || (self.driver)(false));
        let explorer = Explorer::new().schedules(SCHEDULES);
        let explored = explorer.run(move || (self.driver)(false).unwrap());
        assert_eq!(explored, Ok(()));
        assert_eq!((self.driver)(false), Ok(()));
        if cfg!(not(feature = "debug")) {
            return;
        }
        let Some(says) = says else {
            return super::expect_no_report(move || (self.driver)(true));
        };
        console::set_loglevel(0);
        let (reports, end) = reports_of(move || (self.driver)(true).unwrap());
        let told = |text: &str| text.contains(says) && self.lines().any(|line| self.at(text, line));
        let told = reports.iter().any(|report| told(&report.text))
            || matches!(&end, Err(Stuck::Bug(message)) if message.contains(says));
        assert!(
            told,
            "expected `{says}` at a marked line of {}, but there is this: {reports:#?} {end:?}",
            self.file
        );
    }

    /// The numbers of the lines that end with the word BUG.
    fn lines(&self) -> impl Iterator<Item = usize> {
        let numbered = self.source.lines().zip(1..);
        let marked = numbered.filter(|(line, _)| line.ends_with("// BUG"));
        marked.map(|(_, number)| number)
    }

    /// True if `text` names that line of the file.
    fn at(&self, text: &str, line: usize) -> bool {
        text.split(self.file).skip(1).any(|rest| {
            let number = rest.strip_prefix(':').unwrap_or_default();
            let end = number
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(number.len());
            number[..end].parse() == Ok(line)
        })
    }
}

/// Declares a test of each of these functions in files of a directory, with what tells of its
/// mistake; without that if nothing does.
#[macro_export]
macro_rules! mistakes {
    ($directory:literal: $($file:ident::$name:ident $(, $says:literal)?;)*) => {
        $(#[test]
        fn $name() {
            let says: &[&str] = &[$($says)?];
            $crate::testing::Mistake {
                file: concat!($directory, "/", stringify!($file), ".rs"),
                source: include_str!(concat!($directory, "/", stringify!($file), ".rs")),
                driver: $file::$name,
            }
            .judge(says.first().copied());
        })*
    };
}
