// SPDX-License-Identifier: GPL-2.0-only
//! Reports as text, in the kernel's shape: a place in the source stands where the kernel has a stack.

use crate::{
    usage::characters, Chain, ClassInfo, Finding, HeldInfo, Host, Irq, Link, MarkInfo, Report,
};
use core::fmt::{self, Display, Write};

impl Display for ClassInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_str())?;
        if self.version > 1 {
            write!(f, "#{}", self.version)?;
        }
        if self.subclass != 0 {
            write!(f, "/{}", self.subclass)?;
        }
        Ok(())
    }
}

/// A class with its marks and wait types.
struct Full<'a>(&'a ClassInfo);

impl Display for Full<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.0;
        write!(f, " ({class}){{")?;
        characters(class.marks)
            .into_iter()
            .try_for_each(|c| f.write_char(c))?;
        write!(f, "}}-{{{}:{}}}", class.outer, class.inner)
    }
}

/// The way a scenario says that a lock is taken.
fn verb(lock: &HeldInfo) -> &'static str {
    match (lock.read, lock.sync) {
        _ if lock.class.event => "wait",
        (0, false) => "lock",
        (0, true) => "sync",
        _ => "rlock",
    }
}

/// A step of a scenario: what is done, and with a lock of which class.
struct Step<'a>(&'static str, &'a ClassInfo);

impl Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({});", self.0, self.1)
    }
}

/// The steps of a task that does `hold` with the first class and then `take` with the second. An event
/// is held by the task that has it happen, as its last step.
fn steps<'a>(
    (hold, first): (&'static str, &'a ClassInfo),
    (take, second): (&'static str, &'a ClassInfo),
) -> [Step<'a>; 2] {
    match first.event {
        true => [Step(take, second), Step("complete", first)],
        false => [Step(hold, first), Step(take, second)],
    }
}

/// A text in the right column of a scenario.
const RIGHT: &str = "                               ";
const TWO_CPUS: &str = "       CPU0                    CPU1\n       ----                    ----\n";
const DEADLOCK: &str = "\n *** DEADLOCK ***\n";

/// A report on its way to `out`.
struct Page<'a, H: Host> {
    report: &'a Report,
    host: &'a H,
    out: &'a mut dyn Write,
}

impl Report {
    /// Writes it, with the places that `host` names.
    pub fn write<H: Host>(&self, host: &H, out: &mut dyn Write) -> fmt::Result {
        let report = self;
        Page { report, host, out }.write()
    }
}

impl<H: Host> Page<'_, H> {
    fn write(&mut self) -> fmt::Result {
        let Report {
            finding, task, pid, ..
        } = self.report;
        let title = finding.title();
        let line = |c| fmt::from_fn(move |f| title.chars().try_for_each(|_| f.write_char(c)));
        writeln!(self.out, "\n{}\n{title}\n{}", line('='), line('-'))?;
        write!(self.out, "{}/{pid} ", task.as_str())?;
        self.body(finding)?;
        self.held()
    }

    fn body(&mut self, finding: &Finding) -> fmt::Result {
        match finding {
            Finding::Recursive { lock, held } => self.recursive(lock, held),
            Finding::Circular { lock, held, chain } => self.circular(lock, held, chain),
            Finding::InconsistentState { lock, new, old } => self.inconsistent(lock, new, old),
            Finding::IrqInversion {
                lock,
                new,
                other,
                old,
                chain,
            } => self.inversion(lock, new, other, old, chain),
            Finding::IrqOrder {
                lock,
                held,
                safe,
                unsafe_,
                before,
                after,
            } => self.irq_order((lock, held), (safe, unsafe_), (before, after)),
            Finding::WaitContext { lock, limit } => {
                writeln!(self.out, "is trying to lock:")?;
                self.lock(lock)?;
                writeln!(
                    self.out,
                    "other info that might help us debug this:\ncontext-{{{limit}:{limit}}}"
                )
            }
            Finding::UnlockBalance { name, ip } => {
                writeln!(
                    self.out,
                    "is trying to release lock ({}) at:",
                    name.as_str()
                )?;
                self.place(*ip)?;
                writeln!(self.out, "\nbut there are no more locks to release!")?;
                self.other_info()
            }
            Finding::NestNotHeld { lock, nest } => {
                writeln!(self.out, "is trying to lock:")?;
                self.lock(lock)?;
                writeln!(
                    self.out,
                    "\nbut this task is not holding:\n{}",
                    nest.as_str()
                )?;
                self.other_info()
            }
            Finding::HeldLockFreed { lock, ip, .. } => {
                write!(self.out, "is freeing memory")?;
                self.at(*ip)?;
                writeln!(self.out, ", with a lock still held there!")?;
                self.lock(lock)
            }
            Finding::HeldAtExit => writeln!(self.out, "still has locks held!"),
            Finding::IrqsOnInHardirq { ip } => {
                write!(self.out, "turns interrupts on")?;
                self.at(*ip)?;
                writeln!(self.out)
            }
            Finding::Misuse { what, name } => {
                writeln!(self.out, "uses lock ({}): {what}", name.as_str())
            }
            Finding::Full { table } => {
                writeln!(
                    self.out,
                    "needs more {table} than there are: not all is seen from now on"
                )
            }
        }
    }

    // ---- parts

    fn place(&mut self, ip: usize) -> fmt::Result {
        self.host.write_place(ip, self.out)
    }

    /// " at " a place, unless that is 0.
    fn at(&mut self, ip: usize) -> fmt::Result {
        if ip == 0 {
            return Ok(());
        }
        self.out.write_str(" at ")?;
        self.place(ip)
    }

    /// A lock, its marks, and where it was taken.
    fn lock(&mut self, lock: &HeldInfo) -> fmt::Result {
        write!(self.out, "{}, at: ", Full(&lock.class))?;
        self.place(lock.ip)?;
        if lock.references > 1 {
            write!(self.out, ", {} times", lock.references)?;
        }
        writeln!(self.out)
    }

    fn other_info(&mut self) -> fmt::Result {
        writeln!(self.out, "\nother info that might help us debug this:\n")
    }

    /// Where a class got a mark.
    fn marked(&mut self, mark: &MarkInfo) -> fmt::Result {
        self.out.write_str("  taken at ")?;
        self.place(mark.taken_at)?;
        if mark.on_at != 0 {
            self.out.write_str("\n  interrupts turned on at ")?;
            self.place(mark.on_at)?;
        }
        writeln!(self.out)
    }

    /// Where a class was taken while the one before it was held.
    fn link(&mut self, before: &ClassInfo, link: &Link) -> fmt::Result {
        let taken = match link.class.event {
            true => "waited for",
            false => "taken",
        };
        write!(self.out, "       {taken} at ")?;
        self.place(link.taken_at)?;
        match before.event {
            true => write!(self.out, "\n       before ({before}) was completed at ")?,
            false => write!(self.out, "\n       while ({before}) was held since ")?,
        }
        self.place(link.held_at)?;
        writeln!(self.out)
    }

    /// A chain, the innermost class first.
    fn chain(&mut self, chain: &Chain, classes: bool) -> fmt::Result {
        let Chain { first, links } = chain;
        let left_out = links.total - links.iter().count();
        if left_out > 0 {
            writeln!(self.out, "\n-> ({left_out} more)")?;
        }
        for (n, link) in (1..=links.iter().count()).rev().zip(links.iter().rev()) {
            writeln!(self.out, "\n-> #{n}{}:", Full(&link.class))?;
            self.link(chain.class(n - 1), link)?;
        }
        if classes {
            writeln!(self.out, "\n-> #0{}\n", Full(first))?;
        }
        Ok(())
    }

    fn held(&mut self) -> fmt::Result {
        let Report {
            task, pid, held, ..
        } = self.report;
        let (task, total) = (task.as_str(), held.total);
        let (s, end) = (
            if total == 1 { "" } else { "s" },
            if total == 0 { "." } else { ":" },
        );
        writeln!(self.out, "{total} lock{s} held by {task}/{pid}{end}")?;
        for (n, lock) in held.iter().enumerate() {
            write!(self.out, " #{n}:")?;
            self.lock(lock)?;
        }
        let left_out = total - held.iter().count();
        if left_out > 0 {
            writeln!(self.out, " and {left_out} more")?;
        }
        Ok(())
    }

    /// The task's state as far as interrupts go.
    fn irq_state(&mut self) -> fmt::Result {
        let Report {
            context,
            irqs_enabled,
            ..
        } = self.report;
        let flag = u8::from;
        write!(
            self.out,
            "[HC{}:SC{}:HE{}:SE{}]",
            flag(context.hardirq),
            flag(context.softirq),
            flag(*irqs_enabled),
            flag(context.softirqs_enabled)
        )
    }

    /// What the task is about to do, or what it has done before an event.
    fn takes(&mut self, lock: &HeldInfo) -> fmt::Result {
        let how = match lock.class.event {
            true => "is about to wait for",
            false => "is trying to acquire lock",
        };
        writeln!(self.out, "{how}:")?;
        self.lock(lock)
    }

    fn holds(&mut self, held: &HeldInfo) -> fmt::Result {
        let how = match held.class.event {
            true => "which is needed for this to happen",
            false => "but task is already holding lock",
        };
        writeln!(self.out, "\n{how}:")?;
        self.lock(held)
    }

    // ---- the bodies of reports

    fn recursive(&mut self, lock: &HeldInfo, held: &HeldInfo) -> fmt::Result {
        self.takes(lock)?;
        self.holds(held)?;
        self.other_info()?;
        let [first, then] = steps((verb(held), &held.class), (verb(lock), &lock.class));
        writeln!(
            self.out,
            " Possible unsafe locking scenario:\n\n       CPU0\n       ----\n  {first}\n  \
             {then}\n{DEADLOCK}\n May be due to missing lock nesting notation\n"
        )
    }

    fn circular(&mut self, lock: &HeldInfo, held: &HeldInfo, chain: &Chain) -> fmt::Result {
        self.takes(lock)?;
        self.holds(held)?;
        writeln!(
            self.out,
            "\nwhich lock already depends on the new lock.\n\n\
             the existing dependency chain (in reverse order) is:"
        )?;
        self.chain(chain, false)?;
        let Chain { first, links } = chain;
        writeln!(self.out, "\n-> #0{}:", Full(first))?;
        let now = Link {
            class: *first,
            held_at: held.ip,
            taken_at: lock.ip,
        };
        self.link(&held.class, &now)?;
        self.other_info()?;
        let (new, old) = (&lock.class, &held.class);
        // The last class before the one held.
        let parent = links.iter().rev().nth(1).map(|link| &link.class);
        if let Some(parent) = parent {
            writeln!(
                self.out,
                "Chain exists of:\n  {new} --> {parent} --> {old}\n"
            )?;
        }
        let parent = parent.unwrap_or(first);
        let take_old = if held.read == 0 { "lock" } else { "rlock" };
        let take = if old.event { "wait" } else { "lock" };
        let [other, then] = steps(("lock", parent), (take, old));
        let [first, last] = steps((take_old, old), (verb(lock), new));
        writeln!(self.out, " Possible unsafe locking scenario:\n")?;
        write!(self.out, "{TWO_CPUS}")?;
        if old.event {
            // It waits for what the other holds before it has the event happen.
            write!(
                self.out,
                "{RIGHT}{other}\n{RIGHT}{then}\n  {first}\n  {last}\n"
            )?;
        } else {
            write!(
                self.out,
                "  {first}\n{RIGHT}{other}\n{RIGHT}{then}\n  {last}\n"
            )?;
        }
        writeln!(self.out, "{DEADLOCK}")
    }

    fn inconsistent(&mut self, lock: &HeldInfo, new: &MarkInfo, old: &MarkInfo) -> fmt::Result {
        self.irq_state()?;
        let (was, is) = (old.mark, new.mark);
        writeln!(self.out, ": inconsistent {{{was}}} -> {{{is}}} usage of:")?;
        self.lock(lock)?;
        if new.on_at != 0 {
            self.out.write_str("now held with interrupts on")?;
            self.at(new.on_at)?;
            writeln!(self.out)?;
        }
        writeln!(self.out, "{{{was}}} state was registered at:")?;
        self.marked(old)?;
        self.other_info()?;
        let class = &lock.class;
        writeln!(
            self.out,
            " Possible unsafe locking scenario:\n\n       CPU0\n       ----\n  lock({class});\n  \
             <Interrupt>\n    lock({class});\n{DEADLOCK}"
        )
    }

    fn inversion(
        &mut self,
        lock: &HeldInfo,
        new: &MarkInfo,
        other: &ClassInfo,
        old: &MarkInfo,
        chain: &Chain,
    ) -> fmt::Result {
        writeln!(self.out, "just changed the state of lock:")?;
        self.lock(lock)?;
        if new.on_at != 0 {
            self.out.write_str("now held with interrupts on")?;
            self.at(new.on_at)?;
            writeln!(self.out)?;
        }
        let state = old.mark.state();
        let (past, kind) = if new.mark.is_enabled() {
            ("was taken by another, ", "safe")
        } else {
            ("took another, ", "unsafe")
        };
        writeln!(
            self.out,
            "but this lock {past}{state}-{kind} lock in the past:\n{}",
            Full(other)
        )?;
        writeln!(self.out, "... which became {state}-irq-{kind} at:")?;
        self.marked(old)?;
        writeln!(
            self.out,
            "\nand interrupts could create inverse lock ordering between them."
        )?;
        self.other_info()?;
        let unsafe_ = chain
            .links
            .iter()
            .next_back()
            .map_or(&chain.first, |link| &link.class);
        let middle = chain
            .links
            .iter()
            .next()
            .map_or(unsafe_, |link| &link.class);
        self.irq_scenario(&chain.first, middle, unsafe_)?;
        writeln!(
            self.out,
            "the shortest dependencies between 2nd lock and 1st lock:"
        )?;
        self.chain(chain, true)
    }

    fn irq_order(
        &mut self,
        (lock, held): (&HeldInfo, &HeldInfo),
        (safe, unsafe_): (&MarkInfo, &MarkInfo),
        (before, after): (&Chain, &Chain),
    ) -> fmt::Result {
        self.irq_state()?;
        writeln!(self.out, " is trying to acquire:")?;
        self.lock(lock)?;
        writeln!(self.out, "\nand this task is already holding:")?;
        self.lock(held)?;
        writeln!(
            self.out,
            "which would create a new lock dependency:\n{} ->{}",
            Full(&held.class),
            Full(&lock.class)
        )?;
        let irq: Irq = safe.mark.irq();
        let irq = irq.name();
        writeln!(
            self.out,
            "\nbut this new dependency connects a {irq}-irq-safe lock:\n{}\n\
             ... which became {irq}-irq-safe at:",
            Full(&before.first)
        )?;
        self.marked(safe)?;
        let last = after.last();
        writeln!(
            self.out,
            "\nto a {irq}-irq-unsafe lock:\n{}\n... which became {irq}-irq-unsafe at:",
            Full(last)
        )?;
        self.marked(unsafe_)?;
        self.other_info()?;
        let middle = if before.links.total == 0 {
            &lock.class
        } else {
            &held.class
        };
        self.irq_scenario(&before.first, middle, last)?;
        for (chain, which) in [
            (
                before,
                "the dependencies between {}-irq-safe lock and the holding lock:",
            ),
            (
                after,
                "the dependencies between the lock to be acquired and {}-irq-unsafe lock:",
            ),
        ] {
            let (start, end) = which.split_once("{}").unwrap_or((which, ""));
            writeln!(self.out, "{start}{irq}{end}")?;
            self.chain(chain, true)?;
        }
        Ok(())
    }

    fn irq_scenario(
        &mut self,
        safe: &ClassInfo,
        middle: &ClassInfo,
        unsafe_: &ClassInfo,
    ) -> fmt::Result {
        let same = |a: &ClassInfo, b: &ClassInfo| {
            (a.name, a.version, a.subclass) == (b.name, b.version, b.subclass)
        };
        if !same(middle, unsafe_) {
            writeln!(
                self.out,
                "Chain exists of:\n  {safe} --> {middle} --> {unsafe_}\n"
            )?;
        }
        writeln!(
            self.out,
            " Possible interrupt unsafe locking scenario:\n\n{TWO_CPUS}  lock({unsafe_});\n\
             {RIGHT}local_irq_disable();\n{RIGHT}lock({safe});\n{RIGHT}lock({middle});\n  \
             <Interrupt>\n    lock({safe});\n{DEADLOCK}"
        )
    }
}
