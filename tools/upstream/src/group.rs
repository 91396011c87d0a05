// SPDX-License-Identifier: GPL-2.0-only
//! Many units in few builds: those that compile together stand together. What comes of a unit is
//! told as if it were alone, and one that does not compile in company is alone.

use crate::{
    cargo::{Language, Mistake},
    examples::of_file,
    place::{known, known_file, put, put_back, Placed, Stand},
    run::{Lane, Row},
    source::Source,
};
use std::collections::{btree_map::Entry, BTreeMap};

/// What a group is tried as, in the order in which one unit is.
const WAYS: [(Language, Stand); 4] = [
    (Language::Stable, Stand::InPlace),
    (Language::Stable, Stand::Beside),
    (Language::Unstable, Stand::InPlace),
    (Language::Unstable, Stand::Beside),
];

/// Some units, by number.
type Members = Vec<usize>;

impl Lane<'_> {
    /// A row for each unit.
    pub(crate) fn rows(&self, units: &[Vec<Source>], examples: bool) -> Result<Vec<Row>, String> {
        let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
        let module = |unit: &usize| units[*unit].iter().all(|source| source.module.is_some());
        // Two units may share a file, and only one of them have a patch for it.
        let grouped = self.arguments.patch.is_empty();
        let (modules, others): (Members, Members) =
            (0..units.len()).partition(|unit| grouped && module(unit));
        // As long as the kernel crate is ours it is not built again.
        for unit in others {
            rows.insert(unit, self.alone(&units[unit], examples)?);
        }
        if modules.len() > 1 {
            self.groups(units, modules, examples, &mut rows)?;
        }
        for (unit, sources) in units.iter().enumerate() {
            if let Entry::Vacant(row) = rows.entry(unit) {
                row.insert(self.alone(sources, examples)?);
            }
        }
        Ok(rows.into_values().collect())
    }

    fn alone(&self, unit: &[Source], examples: bool) -> Result<Row, String> {
        let labels: Vec<_> = unit.iter().map(Source::label).collect();
        eprintln!("upstream: {}", labels.join(", "));
        self.row_and_back(unit, examples)
    }

    /// Adds the rows of the units that stand in a group.
    fn groups(
        &self,
        units: &[Vec<Source>],
        mut left: Members,
        examples: bool,
        rows: &mut BTreeMap<usize, Row>,
    ) -> Result<(), String> {
        let mut features: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (language, stand) in WAYS {
            let fits = |unit: &usize| {
                let known = units[*unit].iter().all(|source| known(&self.tree, source));
                (known || stand == Stand::Beside)
                    && (language == Language::Stable || features.contains_key(unit))
            };
            let (mut open, mut next): (Members, Members) = left.into_iter().partition(fits);
            loop {
                let mut fallen = BTreeMap::new();
                let settled = self.settle(units, (language, stand), open, &mut fallen)?;
                open = fallen.keys().copied().collect();
                let Some((placed, members)) = settled else {
                    for (unit, mistakes) in fallen {
                        let mut wants: Vec<_> =
                            mistakes.iter().filter_map(Mistake::nightly).collect();
                        wants.sort();
                        wants.dedup();
                        if language == Language::Stable && !wants.is_empty() {
                            features.entry(unit).or_insert(wants);
                        }
                    }
                    break;
                };
                // Those that fell may do so in other company only, so they are tried again.
                let ran = self.group(units, &placed, &members, examples);
                put_back(&self.tree, &sources(units, &members))?;
                for (unit, mut row) in ran? {
                    if let (Language::Unstable, Some(wants)) = (language, features.get(&unit)) {
                        row.features.clone_from(wants);
                    }
                    rows.insert(unit, row);
                }
            }
            next.extend(open);
            next.sort_unstable();
            left = next;
        }
        Ok(())
    }

    /// Puts in what compiles together, and tells what fell out of that, with the mistakes in it.
    fn settle(
        &self,
        units: &[Vec<Source>],
        (language, stand): (Language, Stand),
        mut members: Members,
        fallen: &mut BTreeMap<usize, Vec<Mistake>>,
    ) -> Result<Option<(Placed, Members)>, String> {
        while !members.is_empty() {
            let all = sources(units, &members);
            let mistakes = match put(&self.tree, &self.target, language, stand, &all)? {
                Ok(placed) => return Ok(Some((placed, members))),
                Err(mistakes) => mistakes,
            };
            put_back(&self.tree, &all)?;
            let (mut bad, mut good) = blame(units, members, &mistakes);
            if bad.is_empty() {
                bad = good.split_off(good.len() / 2);
            }
            for unit in bad {
                let of = |mistake: &&Mistake| {
                    units[unit].iter().any(|source| source.is_at(&mistake.file))
                };
                let own = mistakes.iter().filter(of).cloned().collect();
                fallen.insert(unit, own);
            }
            members = good;
        }
        Ok(None)
    }

    /// The rows of a group that stands, but of those whose tests do not build in it.
    fn group(
        &self,
        units: &[Vec<Source>],
        placed: &Placed,
        members: &[usize],
        examples: bool,
    ) -> Result<Vec<(usize, Row)>, String> {
        let words = placed.stand.words();
        eprintln!("upstream: {} files {words}, at once", members.len());
        let mut members = members.to_vec();
        let (programs, tested) = loop {
            let tested = |unit: &usize| units[*unit].iter().any(Source::has_tests);
            let tested: Members = members.iter().copied().filter(tested).collect();
            if tested.is_empty() {
                break (Vec::new(), tested);
            }
            let build = self.build_tests(placed)?;
            if build.mistakes.is_empty() {
                break (build.programs, tested);
            }
            let (mut bad, _) = blame(units, members.clone(), &build.mistakes);
            if bad.is_empty() {
                bad = tested;
            }
            members.retain(|unit| !bad.contains(unit));
            put_back(&self.tree, &sources(units, &bad))?;
            // A unit that stays may share a file with one that goes.
            let stay = sources(units, &members);
            if put(
                &self.tree,
                &self.target,
                placed.language,
                placed.stand,
                &stay,
            )?
            .is_err()
            {
                return Ok(Vec::new());
            }
        };
        let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
        for unit in &members {
            let mut row = Row::new(&units[*unit]);
            row.stand = Some(placed.stand);
            rows.insert(*unit, row);
        }
        let all = sources(units, &tested);
        let cases = self.run_tests(&programs, &all)?;
        let of = tested
            .iter()
            .flat_map(|unit| units[*unit].iter().map(move |_| *unit));
        for (unit, cases) in of.zip(cases) {
            rows.entry(unit).and_modify(|row| row.tests.extend(cases));
        }
        if examples {
            let (mut all, mut of) = (Vec::new(), Vec::new());
            for unit in &members {
                for source in &units[*unit] {
                    for file in source.own(|file| known_file(&self.tree, source, file)) {
                        for mut example in of_file(&file.name, &file.text) {
                            example.dir = source.dir();
                            all.push(example);
                            of.push(*unit);
                        }
                    }
                }
            }
            for (unit, case) in of.into_iter().zip(self.examples(placed, all)?) {
                rows.entry(unit).and_modify(|row| row.examples.push(case));
            }
        }
        // An example may not compile because of another file.
        rows.retain(|_, row| row.examples.iter().all(|case| case.outcome.compiles()));
        Ok(rows.into_iter().collect())
    }
}

/// The units with a mistake in their files, and the others.
fn blame(units: &[Vec<Source>], members: Members, mistakes: &[Mistake]) -> (Members, Members) {
    let has = |source: &Source| mistakes.iter().any(|mistake| source.is_at(&mistake.file));
    members
        .into_iter()
        .partition(|unit| units[*unit].iter().any(has))
}

fn sources<'a>(units: &'a [Vec<Source>], members: &[usize]) -> Vec<&'a Source> {
    members.iter().flat_map(|unit| &units[*unit]).collect()
}
