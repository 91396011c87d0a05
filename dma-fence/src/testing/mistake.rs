// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes of drivers, and whether what tells of them names the driver's lines.

use kernel::{
    error::Result,
    prelude::fmt,
    str::CString,
    testing::{console, report::reports_of, vcpu::Stuck, Explorer, Outcome},
};

/// Schedules under which a driver must be silent that makes no mistake.
const SCHEDULES: usize = 25;

/// Schedules of which one must show a mistake.
const MOST: usize = 2000;

/// A driver that is told whether to make its mistake.
#[derive(Clone, Copy, Debug)]
pub struct Mistake<D> {
    /// Its files: the end of each path, and the text.
    pub files: &'static [(&'static str, &'static str)],
    /// The name of the mistake.
    pub name: &'static str,
    /// The driver. May sleep.
    pub driver: D,
}

impl<D: Fn(bool) -> Result + Copy + Send + Sync + 'static> Mistake<D> {
    /// Runs the driver without its mistake, in order, under several schedules and on threads that
    /// run freely, where nothing may be reported. Then with it, as [`Self::tell`] does.
    ///
    /// A production kernel, which checks nothing, runs it without its mistake only.
    ///
    /// # Panics
    ///
    /// If that is not so.
    #[track_caller]
    pub fn judge(self, says: Option<&str>) {
        self.acquit(SCHEDULES);
        if cfg!(feature = "debug") {
            self.tell(says);
        }
    }

    /// Runs the driver without its mistake, in order, under so many schedules and on threads that
    /// run freely.
    ///
    /// # Panics
    ///
    /// If anything is reported.
    #[track_caller]
    pub fn acquit(self, schedules: usize) {
        let Self { driver, .. } = self;
        super::expect_no_report(move || driver(false));
        let explorer = Explorer::new().schedules(schedules);
        let explored = explorer.run(move || driver(false).unwrap());
        assert_eq!(explored, Ok(()));
        assert_eq!(driver(false), Ok(()));
    }

    /// Runs the driver with its mistake, in order: a report must have `says` in it, and name a line
    /// of the files that ends with the word BUG, and after a colon with the name of the mistake, if
    /// with any; or the machine ends, with `says` in what it says of that. If `says` is `None`, nothing may be reported: the mistake is one that no check
    /// can see.
    ///
    /// # Panics
    ///
    /// If that is not so.
    #[track_caller]
    pub fn tell(self, says: Option<&str>) {
        let Self { driver, .. } = self;
        let Some(says) = says else {
            return super::expect_no_report(move || driver(true));
        };
        console::set_loglevel(0);
        let (reports, end) = reports_of(move || driver(true).unwrap());
        let end = end.err();
        let told = reports.iter().any(|report| self.told(&report.text, says))
            || match &end {
                Some(Stuck::Bug(said) | Stuck::Deadlock(said) | Stuck::Endless(said)) => {
                    self.told(said, says)
                }
                _ => false,
            };
        assert!(
            told,
            "expected `{says}` at a line that is marked for {}, but there is this: {reports:#?} {end:?}",
            self.name
        );
    }

    /// Runs the driver with its mistake, in order: one report must have `says` in it, and name each
    /// line that is marked, as that of a circle names both ways round.
    ///
    /// # Panics
    ///
    /// If that is not so.
    #[track_caller]
    pub fn tell_each(self, says: &str) {
        let Self { driver, .. } = self;
        console::set_loglevel(0);
        let (reports, _) = reports_of(move || driver(true).unwrap());
        let told = reports.iter().any(|report| {
            self.told(&report.text, says) && self.lines().all(|line| at(&report.text, line))
        });
        assert!(
            told,
            "expected `{says}` at each line that is marked for {}, but there is this: {reports:#?}",
            self.name
        );
    }

    /// Runs the driver with its mistake under several schedules, one of which must fail.
    ///
    /// # Panics
    ///
    /// If none does.
    #[track_caller]
    pub fn fail_explored(self) {
        assert!(self.explore().is_some(), "no schedule fails");
    }

    /// As [`Self::tell`] under several schedules, one of which must end in a deadlock or an endless
    /// run.
    ///
    /// # Panics
    ///
    /// If that is not so.
    #[track_caller]
    pub fn tell_explored(self, says: &str) {
        console::set_loglevel(0);
        let explored = self.explore();
        let told = match &explored {
            Some(Outcome::Deadlock(said) | Outcome::Endless(said)) => self.told(said, says),
            _ => false,
        };
        assert!(
            told,
            "expected `{says}` at a line that is marked for {}, but there is this: {explored:?}",
            self.name
        );
    }

    /// As [`Self::tell`] under several schedules, one of which must leave memory behind, and name a
    /// line that is marked as where that was allocated.
    ///
    /// # Panics
    ///
    /// If that is not so.
    #[track_caller]
    pub fn tell_left(self) {
        let explored = self.explore();
        let left = matches!(
            explored,
            Some(Outcome::Leak(_) | Outcome::Broken("reference-left"))
        );
        assert!(left, "{explored:?}");
        let told = self.lines().any(|(file, line)| {
            let place = CString::try_from_fmt(fmt!("{file}:{line}"));
            console::said(place.unwrap().to_str().unwrap()) != 0
        });
        assert!(told, "expected a line that is marked for {}", self.name);
    }

    /// How the first of several schedules fails, if any does.
    fn explore(self) -> Option<Outcome> {
        let Self { driver, .. } = self;
        let explorer = Explorer::new().schedules(MOST);
        let explored = explorer.run(move || driver(true).unwrap());
        explored.err().map(|failure| failure.outcome)
    }

    /// True if `text` says that at a line that is marked.
    fn told(self, text: &str, says: &str) -> bool {
        text.contains(says) && self.lines().any(|line| at(text, line))
    }

    /// The lines that are marked.
    fn lines(&self) -> impl Iterator<Item = (&'static str, usize)> + '_ {
        self.files.iter().flat_map(move |&(file, source)| {
            let marked = source.lines().zip(1..).filter(|(line, _)| self.marks(line));
            marked.map(move |(_, number)| (file, number))
        })
    }

    fn marks(&self, line: &str) -> bool {
        let Some((_, names)) = line.rsplit_once("// BUG") else {
            return false;
        };
        let mut names = names
            .split([':', ',', ' '])
            .filter(|name| !name.is_empty())
            .peekable();
        names.peek().is_none() || names.any(|name| name == self.name)
    }
}

/// True if `text` names that line of a file.
fn at(text: &str, (file, line): (&str, usize)) -> bool {
    text.split(file).skip(1).any(|rest| {
        let number = rest.strip_prefix(':').unwrap_or_default();
        let end = number
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(number.len());
        number[..end].parse() == Ok(line)
    })
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
                files: &[(
                    concat!($directory, "/", stringify!($file), ".rs"),
                    include_str!(concat!($directory, "/", stringify!($file), ".rs")),
                )],
                name: stringify!($name),
                driver: $file::$name,
            }
            .judge(says.first().copied());
        })*
    };
}
