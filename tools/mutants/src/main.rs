// SPDX-License-Identifier: GPL-2.0-only
//! Replaces function bodies, one at a time, and says which test notices.
//!
//! One build holds all mutations: each function begins with `if mutated(ID) { return VALUE; }`, and
//! an environment variable chooses one. `scripts/mutants --help` says what is counted.
#![forbid(unsafe_code)]

mod cargo;
mod run;
mod source;
mod tree;

use clap::Parser;
use run::{Baseline, Lane, Outcome};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::ExitCode,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};
use tree::{stratum, Tree};

#[derive(Parser)]
#[command(name = "mutants")]
struct Cli {
    /// The seed of the draw
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many mutations are drawn, as many of each stratum as possible
    #[arg(long, value_name = "N", default_value_t = 60)]
    count: usize,
    /// Draw of this stratum only
    #[arg(long, value_name = "S")]
    stratum: Option<String>,
    /// Name what is drawn, and run nothing
    #[arg(long)]
    list: bool,
    /// Begin with no mutation after so many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = u64::from(u32::MAX))]
    time: u64,
    /// The least time that a test binary has; libtest names a test that takes more than a minute
    #[arg(long, value_name = "SECONDS", default_value_t = 75)]
    limit: u64,
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// Where its copy and what is built of it are kept [default: DIR/target/mutants]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The mutations that change nothing which a test could see, a line each
    #[arg(long, value_name = "FILE")]
    equivalent: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(good) => ExitCode::from(u8::from(!good)),
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::from(2)
        }
    }
}

/// How the mutations of a stratum fared.
#[derive(Default)]
struct Count {
    caught: usize,
    hung: usize,
    missed: usize,
}

impl Count {
    /// Of those that did not hang, in hundredths.
    fn percentage(&self) -> usize {
        100 * self.caught / (self.caught + self.missed).max(1)
    }
}

fn run(cli: &Cli) -> Result<bool, String> {
    let start = Instant::now();
    let root = cli
        .root
        .canonicalize()
        .map_err(|error| format!("{}: {error}", cli.root.display()))?;
    let keep = cli
        .keep
        .clone()
        .unwrap_or_else(|| root.join("target/mutants"));
    let wrong = |error| format!("{}: {error}", keep.display());
    fs::create_dir_all(&keep).map_err(wrong)?;
    let keep = keep.canonicalize().map_err(wrong)?;
    let (copy, target) = (keep.join("tree"), keep.join("target"));
    fs::create_dir_all(&copy).map_err(wrong)?;
    let mut tree = Tree::read(&root, copy.clone())?;
    let (present, binaries) = cargo::build(&mut tree, &copy, &target)?;
    let equivalent = match &cli.equivalent {
        Some(path) => {
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => String::new(),
    };
    let equivalent: Vec<_> = equivalent
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .map(|(key, _)| key)
        .collect();

    for key in &equivalent {
        if !present.iter().any(|&id| tree.mutations[id].key() == **key) {
            eprintln!("listed as equivalent, but there is no such mutation: {key}");
        }
    }

    let mut strata: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &id in &present {
        let stratum = stratum(&tree.mutations[id].file).expect("it was drawn from one");
        if !equivalent.contains(&tree.mutations[id].key().as_str())
            && cli.stratum.as_deref().is_none_or(|s| s == stratum)
        {
            strata.entry(stratum).or_default().push(id);
        }
    }
    if strata.is_empty() || binaries.is_empty() || cli.count == 0 {
        return Err("there is nothing to draw, or no test".to_string());
    }
    for (stratum, ids) in &strata {
        eprintln!("{stratum}: {} mutations", ids.len());
    }
    let drawn = draw(cli.seed, cli.count, &strata);
    if cli.list {
        for &id in &drawn {
            println!("{}", tree.mutations[id]);
        }
        return Ok(true);
    }
    let lane = |number| Lane::new(&keep, number, Duration::from_secs(cli.limit));
    let first = lane(0);
    let baseline: Result<Vec<_>, _> = binaries
        .iter()
        .map(|binary| first.baseline(binary, tree.mutations.len()))
        .collect();
    let late = || start.elapsed().as_secs() / 60 >= cli.time;
    let counts = judge(&tree, &drawn, &baseline?, [lane(1), lane(2)], &late)?;
    if counts.is_empty() {
        return Err("there was no time to judge a mutation".to_string());
    }
    for (stratum, count) in &counts {
        let Count {
            caught,
            hung,
            missed,
        } = count;
        println!(
            "{stratum}: {} % caught ({caught} caught, {missed} missed), {hung} hung",
            count.percentage()
        );
    }
    Ok(counts
        .values()
        .all(|count| count.percentage() >= 90 || count.caught + count.missed == 0))
}

/// Draws as many of each stratum as of the others, as far as it has them.
fn draw(seed: u64, count: usize, strata: &BTreeMap<&str, Vec<usize>>) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut decks: Vec<_> = strata.values().cloned().collect();
    decks.iter_mut().for_each(|deck| random.shuffle(deck));
    let mut drawn = Vec::new();
    while drawn.len() < count && decks.iter().any(|deck| !deck.is_empty()) {
        drawn.extend(
            decks
                .iter_mut()
                .filter_map(Vec::pop)
                .take(count - drawn.len()),
        );
    }
    drawn
}

/// Runs the tests that reach each mutation, the nearest first, in two lanes.
fn judge(
    tree: &Tree,
    drawn: &[usize],
    baseline: &[Baseline<'_>],
    lanes: [Lane; 2],
    late: &(dyn Fn() -> bool + Sync),
) -> Result<BTreeMap<String, Count>, String> {
    let queue = Mutex::new(drawn.iter());
    let counts = Mutex::new(BTreeMap::<String, Count>::new());
    let next = || queue.lock().expect("no lane panics").next().copied();
    let run = |lane: Lane| -> Result<(), String> {
        while let Some(id) = next().filter(|_| !late()) {
            let own = tree.package(&tree.mutations[id].file);
            let mut reaching: Vec<_> = baseline
                .iter()
                .filter(|baseline| baseline.reached[id])
                .collect();
            reaching.sort_by_key(|near| (near.binary.package != own, near.time));
            let mut verdict = None;
            for Baseline { binary, time, .. } in &reaching {
                verdict = match lane.mutated(binary, id, *time)? {
                    Outcome::Passed => continue,
                    Outcome::Failed(test) => {
                        Some(("caught", format!("by {}, {test}", binary.name)))
                    }
                    Outcome::Hung(test) => {
                        let test = test.map_or(String::new(), |test| format!(", {test}"));
                        Some(("hung", format!("in {}{test}", binary.name)))
                    }
                };
                break;
            }
            let (what, how) = verdict.unwrap_or_else(|| match reaching.len() {
                0 => ("missed", "not reached".to_string()),
                n => ("missed", format!("by the {n} that reach it")),
            });
            let stratum = stratum(&tree.mutations[id].file).expect("it was drawn from one");
            let mut counts = counts.lock().expect("no lane panics");
            let count = counts.entry(stratum.to_string()).or_default();
            match what {
                "caught" => count.caught += 1,
                "hung" => count.hung += 1,
                _ => count.missed += 1,
            }
            println!("{what} {stratum} {}: {how}", tree.mutations[id]);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let lanes = lanes.map(|lane| scope.spawn(|| run(lane)));
        lanes
            .map(|lane| lane.join().expect("no lane panics"))
            .into_iter()
            .collect::<Result<(), String>>()
    })?;
    Ok(counts.into_inner().expect("no lane panics"))
}
