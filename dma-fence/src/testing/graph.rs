// SPDX-License-Identifier: GPL-2.0-only
//! Pictures of what points to what, drawn from the live objects.

use super::super::{
    bindings, DmaResv, DmaResvUsage, Fence, FenceCallback, FenceCallbackRegistration, SyncFile,
};
use core::{
    fmt::{self, Write as _},
    ops::Range,
    ptr::{self, NonNull},
};
use kernel::{
    alloc::flags::{GFP_ATOMIC, GFP_KERNEL},
    bindings::rule::Text,
    prelude::*,
    sync::{aref::ARef, rcu},
    task::Task,
};

/// Something that a picture shows.
#[non_exhaustive]
pub enum Seen<'a> {
    /// A fence, and all of which it is made.
    Fence(&'a Fence),
    /// A reservation object, and its fences.
    Resv(&'a DmaResv),
    /// A file, and its fence.
    SyncFile(&'a SyncFile),
    /// What is at these addresses, if a fence has a callback there.
    Callback(Range<usize>),
    /// A task, if it waits for a fence.
    Task(&'a Task),
}

macro_rules! seen {
    ($($kind:ident: $type:ty),*) => {
        $(impl<'a> From<&'a $type> for Seen<'a> {
            fn from(seen: &'a $type) -> Self {
                Self::$kind(seen)
            }
        })*
    };
}

seen!(Fence: Fence, Resv: DmaResv, SyncFile: SyncFile, Task: Task);

impl<'a, T: FenceCallback> From<&'a FenceCallbackRegistration<T>> for Seen<'a> {
    fn from(registration: &'a FenceCallbackRegistration<T>) -> Self {
        let start = ptr::from_ref(registration).addr();
        Self::Callback(start..start + size_of_val(registration))
    }
}

/// Draws what these objects, of which each has a name, lead to, as text for Graphviz: containers and
/// what is in them, each fence with its state and number of references; and which callbacks and tasks
/// wait for them. May sleep.
///
/// Drivers are asked for names alone, and nothing is taken out of a chain. Contexts have numbers in the order
/// in which they appear, so that the same objects make the same picture.
///
/// # Errors
///
/// ENOMEM.
///
/// # Examples
///
/// ```
/// use dma_fence::{testing::{context, graph, issue, Plain}, FenceArray};
/// use kernel::prelude::*;
///
/// let (render, video) = (context(Plain)?, context(Plain)?);
/// let ((draw, _), (decode, _)) = (issue(&render)?, issue(&video)?);
/// let frame = FenceArray::new(&[draw.as_fence(), decode.as_fence()])?;
/// draw.signal(Ok(()));
/// assert_eq!(
///     graph(&[("frame", (&**frame).into()), ("decode", decode.as_fence().into())])?,
///     r#"digraph {
///     node [shape=box];
///     f1 [label="frame\narray #1:1\npending\n1 reference", style=rounded];
///     f2 [label="decode\ndriver timeline #2:7\npending\n2 references"];
///     f3 [label="detached-driver signaled-timeline #3:7\nsignalled\n1 reference", color=gray];
///     f1 -> f3 [label="0"];
///     f1 -> f2 [label="1"];
/// }
/// "#
/// );
/// decode.signal(Ok(()));
/// # Ok::<(), Error>(())
/// ```
pub fn graph(roots: &[(&str, Seen<'_>)]) -> Result<Text> {
    let mut picture = Picture {
        roots,
        fences: KVec::new(),
        contexts: KVec::new(),
        arrows: KVec::new(),
        waiters: KVec::new(),
    };
    picture.look()?;
    let mut text = Text::new();
    // Writing to a string does not fail.
    let _ = write!(text, "{picture}");
    Ok(text)
}

/// One end of an arrow.
#[derive(Clone, Copy)]
enum End {
    Fence(usize),
    Root(usize),
    Waiter(usize),
}

/// Why there is an arrow.
#[derive(Clone, Copy)]
enum Why {
    Member(usize),
    Contained,
    Before,
    Usage(u32),
    File,
    Callback,
}

/// What waits for a fence and has no name: a task, which has one of its own, or what has a callback.
type Waiter = Option<[u8; 16]>;

struct Picture<'a> {
    roots: &'a [(&'a str, Seen<'a>)],
    /// Each with one reference, and its name.
    fences: KVec<(ARef<Fence>, Option<&'a str>)>,
    contexts: KVec<u64>,
    arrows: KVec<(End, End, Why)>,
    waiters: KVec<Waiter>,
}

impl<'a> Picture<'a> {
    /// Finds all that there is.
    fn look(&mut self) -> Result {
        for (name, root) in self.roots {
            if let Seen::Fence(fence) = root {
                self.add((*fence).into(), Some(name))?;
            }
        }
        for (index, (_, root)) in self.roots.iter().enumerate() {
            let from = End::Root(index);
            match root {
                Seen::Resv(resv) => {
                    for (fence, usage) in slots(resv)? {
                        self.arrow(from, fence, Why::Usage(usage))?;
                    }
                }
                Seen::SyncFile(file) => self.arrow(from, file.fence().into(), Why::File)?,
                _ => {}
            }
        }
        let mut index = 0;
        while let Some((fence, _)) = self.fences.get(index) {
            self.look_into(index, fence.clone())?;
            index += 1;
        }
        (0..index).try_for_each(|index| self.look_for_waiters(index))
    }

    /// Returns the place of a fence.
    fn add(&mut self, fence: ARef<Fence>, name: Option<&'a str>) -> Result<usize> {
        let known = self.fences.iter();
        if let Some(place) = { known }.position(|(known, _)| ptr::eq(&**known, &*fence)) {
            return Ok(place);
        }
        let context = fence.context();
        if context != 0 && !self.contexts.contains(&context) {
            self.contexts.push(context, GFP_KERNEL)?;
        }
        self.fences.push((fence, name), GFP_KERNEL)?;
        Ok(self.fences.len() - 1)
    }

    fn arrow(&mut self, from: End, to: ARef<Fence>, why: Why) -> Result {
        let to = End::Fence(self.add(to, None)?);
        Ok(self.arrows.push((from, to, why), GFP_KERNEL)?)
    }

    /// Finds what a fence is made of.
    fn look_into(&mut self, index: usize, fence: ARef<Fence>) -> Result {
        let from = End::Fence(index);
        if let Some(array) = fence.as_array() {
            for (n, member) in array.members().enumerate() {
                self.arrow(from, member.into(), Why::Member(n))?;
            }
        }
        if let Some(node) = fence.as_chain() {
            self.arrow(from, node.contained().into(), Why::Contained)?;
            // SAFETY: The fence is a node of a chain.
            let before = unsafe { bindings::dma_fence_chain_get_prev(node.as_raw().cast()) };
            if let Some(before) = NonNull::new(before) {
                // SAFETY: A valid fence, with a reference that becomes the picture's.
                self.arrow(from, unsafe { ARef::from_raw(before.cast()) }, Why::Before)?;
            }
        }
        Ok(())
    }

    /// Finds what has a callback on a fence.
    fn look_for_waiters(&mut self, index: usize) -> Result {
        let mut found = KVec::<(usize, usize, Waiter)>::new();
        let mut result = Ok(());
        // SAFETY: By the type invariant of the fence. A task waits as long as its callback is there.
        unsafe {
            bindings::each_callback(self.fences[index].0.as_raw(), |cb, task| {
                let name = (!task.is_null()).then(|| {
                    let mut name = [0; 16];
                    bindings::__get_task_comm(name.as_mut_ptr().cast(), name.len(), task);
                    name
                });
                if result.is_ok() {
                    result = found.push((cb.addr(), task.addr(), name), GFP_ATOMIC);
                }
            })
        };
        result?;
        for (cb, task, name) in found {
            let waiter = match self.owner(cb, task) {
                Some(owner) => owner,
                None => {
                    self.waiters.push(name, GFP_KERNEL)?;
                    End::Waiter(self.waiters.len() - 1)
                }
            };
            let arrow = (End::Fence(index), waiter, Why::Callback);
            self.arrows.push(arrow, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Returns what of the picture a callback belongs to, or the task that it wakes.
    fn owner(&self, cb: usize, task: usize) -> Option<End> {
        let root = self.roots.iter().position(|(_, root)| match root {
            Seen::Callback(range) => range.contains(&cb),
            Seen::SyncFile(file) => file.callback() == cb,
            Seen::Task(known) => known.as_ptr().addr() == task,
            _ => false,
        });
        let container = || {
            self.fences.iter().position(|(fence, _)| {
                let array = fence.as_array().map(|array| {
                    let callbacks = array.members().count();
                    size_of::<bindings::dma_fence_array>()
                        + callbacks * size_of::<bindings::dma_fence_array_cb>()
                });
                let node = fence.as_chain();
                let node = node.map(|_| size_of::<bindings::dma_fence_chain>());
                let start = fence.as_raw().addr();
                (start..start + array.or(node).unwrap_or(0)).contains(&cb)
            })
        };
        root.map(End::Root).or_else(|| container().map(End::Fence))
    }

    fn write_fence(&self, f: &mut fmt::Formatter<'_>, index: usize) -> fmt::Result {
        let (fence, name) = &self.fences[index];
        write!(f, "f{} [label=\"", index + 1)?;
        if let Some(name) = name {
            write!(f, "{}\\n", Escaped(name.as_bytes()))?;
        }
        let container = fence.as_array().is_some() || fence.as_chain().is_some();
        if container {
            let array = fence.as_array().is_some();
            f.write_str(if array { "array" } else { "chain node" })?;
        } else {
            let guard = rcu::read_lock();
            let driver = Escaped(fence.driver_name(&guard).to_bytes());
            let timeline = Escaped(fence.timeline_name(&guard).to_bytes());
            write!(f, "{driver} {timeline}")?;
        }
        match self
            .contexts
            .iter()
            .position(|&known| known == fence.context())
        {
            Some(place) => write!(f, " #{}:{}", place + 1, fence.seqno())?,
            None => write!(f, " stub:{}", fence.seqno())?,
        }
        // SAFETY: By the type invariant.
        let flags = unsafe { bindings::dma_fence_flags(fence.as_raw()) };
        let signalled = fence.test_signaled_flag();
        match fence.error() {
            Some(error) => write!(f, "\\nerror {}", error.to_errno())?,
            None if signalled => f.write_str("\\nsignalled")?,
            None if flags & 1 << ENABLED != 0 => f.write_str("\\npending, wanted")?,
            None => f.write_str("\\npending")?,
        }
        // One is the picture's.
        let count = fence.references() - 1;
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "\\n{count} reference{plural}\"")?;
        if container {
            f.write_str(", style=rounded")?;
        }
        f.write_str(if signalled { ", color=gray]" } else { "]" })
    }
}

const ENABLED: u32 = bindings::dma_fence_flag_bits_DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT;

/// The fences of an object, signalled or not, and their usages.
fn slots(resv: &DmaResv) -> Result<KVec<(ARef<Fence>, bindings::dma_resv_usage)>> {
    let mut found = KVec::new();
    let mut result = Ok(());
    // SAFETY: By the type invariant. The references become the picture's.
    unsafe {
        bindings::each_slot(resv.as_raw(), |fence, usage| {
            let fence = ARef::from_raw(NonNull::new_unchecked(fence.cast()));
            if result.is_ok() {
                result = found.push((fence, usage), GFP_ATOMIC);
            }
        })
    };
    result?;
    Ok(found)
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fence(index) => write!(f, "f{}", index + 1),
            Self::Root(index) => write!(f, "r{}", index + 1),
            Self::Waiter(index) => write!(f, "w{}", index + 1),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Member(n) => write!(f, "[label=\"{n}\"]"),
            Self::Contained => f.write_str("[label=\"contains\"]"),
            Self::Before => f.write_str("[label=\"before it\"]"),
            Self::Usage(usage) => {
                write!(f, "[label=\"{:?}\"]", DmaResvUsage::from_raw(usage))
            }
            Self::File => f.write_str("[label=\"fence\"]"),
            Self::Callback => f.write_str("[label=\"calls\", style=dashed]"),
        }
    }
}

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("digraph {\n    node [shape=box];\n")?;
        for (index, (name, root)) in self.roots.iter().enumerate() {
            let waits = |end: &End| matches!(end, End::Root(other) if *other == index);
            let (kind, shape) = match root {
                Seen::Fence(_) => continue,
                Seen::Resv(_) => ("reservation object", "cylinder"),
                Seen::SyncFile(_) => ("sync file", "note"),
                // One that waits for nothing here is no part of it.
                _ if !self.arrows.iter().any(|(_, to, _)| waits(to)) => continue,
                Seen::Callback(_) => ("callback", "ellipse"),
                Seen::Task(_) => ("task", "ellipse"),
            };
            let (end, name) = (End::Root(index), Escaped(name.as_bytes()));
            writeln!(f, "    {end} [label=\"{name}\\n{kind}\", shape={shape}];")?;
        }
        for index in 0..self.fences.len() {
            f.write_str("    ")?;
            self.write_fence(f, index)?;
            f.write_str(";\n")?;
        }
        for (index, waiter) in self.waiters.iter().enumerate() {
            let end = End::Waiter(index);
            match waiter {
                Some(name) => write!(f, "    {end} [label=\"{}\\ntask\"", Escaped(name))?,
                None => write!(f, "    {end} [label=\"callback\"")?,
            }
            f.write_str(", shape=ellipse];\n")?;
        }
        for (from, to, why) in &self.arrows {
            writeln!(f, "    {from} -> {to} {why};")?;
        }
        f.write_str("}\n")
    }
}

/// A name inside of quotes, up to the first NUL.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.split(|&byte| byte == 0).next().unwrap_or_default();
        for chunk in name.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    c if c.is_control() => f.write_char('?')?,
                    c => f.write_char(c)?,
                }
            }
            chunk.invalid().iter().try_for_each(|_| f.write_char('?'))?;
        }
        Ok(())
    }
}
