// SPDX-License-Identifier: GPL-2.0-only
//! Compiles the files and runs their examples and tests.

use crate::{
    cargo::{cargo, Build, Language, Mistake},
    doctests,
    examples::{of_file, Example, Kind},
    given::units,
    place::{known_file, place, put_back, replace, Placed, Stand},
    source::Source,
    table,
    tree::{at, Tree},
    Arguments,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

/// How long an example or a test may take, in seconds.
const LIMIT: &str = "120";

/// What came of an example or a test.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "result", content = "why", rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Passed,
    /// It says why.
    Failed(String),
    /// Something that is wrong was found, as it ran or in one of its schedules.
    Reported(String),
    /// A feature of a compiler that is not stable.
    Nightly(String),
    DoesNotCompile(String),
    /// It says so itself.
    Ignored,
}

impl Outcome {
    pub(crate) fn compiles(&self) -> bool {
        !matches!(self, Self::DoesNotCompile(_))
    }
}

/// An example or a test, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// A file of a row.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) sha256: String,
    /// Of the patch that was applied.
    pub(crate) hunks: usize,
}

/// A row of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) files: Vec<File>,
    /// None if it does not compile.
    pub(crate) stand: Option<Stand>,
    /// The first reason for that.
    pub(crate) reason: Option<String>,
    /// The features that it needs and that are not stable.
    pub(crate) features: Vec<String>,
    pub(crate) examples: Vec<Case>,
    pub(crate) tests: Vec<Case>,
}

impl Row {
    pub(crate) fn new(sources: &[Source]) -> Self {
        let files = sources.iter().map(|source| File {
            name: source.label(),
            sha256: source.sha256.clone(),
            hunks: source.hunks,
        });
        Self {
            files: files.collect(),
            stand: None,
            reason: None,
            features: Vec::new(),
            examples: Vec::new(),
            tests: Vec::new(),
        }
    }

    /// Whether all of it is as it should be.
    pub(crate) fn good(&self) -> bool {
        let good = |case: &Case| {
            matches!(
                case.outcome,
                Outcome::Passed | Outcome::Ignored | Outcome::Nightly(_)
            )
        };
        self.stand.is_some() && self.examples.iter().chain(&self.tests).all(good)
    }
}

/// What all of it needs.
pub(crate) struct Lane<'a> {
    pub(crate) tree: Tree,
    pub(crate) target: PathBuf,
    pub(crate) arguments: &'a Arguments,
}

/// True if nothing was found.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, String> {
    let units = units(arguments)?;
    let tree = Tree::new(
        &arguments.root,
        arguments.work.join("tree"),
        &arguments.list,
    )?;
    let target = arguments.work.clone();
    let lane = Lane {
        tree,
        target,
        arguments,
    };
    if arguments.doctests {
        return doctests::run(&lane, units);
    }
    let rows = lane.rows(&units, true)?;
    if arguments.keep {
        // The tests of the copy are built with stable Rust.
        let stands = |row: &Row| row.stand == Some(Stand::InPlace) && row.features.is_empty();
        let kept = units.iter().zip(&rows).filter(|(_, row)| stands(row));
        let kept: Vec<_> = kept.flat_map(|(unit, _)| unit).collect();
        for source in &kept {
            replace(&lane.tree, source)?;
        }
        eprintln!(
            "upstream: {} stand in {}",
            kept.len(),
            lane.tree.path.display()
        );
    }
    if arguments.json {
        let json = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
        println!("{json}");
    } else {
        table::print(&rows);
    }
    Ok(rows.iter().all(Row::good))
}

impl Lane<'_> {
    /// Tries the sources, then makes the copy what it was.
    pub(crate) fn row_and_back(&self, sources: &[Source], examples: bool) -> Result<Row, String> {
        let row = self.row(sources, examples);
        put_back(&self.tree, &sources.iter().collect::<Vec<_>>())?;
        row
    }

    fn row(&self, sources: &[Source], with_examples: bool) -> Result<Row, String> {
        let mut row = Row::new(sources);
        let placed = match place(
            &self.tree,
            &self.target,
            &sources.iter().collect::<Vec<_>>(),
        )? {
            Ok(placed) => placed,
            Err(mistakes) => {
                row.features = mistakes.iter().filter_map(Mistake::nightly).collect();
                row.features.dedup();
                row.reason = mistakes.first().map(|first| {
                    let more = mistakes.len() - 1;
                    first.say(sources)
                        + &if more > 0 {
                            format!(" (and {more} more)")
                        } else {
                            String::new()
                        }
                });
                return Ok(row);
            }
        };
        row.stand = Some(placed.stand);
        row.features.clone_from(&placed.features);
        for source in sources {
            if with_examples {
                let files = source.own(|file| known_file(&self.tree, source, file));
                let examples = files.flat_map(|file| of_file(&file.name, &file.text));
                let cases = self.examples(&placed, examples.collect())?;
                row.examples.extend(cases);
            }
            row.tests.extend(self.tests(&placed, source, sources)?);
        }
        row.tests.extend(self.load(&placed)?);
        Ok(row)
    }

    /// Makes the package of examples, with nothing in it but `tests/NAME.rs`.
    fn package(&self, placed: &Placed, files: Vec<(String, String)>) -> Result<(), String> {
        let mut files: Vec<_> = files
            .into_iter()
            .map(|(file, text)| (format!("tests/{file}"), text.into_bytes()))
            .collect();
        files.push(("src/lib.rs".to_owned(), Vec::new()));
        self.tree.package("tests", &placed.dependencies, &files)
    }

    /// Builds the examples that compile, and runs them; those that stable Rust does not take without it.
    pub(crate) fn examples(&self, placed: &Placed, all: Vec<Example>) -> Result<Vec<Case>, String> {
        let mut cases = self.examples_in(placed, all.iter().collect())?;
        let unstable: Vec<_> = cases
            .iter()
            .enumerate()
            .filter(|(_, case)| matches!(case.outcome, Outcome::Nightly(_)))
            .map(|(number, _)| number)
            .collect();
        if unstable.is_empty() {
            return Ok(cases);
        }
        let language = Language::Unstable;
        let placed = Placed {
            language,
            ..placed.clone()
        };
        let again = self.examples_in(
            &placed,
            unstable.iter().map(|number| &all[*number]).collect(),
        )?;
        for (number, again) in unstable.into_iter().zip(again) {
            // One that passes is still one that stable Rust does not take.
            if !matches!(again.outcome, Outcome::Passed) {
                cases[number] = again;
            }
        }
        Ok(cases)
    }

    /// What came of each.
    fn examples_in(&self, placed: &Placed, all: Vec<&Example>) -> Result<Vec<Case>, String> {
        let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
        let (mut live, mut fail) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for &example in &all {
            // Of a file that two have, the examples are run once.
            if !seen.insert(example.name()) {
                continue;
            }
            match example.kind {
                Kind::Ignore => drop(outcomes.insert(example.name(), Outcome::Ignored)),
                Kind::Fail => fail.push(example),
                _ => live.push(example),
            }
        }
        let build = loop {
            if live.is_empty() {
                break None;
            }
            self.package(placed, suite(&live))?;
            let arguments = ["test", "-p", "upstream-tests", "--tests", "--no-run"];
            let build = self.build(placed, &arguments)?;
            if build.mistakes.is_empty() {
                break Some(build);
            }
            let before = live.len();
            live.retain(|example| {
                let file = format!("/{}.rs", example.name());
                let mut found = build
                    .mistakes
                    .iter()
                    .filter(|mistake| mistake.file.ends_with(&file));
                let Some(first) = found.next() else {
                    return true;
                };
                let nightly = first.nightly().or_else(|| found.find_map(Mistake::nightly));
                let outcome = match nightly {
                    Some(feature) => Outcome::Nightly(feature),
                    None => {
                        let line = example.line_of(first.line);
                        Outcome::DoesNotCompile(first.say_at(&example.file, line))
                    }
                };
                outcomes.insert(example.name(), outcome);
                false
            });
            if live.len() == before {
                return Err(format!(
                    "the examples do not build: {}",
                    build.mistakes[0].say(&[])
                ));
            }
        };
        let (built, run): (Vec<_>, Vec<_>) = live
            .into_iter()
            .partition(|example| example.kind == Kind::Build);
        outcomes.extend(
            built
                .iter()
                .map(|example| (example.name(), Outcome::Passed)),
        );
        if !run.is_empty() {
            let mut programs = build.iter().flat_map(|build| &build.programs);
            let program = programs.find(|(name, _)| name == "examples");
            let (_, program) = program.ok_or("there is no program of the examples")?;
            let test = |example: &&Example| (program.as_path(), example.name() + "::runs");
            let ran = self.cases(&run.iter().map(test).collect::<Vec<_>>())?;
            outcomes.extend(run.iter().map(|example| example.name()).zip(ran));
        }
        for example in fail {
            self.package(placed, suite(&[example]))?;
            let build = self.build(placed, &["check", "-p", "upstream-tests", "--tests"])?;
            let outcome = if build.mistakes.is_empty() {
                Outcome::Failed("it compiles, but should not".to_owned())
            } else {
                Outcome::Passed
            };
            outcomes.insert(example.name(), outcome);
        }
        let case = |example: &Example| Case {
            name: format!("{}:{}", example.file, example.line),
            outcome: outcomes[&example.name()].clone(),
        };
        Ok(all.into_iter().map(case).collect())
    }

    /// Runs the tests in a source, which is one of those that stand.
    fn tests(&self, placed: &Placed, source: &Source, all: &[Source]) -> Result<Vec<Case>, String> {
        if !source.has_tests() {
            return Ok(Vec::new());
        }
        let build = self.build_tests(placed)?;
        if let Some(first) = build.mistakes.first() {
            let name = "its tests".to_owned();
            let outcome = first
                .nightly()
                .map_or(Outcome::DoesNotCompile(first.say(all)), Outcome::Nightly);
            return Ok(vec![Case { name, outcome }]);
        }
        let mut cases = self.run_tests(&build.programs, &[source])?;
        Ok(cases.pop().unwrap_or_default())
    }

    /// Builds the tests of all that stands.
    pub(crate) fn build_tests(&self, placed: &Placed) -> Result<Build, String> {
        self.build(placed, &["test", "-p", placed.package, "--lib", "--no-run"])
    }

    /// Runs the tests in each source.
    pub(crate) fn run_tests(
        &self,
        programs: &[(String, PathBuf)],
        sources: &[&Source],
    ) -> Result<Vec<Vec<Case>>, String> {
        let modules = sources.iter().map(|source| match &source.module {
            Some(module) => module.join("::") + "::",
            None if source.is_root() => String::new(),
            None => source.stem() + "::",
        });
        let modules: Vec<_> = modules.collect();
        let mut all: Vec<(&Path, String)> = Vec::new();
        for (_, program) in programs {
            let output = Command::new(program)
                .args(["--list", "--format", "terse"])
                .output()
                .map_err(|error| format!("{}: {error}", program.display()))?;
            let text = String::from_utf8_lossy(&output.stdout);
            let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
            let names = names.filter(|name| modules.iter().any(|module| name.starts_with(module)));
            all.extend(names.map(|name| (program.as_path(), name.to_owned())));
        }
        let outcomes = self.cases(&all)?;
        let of = |module: &String| {
            let cases = all.iter().zip(&outcomes);
            let cases = cases.filter(|((_, name), _)| name.starts_with(module));
            let case = |((_, name), outcome): (&(&Path, String), &Outcome)| Case {
                name: name.clone(),
                outcome: outcome.clone(),
            };
            cases.map(case).collect()
        };
        Ok(modules.iter().map(of).collect())
    }

    /// Loads and unloads the module that a file is.
    fn load(&self, placed: &Placed) -> Result<Vec<Case>, String> {
        let mut cases = Vec::new();
        for name in &placed.loaded {
            let code = format!(
                "#[test]\nfn loads() {{ ::kernel::testing::kunit_case({name}::__load_and_unload) }}\n"
            );
            self.package(placed, vec![("load.rs".to_owned(), code)])?;
            let arguments = ["test", "-p", "upstream-tests", "--tests", "--no-run"];
            let build = self.build(placed, &arguments)?;
            let program = build.programs.iter().find(|(name, _)| name == "load");
            let outcome = match (program, build.mistakes.first()) {
                (Some((_, program)), None) => self.case(program, "loads")?,
                (_, Some(first)) => Outcome::DoesNotCompile(first.say(&[])),
                _ => return Err("there is no program that loads".to_owned()),
            };
            let name = "insmod, rmmod".to_owned();
            cases.push(Case { name, outcome });
        }
        Ok(cases)
    }

    fn build(&self, placed: &Placed, arguments: &[&str]) -> Result<Build, String> {
        cargo(&self.tree.path, &self.target, placed.language, arguments)
    }

    /// What came of each test, which are run by as many at once as there are processors.
    fn cases(&self, all: &[(&Path, String)]) -> Result<Vec<Outcome>, String> {
        let next = AtomicUsize::new(0);
        let run = || {
            let mut done = Vec::new();
            while let Some((number, (program, name))) = {
                let number = next.fetch_add(1, Ordering::Relaxed);
                all.get(number).map(|case| (number, case))
            } {
                done.push((number, self.case(program, name)?));
            }
            Ok::<_, String>(done)
        };
        let mut outcomes = BTreeMap::new();
        std::thread::scope(|scope| {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let threads: Vec<_> = (0..processors).map(|_| scope.spawn(run)).collect();
            for thread in threads {
                outcomes.extend(thread.join().map_err(|_| "a thread panicked")??);
            }
            Ok::<_, String>(())
        })?;
        Ok(outcomes.into_values().collect())
    }

    /// Runs a test as it is, then under many schedules.
    fn case(&self, program: &Path, name: &str) -> Result<Outcome, String> {
        let schedules = [0, self.arguments.schedules];
        let ways = if schedules[1] == 0 { 1 } else { 2 };
        for schedules in schedules.into_iter().take(ways) {
            let mut command = Command::new("timeout");
            command
                .args(["-k", "1", LIMIT])
                .arg(program)
                .args(["--exact", name, "--nocapture", "--test-threads=1"])
                .current_dir(&self.tree.path);
            for variable in ["FENCE_SCHEDULES", "FENCE_SEED", "FENCE_SHARD", "FENCE_PATH"] {
                command.env_remove(variable);
            }
            if schedules > 0 {
                command.env("FENCE_CASE_SCHEDULES", schedules.to_string());
            }
            let output = command
                .output()
                .map_err(|error| format!("timeout: {error}"))?;
            if output.status.success() {
                continue;
            }
            let text =
                String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            let log = self
                .arguments
                .work
                .join(format!("{}.log", name.replace("::", ".")));
            at(&log, fs::write(&log, text.as_bytes()))?;
            let why = match (why(&text), output.status.code()) {
                (_, Some(124 | 137)) => format!("has not ended after {LIMIT} s"),
                (Some(why), _) => why,
                (None, _) => format!("{}", output.status),
            };
            let why = format!("{why} ({})", log.display());
            let report = text.contains("BUG: ") || text.contains("WARNING: ");
            return Ok(if schedules > 0 || report {
                Outcome::Reported(why)
            } else {
                Outcome::Failed(why)
            });
        }
        Ok(Outcome::Passed)
    }
}

/// The line that tells most of what went wrong.
fn why(text: &str) -> Option<String> {
    let line = |part: &str| text.lines().find(|line| line.contains(part));
    let panic = text
        .lines()
        .skip_while(|line| !line.contains("panicked at"))
        .nth(1);
    let found = line("BUG: ").or_else(|| line("WARNING: ")).or(panic)?;
    Some(found.trim().to_owned())
}

/// The files of a test target with the examples.
fn suite(examples: &[&Example]) -> Vec<(String, String)> {
    let mut root = ROOT.to_owned();
    let mut files = Vec::new();
    for example in examples {
        let name = example.name();
        root += &format!("#[path = \"examples/{name}.rs\"]\nmod {name};\n");
        files.push((format!("examples/{name}.rs"), example.code()));
    }
    files.push(("examples.rs".to_owned(), root));
    files
}

/// What the root of a crate with examples has in the kernel.
const ROOT: &str = "\
#![allow(dead_code, macro_expanded_macro_exports_accessed_by_absolute_paths, unused)]
const __LOG_PREFIX: &[u8] = b\"doctests\\0\";
struct LocalModule;
impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static kernel::str::CStr = c\"doctests\";
    // SAFETY: Null is what there is where no module is loaded.
    const THIS_MODULE: kernel::ThisModule = unsafe { kernel::ThisModule::from_ptr(core::ptr::null_mut()) };
}
";
