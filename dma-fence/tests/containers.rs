// SPDX-License-Identifier: GPL-2.0-only
//! Containers of any shape against a pure model of them.
//!
//! What a walk finds and what a merge keeps is compared, at every step and of all that there is at the
//! end; and when all is dropped, each fence that was made must be gone, and all memory with it.
//!
//! The random ones are the same in each run. `PROPTEST_RNG_SEED` gives others, `PROPTEST_CASES` more.

#![forbid(unsafe_code)]

use ::dma_fence::{
    merge,
    testing::{listen, Event, Kind, Listener},
    ArcDriverFence, Fence, FenceArray, FenceChain, FenceChainAllocation, FenceContext,
    FenceContextOps, Ktime,
};
use kernel::{
    alloc::flags::GFP_KERNEL,
    error::code::{EIO, ENOMEM},
    init::InPlaceInit as _,
    sync::{aref::ARef, Arc},
    testing::{memory::fail_nth, vcpu},
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    env,
};

/// Timelines whose numbers have 32 bits, and wrap around on the way.
struct Narrow;

impl FenceContextOps for Narrow {
    type FenceDataType = ();
    const SEQNO64: bool = false;
}

const FIRST: u64 = u32::MAX as u64 - 1000;

std::thread_local! {
    /// Fences that are there, made in this thread.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// Which of the tests this is.
    static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Counts the fences of a test.
struct Count(usize);

static COUNTS: [Count; 2] = [Count(0), Count(1)];

impl Listener for Count {
    fn event(&self, event: &Event<'_>) {
        if NUMBER.get() == self.0 {
            LIVE.set(match event.kind {
                Kind::Init => LIVE.get() + 1,
                Kind::Destroy => LIVE.get() - 1,
                _ => LIVE.get(),
            });
        }
    }
}

/// The place of an object in the tables.
type Id = usize;

/// What the model knows of an object.
enum Made {
    /// A fence of a driver, or a stub.
    Leaf {
        context: u64,
        signaled: Option<i64>,
    },
    Array(Vec<Id>),
    Node {
        prev: Option<Id>,
        contained: Id,
    },
}

/// What is made of a merge.
#[derive(Debug, PartialEq)]
enum Merged {
    Stub(i64),
    Same(Id),
    Array(Vec<Id>),
}

#[derive(Default)]
struct Model(Vec<Made>);

impl Model {
    fn signaled(&self, id: Id) -> bool {
        match &self.0[id] {
            Made::Leaf { signaled, .. } => signaled.is_some(),
            Made::Array(members) => members.iter().all(|&member| self.signaled(member)),
            Made::Node { prev, contained } => {
                self.signaled(*contained) && prev.is_none_or(|prev| self.signaled(prev))
            }
        }
    }

    fn contained(&self, id: Id) -> Id {
        match self.0[id] {
            Made::Node { contained, .. } => contained,
            _ => id,
        }
    }

    /// The next before this that has not signalled.
    fn prev(&self, id: Id) -> Option<Id> {
        let Made::Node { prev, .. } = self.0[id] else {
            return None;
        };
        let prev = prev?;
        if self.signaled(self.contained(prev)) {
            return self.prev(prev);
        }
        Some(prev)
    }

    /// The leaves in this, in their order.
    fn walk(&self, head: Id) -> Vec<Id> {
        let nodes = std::iter::successors(Some(head), |&id| self.prev(id));
        let leaves = nodes.flat_map(|id| match &self.0[self.contained(id)] {
            Made::Array(members) => members.clone(),
            _ => vec![self.contained(id)],
        });
        leaves.collect()
    }

    fn merge(&self, heads: &[Id]) -> Merged {
        let (mut last, mut pending) = (0, Vec::new());
        for id in heads.iter().flat_map(|&head| self.walk(head)) {
            match self.0[id] {
                Made::Leaf {
                    context,
                    signaled: None,
                } => pending.push((context, id)),
                Made::Leaf {
                    signaled: Some(time),
                    ..
                } => last = time.max(last),
                _ => unreachable!(),
            }
        }
        // Those of a context were made in its order.
        pending.sort_unstable();
        let latest: BTreeMap<u64, Id> = pending.into_iter().collect();
        match *latest.into_values().collect::<Vec<_>>() {
            [] => Merged::Stub(last),
            [id] => Merged::Same(id),
            ref latest => Merged::Array(latest.to_vec()),
        }
    }
}

/// One step. A number names one of the objects that fit.
#[derive(Clone, Debug)]
enum Step {
    Leaf(usize),
    Signal(usize, bool),
    Array(Vec<usize>),
    Node(Option<usize>, usize),
    Merge(Vec<usize>),
    /// The allocation with this number fails, if there are so many.
    MergeWithout(usize, Vec<usize>),
    Enable(usize),
    /// A walk that ends after so many fences.
    Walk(usize, usize),
    Drop(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = || 0..64_usize;
    let ids = || vec(id(), 1..6);
    let step = prop_oneof![
        4 => (0..3_usize).prop_map(Step::Leaf),
        3 => (id(), any::<bool>()).prop_map(|(id, ok)| Step::Signal(id, ok)),
        2 => ids().prop_map(Step::Array),
        4 => (option::weighted(0.8, id()), id()).prop_map(|(prev, id)| Step::Node(prev, id)),
        4 => vec(id(), 0..6).prop_map(Step::Merge),
        1 => (1..4_usize, ids()).prop_map(|(nth, ids)| Step::MergeWithout(nth, ids)),
        1 => id().prop_map(Step::Enable),
        1 => (id(), 0..4_usize).prop_map(|(id, count)| Step::Walk(id, count)),
        1 => id().prop_map(Step::Drop),
    ];
    vec(step, 1..40)
}

/// Objects, and what the model knows of them.
#[derive(Default)]
struct World {
    model: Model,
    /// A reference to each, unless it was dropped.
    fences: Vec<Option<ARef<Fence>>>,
    issued: HashMap<Id, ArcDriverFence<Narrow>>,
    known: HashMap<*const Fence, Id>,
}

type Timelines = [Arc<FenceContext<Narrow>>; 3];

impl World {
    fn add(&mut self, made: Made, fence: ARef<Fence>) -> Id {
        let id = self.fences.len();
        self.known.insert(&*fence, id);
        self.model.0.push(made);
        self.fences.push(Some(fence));
        id
    }

    fn leaf(&mut self, timeline: &Arc<FenceContext<Narrow>>) -> Id {
        let memory = FenceContext::new_arc_fence_allocation(timeline, ()).unwrap();
        let issued = memory.new_fence();
        let (context, signaled) = (issued.as_fence().context(), None);
        let fence = issued.as_fence().into();
        let id = self.add(Made::Leaf { context, signaled }, fence);
        self.issued.insert(id, issued);
        id
    }

    fn signal(&mut self, id: Id, ok: bool) {
        let Some(issued) = self.issued.remove(&id) else {
            return;
        };
        let fence: ARef<Fence> = issued.as_fence().into();
        issued.signal(if ok { Ok(()) } else { Err(EIO) });
        if let Made::Leaf { signaled, .. } = &mut self.model.0[id] {
            *signaled = fence.timestamp().map(Ktime::as_nanos);
        }
    }

    fn fence(&self, id: Id) -> &Fence {
        self.fences[id].as_deref().unwrap()
    }

    fn array(&mut self, members: Vec<Id>) -> Id {
        let fences: Vec<_> = members.iter().map(|&id| self.fence(id)).collect();
        let array = FenceArray::into_fence(FenceArray::new(&fences).unwrap());
        self.add(Made::Array(members), array)
    }

    fn node(&mut self, prev: Option<Id>, contained: Id) -> Id {
        let inside = self.fence(contained).as_unchained().unwrap();
        let before = prev.map(|prev| self.fence(prev));
        let node = FenceChainAllocation::new()
            .unwrap()
            .new_node(before, inside, 1);
        self.add(Made::Node { prev, contained }, FenceChain::into_fence(node))
    }

    /// What of the model a fence is.
    fn id(&self, fence: &Fence) -> Id {
        self.known[&core::ptr::from_ref(fence)]
    }

    fn merge(&mut self, heads: &[Id], without: usize) -> Result<(), TestCaseError> {
        let fences: Vec<_> = heads.iter().map(|&id| self.fence(id)).collect();
        let (merged, failed) = fail_nth(without, || merge(&fences));
        let Ok(merged) = merged else {
            prop_assert_eq!(merged.err(), failed.then_some(ENOMEM));
            return Ok(());
        };
        let expected = self.model.merge(heads);
        let got = match merged.as_array() {
            Some(array) => Merged::Array(array.members().map(|f| self.id(f)).collect()),
            None if merged.context() == 0 => {
                prop_assert_eq!(merged.status(), Some(Ok(())));
                Merged::Stub(merged.timestamp().map_or(-1, Ktime::as_nanos))
            }
            None => Merged::Same(self.id(&merged)),
        };
        prop_assert_eq!(&got, &expected);
        match expected {
            Merged::Same(_) => {}
            Merged::Array(members) => drop(self.add(Made::Array(members), merged)),
            Merged::Stub(time) => {
                let (context, signaled) = (0, Some(time));
                self.add(Made::Leaf { context, signaled }, merged);
            }
        }
        Ok(())
    }

    fn walk(&self, head: Id, count: usize) -> Result<(), TestCaseError> {
        let found = self.fence(head).unwrap().take(count);
        let found: Vec<_> = found.map(|fence| self.id(&fence)).collect();
        let mut expected = self.model.walk(head);
        expected.truncate(count);
        prop_assert_eq!(found, expected);
        Ok(())
    }

    /// The objects to which there is a reference, and that are `wanted`.
    fn pick(&self, number: usize, wanted: impl Fn(&Made) -> bool) -> Option<Id> {
        let fits = |&id: &Id| self.fences[id].is_some() && wanted(&self.model.0[id]);
        let ids: Vec<Id> = (0..self.fences.len()).filter(fits).collect();
        (!ids.is_empty()).then(|| ids[number % ids.len()])
    }

    fn step(&mut self, timelines: &Timelines, step: Step) -> Result<(), TestCaseError> {
        let any = |_: &Made| true;
        let is_leaf = |made: &Made| matches!(made, Made::Leaf { .. });
        let is_no_node = |made: &Made| !matches!(made, Made::Node { .. });
        match step {
            Step::Leaf(timeline) => drop(self.leaf(&timelines[timeline])),
            Step::Signal(id, ok) => {
                let mut ids: Vec<Id> = self.issued.keys().copied().collect();
                ids.sort_unstable();
                if !ids.is_empty() {
                    self.signal(ids[id % ids.len()], ok);
                }
            }
            Step::Array(ids) => {
                let members = ids.into_iter().filter_map(|id| self.pick(id, is_leaf));
                let members: Vec<Id> = members.collect();
                if !members.is_empty() {
                    self.array(members);
                }
            }
            Step::Node(prev, contained) => {
                let prev = prev.and_then(|prev| self.pick(prev, any));
                if let Some(contained) = self.pick(contained, is_no_node) {
                    self.node(prev, contained);
                }
            }
            Step::Merge(ids) => {
                let heads = ids.into_iter().filter_map(|id| self.pick(id, any));
                return self.merge(&heads.collect::<Vec<_>>(), 0);
            }
            Step::MergeWithout(nth, ids) => {
                let heads = ids.into_iter().filter_map(|id| self.pick(id, any));
                return self.merge(&heads.collect::<Vec<_>>(), nth);
            }
            Step::Enable(id) => {
                if let Some(id) = self.pick(id, any) {
                    self.fence(id).enable_signaling();
                }
            }
            Step::Walk(id, count) => {
                if let Some(id) = self.pick(id, any) {
                    return self.walk(id, count);
                }
            }
            Step::Drop(id) => {
                if let Some(id) = self.pick(id, any) {
                    self.fences[id] = None;
                }
            }
        }
        Ok(())
    }

    /// All there is, and then the end of it.
    fn end(mut self) -> Result<(), TestCaseError> {
        let there = |id: &Id| self.fences[*id].is_some();
        for id in (0..self.fences.len()).filter(there) {
            self.walk(id, usize::MAX)?;
            let signaled = self.fence(id).status().is_some();
            prop_assert_eq!(signaled, self.model.signaled(id), "{}", id);
        }
        let left: Vec<Id> = self.issued.keys().copied().collect();
        left.into_iter().for_each(|id| self.signal(id, true));
        drop(self);
        prop_assert_eq!(LIVE.replace(0), 0, "fences are left");
        Ok(())
    }
}

/// Runs the test with this number in a machine of its own, in which nothing may be left behind.
fn in_a_machine(number: usize, body: impl FnOnce(&Timelines) + Send + 'static) {
    let _listening = listen(&COUNTS[number]).unwrap();
    let ended = vcpu::fifo(move || {
        NUMBER.set(number);
        let timeline = |()| {
            let timeline = FenceContext::new(FIRST, c"driver", c"timeline", Narrow);
            Arc::pin_init(timeline, GFP_KERNEL).unwrap()
        };
        LIVE.set(0);
        body(&[(); 3].map(timeline));
    });
    ended.unwrap();
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn random_containers_are_as_the_model_says() {
    let cases = number("PROPTEST_CASES").and_then(|cases| cases.try_into().ok());
    let seed = number("PROPTEST_RNG_SEED").unwrap_or(1);
    let config = Config {
        cases: cases.unwrap_or(1_000),
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [1; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &bytes);
    in_a_machine(0, move |timelines| {
        let mut runner = TestRunner::new_with_rng(config, rng);
        let ran = runner.run(&steps(), |steps| {
            LIVE.set(0);
            let mut world = World::default();
            for step in steps {
                world.step(timelines, step)?;
            }
            world.end()
        });
        if let Err(error) = ran {
            panic!("PROPTEST_RNG_SEED={seed}: {error}");
        }
    });
}

/// A fence by what it is made of.
#[derive(Clone)]
enum Shape {
    /// Of which timeline, and whether it has signalled.
    Leaf(usize, bool),
    Array(Vec<Shape>),
    Node(Option<Box<Shape>>, Box<Shape>),
}

/// All fences made of this many parts; nodes only if they are wanted.
fn shapes(size: usize, nodes: bool) -> Vec<Shape> {
    let leaves = || [(0, false), (0, true), (1, false), (1, true)].map(|(t, s)| Shape::Leaf(t, s));
    let mut all = Vec::new();
    if size == 1 {
        all.extend(leaves());
    } else {
        let mut arrays = vec![Vec::new()];
        for _ in 1..size {
            let longer = |array: Vec<Shape>| leaves().map(|leaf| [&array[..], &[leaf]].concat());
            arrays = arrays.into_iter().flat_map(longer).collect();
        }
        all.extend(arrays.into_iter().map(Shape::Array));
    }
    for inside in (1..size).filter(|_| nodes) {
        let prevs = match size - 1 - inside {
            0 => vec![None],
            size => shapes(size, true)
                .into_iter()
                .map(|prev| Some(Box::new(prev)))
                .collect(),
        };
        for prev in prevs {
            let contained = shapes(inside, false).into_iter();
            all.extend(contained.map(|shape| Shape::Node(prev.clone(), Box::new(shape))));
        }
    }
    all
}

impl World {
    fn make(&mut self, timelines: &Timelines, shape: &Shape) -> Id {
        match shape {
            Shape::Leaf(timeline, signaled) => {
                let id = self.leaf(&timelines[*timeline]);
                if *signaled {
                    self.signal(id, true);
                }
                id
            }
            Shape::Array(members) => {
                let members = members.iter().map(|member| self.make(timelines, member));
                let members = members.collect();
                self.array(members)
            }
            Shape::Node(prev, contained) => {
                let prev = prev.as_ref().map(|prev| self.make(timelines, prev));
                let contained = self.make(timelines, contained);
                self.node(prev, contained)
            }
        }
    }
}

#[test]
fn the_smallest_containers_are_as_the_model_says() {
    const SHAPES: usize = 2048;
    in_a_machine(1, |timelines| {
        let smallest = (1..).flat_map(|size| shapes(size, true));
        for shape in smallest.take(SHAPES) {
            let mut world = World::default();
            let id = world.make(timelines, &shape);
            let other = world.leaf(&timelines[0]);
            for heads in [&[id][..], &[id, id], &[other, id]] {
                world.merge(heads, 0).unwrap();
            }
            for without in 1..3 {
                world.merge(&[id, other], without).unwrap();
            }
            world.end().unwrap();
        }
    });
}
