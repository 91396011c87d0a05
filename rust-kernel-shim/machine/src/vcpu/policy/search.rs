// SPDX-License-Identifier: GPL-2.0-only
//! A search through all schedules that preempt a task at most so often, depth first.
//!
//! Where tasks block, each that is runnable is tried as the next one, at no cost; where a task could
//! go on, another one, the end of a grace period and the next timer are, for one preemption each.
//! Few preemptions find most bugs, and the number of schedules grows with the power of their number.
//! What goes wrong, an interrupt that is lost, say, is one as well.
//! A task that loops while it waits for others does not go round again before them, so it costs none.

use super::{Chances, Choice, How};
use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex},
};

/// A choice that was made, of so many.
#[derive(Clone, Copy)]
struct Made {
    choice: usize,
    /// 0 if it is not known yet, for it was read from a text.
    of: usize,
}

/// The choices that make a schedule. It stays with the caller, who has it go [on](Path::advance) to the
/// next schedule when one has ended.
#[derive(Clone, Default)]
pub struct Path(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    made: Vec<Made>,
    /// Of these, how many the schedule has made so far.
    at: usize,
    /// What was wrong, if the body does not repeat what it did with the same choices.
    strayed: Option<String>,
}

impl Path {
    /// Goes on to the next schedule; false if there is none.
    pub fn advance(&self) -> bool {
        let mut path = crate::lock(&self.0);
        path.at = 0;
        while let Some(last) = path.made.last_mut() {
            last.choice += 1;
            if last.choice < last.of {
                return true;
            }
            path.made.pop();
        }
        false
    }

    /// What was wrong, if the body does not repeat what it did with the same choices.
    pub fn strayed(&self) -> Option<String> {
        let path = crate::lock(&self.0);
        let (at, before) = (path.at, path.made.len());
        let short = at < before;
        let short = short.then(|| format!("{before} choices lead there, and now there were {at}"));
        path.strayed.clone().or(short)
    }

    /// As it is displayed.
    pub fn text(&self) -> String {
        self.to_string()
    }

    /// Makes a choice of `of`, the same as ever at this place of the path, or else the first.
    fn choose(&self, of: usize) -> usize {
        if of < 2 {
            return 0;
        }
        let mut path = crate::lock(&self.0);
        let at = path.at;
        path.at += 1;
        let Some(made) = path.made.get_mut(at) else {
            path.made.push(Made { choice: 0, of });
            return 0;
        };
        if made.of == 0 {
            made.of = of;
        }
        let Made { choice, of: before } = *made;
        if before != of || choice >= of {
            let strayed = format!("choice {at} was number {choice} of {before}, and now of {of}");
            path.strayed.get_or_insert(strayed);
            return 0;
        }
        choice
    }
}

/// The choices that are not the first, each as PLACE:CHOICE.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = crate::lock(&self.0);
        let mut separator = "";
        let end = path.at.max(1).min(path.made.len());
        for (at, made) in path.made[..end]
            .iter()
            .enumerate()
            .filter(|(_, made)| made.choice != 0)
        {
            write!(f, "{separator}{at}:{}", made.choice)?;
            separator = ",";
        }
        match separator {
            "" => f.write_str("0:0"),
            _ => Ok(()),
        }
    }
}

/// From what is displayed.
impl FromStr for Path {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut made = Vec::new();
        for pair in text.split(',') {
            let (at, choice) = pair.split_once(':').ok_or(())?;
            let (at, choice) = (at.parse::<usize>(), choice.parse());
            let (Ok(at), Ok(choice)) = (at, choice) else {
                return Err(());
            };
            if at < made.len() || at > 100_000_000 {
                return Err(());
            }
            made.resize(at, Made { choice: 0, of: 0 });
            made.push(Made { choice, of: 0 });
        }
        Ok(Self(Arc::new(Mutex::new(Inner {
            made,
            ..Inner::default()
        }))))
    }
}

/// A schedule of the search.
pub struct Search {
    path: Path,
    /// The preemptions that are left.
    preemptions: usize,
    pub(super) how: How,
    /// The address of the task that does not run next unless it is the only one.
    not_next: Option<usize>,
}

impl Search {
    pub(super) fn new(path: Path, preemptions: usize, how: How) -> Self {
        Self {
            path,
            preemptions,
            how,
            not_next: None,
        }
    }

    /// The task does not run next unless it is the only one.
    pub(super) fn not_next(&mut self, task: usize) {
        self.not_next = Some(task);
    }

    /// Which of the tasks that are `runnable` is next.
    pub(super) fn next_of(&mut self, runnable: impl Iterator<Item = usize> + Clone) -> usize {
        let not = self.not_next.take();
        let others = runnable.clone().filter(|&task| Some(task) != not).count();
        if others == 0 {
            return 0;
        }
        let nth = self.path.choose(others);
        let mut others = runnable.enumerate().filter(|&(_, task)| Some(task) != not);
        others.nth(nth).map_or(0, |(at, _)| at)
    }

    /// Each number below `of`.
    pub(super) fn drawn(&self, of: usize) -> usize {
        self.path.choose(of)
    }

    /// Whether something goes wrong that may, for one preemption.
    pub(super) fn fault(&mut self, rate: u32) -> bool {
        let fault = rate != 0 && self.preemptions != 0 && self.path.choose(2) == 1;
        self.preemptions -= usize::from(fault);
        fault
    }

    /// Returns the choice at a point of `task`.
    pub(super) fn at_point(&mut self, task: usize, chances: impl FnOnce() -> Chances) -> Choice {
        if self.preemptions == 0 {
            return Choice::GoOn;
        }
        let chances = chances();
        let choices = [
            (true, Choice::GoOn),
            (chances.others, Choice::Preempt),
            (chances.grace_period, Choice::EndGracePeriod),
            (chances.timer && !self.how.timers_wait, Choice::PassTime),
        ];
        let mut possible = choices.iter().filter(|(possible, _)| *possible);
        let chosen = self.path.choose(possible.clone().count());
        let choice = possible
            .nth(chosen)
            .map_or(Choice::GoOn, |&(_, choice)| choice);
        if !matches!(choice, Choice::GoOn) {
            self.preemptions -= 1;
            if matches!(choice, Choice::Preempt) {
                self.not_next = Some(task);
            }
        }
        choice
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn every_leaf_is_visited_once() {
        let path = Path::default();
        let mut seen = Vec::new();
        loop {
            let first = path.choose(2);
            let second = if first == 1 {
                path.choose(3)
            } else {
                path.choose(1)
            };
            seen.push((first, second, path.to_string()));
            if !path.advance() {
                break;
            }
        }
        let seen: Vec<_> = seen
            .iter()
            .map(|(a, b, text)| (*a, *b, text.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (0, 0, "0:0"),
                (1, 0, "0:1"),
                (1, 1, "0:1,1:1"),
                (1, 2, "0:1,1:2")
            ]
        );
        assert_eq!(path.strayed(), None);
    }

    #[test]
    fn a_path_is_read_again() {
        let path: Path = "1:2,4:1".parse().unwrap_or_default();
        let choices: Vec<_> = [2, 3, 2, 2, 2, 2]
            .into_iter()
            .map(|of| path.choose(of))
            .collect();
        assert_eq!(choices, [0, 2, 0, 0, 1, 0]);
        assert_eq!(path.to_string(), "1:2,4:1");
        for wrong in ["", "1", "1:x", "2:1,1:1", "-1:1"] {
            assert!(wrong.parse::<Path>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_does_not_repeat_itself_strays() {
        let path: Path = "0:2".parse().unwrap_or_default();
        assert_eq!(path.choose(2), 0);
        assert_eq!(
            path.strayed().as_deref(),
            Some("choice 0 was number 2 of 2, and now of 2")
        );
    }
}
