# SPDX-License-Identifier: GPL-2.0-only
#
# upstream --self-test, sourced: files of ours, each with something that must be found.
mkdir -p "$work/rust/kernel" "$work/driver"
bad=0

# finds STATUS WORDS OPTION... FILE, from standard input.
finds() {
	local want=$1 words=$2 file="$work/${*: -1}" status=0 said
	shift 2
	cat >"$file"
	options=("${@:1:$#-1}" --schedules 20)
	said=$(judge "$file" 2>"$work/errors") || status=$?
	said=$(tr -s ' ' <<<"$said")
	[[ $status = "$want" && $said = *"$words"* ]] && return
	echo "upstream: self-test: ${*: -1}: status $status, expected $want and '$words': $said"
	cat "$work/errors"
	bad=1
}

# refuses WORDS OPTION... PATH: it ends with 2, and nothing is said of the path but the words.
refuses() {
	local words=$1 status=0 said
	options=("${@:2:$#-2}")
	said=$(judge "${@: -1}" 2>&1) || status=$?
	[[ $status = 2 && $said = "upstream: $words" ]] && return
	echo "upstream: self-test: ${*:2}: status $status, expected 2 and '$words': $said"
	bad=1
}

mkdir "$work/none" "$work/rust/kernel/none" "$work/blank"
echo '# Driver' >"$work/blank/readme.txt"
printf '// SPDX-License-Identifier: GPL-2.0-only\n\n' >"$work/blank/blank.rs"
for none in "$work/none" "$work/rust/kernel/none"; do
	for option in --schedules=20 --json --together --doctests; do
		refuses "$none: there is no Rust file in it" $option "$none"
	done
done
refuses "/dev/null: it is no Rust file" --json /dev/null
refuses "$work/blank/readme.txt: it is no Rust file" --json "$work/blank/readme.txt"
refuses "$work/blank/blank.rs: there is nothing in it" --json "$work/blank/blank.rs"
refuses "$work/blank: there is nothing in its files" --json "$work/blank"
echo 'fn f() {}' >"$work/driver/no_module.rs"
refuses "$work/driver/no_module.rs: it is not below rust/kernel" --doctests "$work/driver/no_module.rs"
cp "$work/driver/no_module.rs" "$work/rust/kernel"
refuses "there is neither an example nor a test in what was given" --doctests "$work/rust/kernel/no_module.rs"
# The table is there, of an example that ours has nothing for.
finds 2 "no_module.rs 1" --doctests rust/kernel/no_module.rs <<'RUST'
//! ```
//! kernel::no_module::f();
//! ```
RUST

finds 0 'unmodified, beside 1/1 1/1 0' rust/kernel/good.rs <<'RUST'
//! ```
//! assert_eq!(kernel::good::twice(2), 4);
//! ```
/// Twice.
pub fn twice(n: u32) -> u32 {
    crate::sync::rcu::read_lock().unlock();
    n * 2
}

#[crate::macros::kunit_tests(good)]
mod tests {
    #[test]
    fn it_is_twice() -> crate::error::Result {
        assert_eq!(super::twice(1), 2);
        Ok(())
    }
}
RUST
finds 1 'wrong.rs:2: failed: ' rust/kernel/wrong.rs <<'RUST'
//!
//! ```
//! assert!(kernel::wrong::yes());
//! ```
/// No.
pub fn yes() -> bool {
    false
}
RUST
finds 1 'report: BUG: rcu: sleeping inside an RCU read-side section' rust/kernel/sleeps.rs <<'RUST'
//! ```
//! let _guard = kernel::sync::rcu::read_lock();
//! let _new = KBox::new(1, GFP_KERNEL)?;
//! # Ok::<(), Error>(())
//! ```
RUST
finds 1 'report: ' rust/kernel/races.rs <<'RUST'
//! ```
//! use kernel::sync::{atomic::{Atomic, Relaxed}, Arc, Completion};
//!
//! // An increment is lost where one task comes between the two steps of the other.
//! let counter = Arc::new(Atomic::new(0), GFP_KERNEL)?;
//! let increment = |counter: &Atomic<i32>| counter.store(counter.load(Relaxed) + 1, Relaxed);
//! let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
//! let (theirs, told) = (counter.clone(), done.clone());
//! kernel::testing::spawn(move || {
//!     increment(&theirs);
//!     told.complete_all();
//! });
//! increment(&counter);
//! done.wait_for_completion();
//! assert_eq!(counter.load(Relaxed), 2);
//! # Ok::<(), Error>(())
//! ```
RUST
finds 1 'broken.rs: does not compile: broken.rs:2: cannot find function `nothing`' driver/broken.rs <<'RUST'
use kernel::prelude::*;
pub fn f() -> Result { nothing() }
RUST
cat >"$work/mend.diff" <<'DIFF'
--- a/driver/mended.rs
+++ b/driver/mended.rs
@@ -1,2 +1,2 @@
 use kernel::prelude::*;
-pub fn f() -> Result { nothing() }
+pub fn f() -> Result { Ok(()) }
DIFF
finds 0 '1 hunks, driver' --patch "$work/mend.diff" driver/mended.rs <<'RUST'
use kernel::prelude::*;
pub fn f() -> Result { nothing() }
RUST
finds 0 'unmodified, driver 0/0 1/1 0' driver/loads.rs <<'RUST'
//! A module.
use kernel::prelude::*;
module! {
    type: Loads,
    name: "loads",
    license: "GPL",
}
struct Loads;
impl kernel::Module for Loads {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("here\n");
        Ok(Self)
    }
}
RUST
finds 1 'insmod, rmmod: failed: ' driver/refuses.rs <<'RUST'
//! A module.
use kernel::prelude::*;
module! {
    type: Refuses,
    name: "refuses",
    license: "GPL",
}
struct Refuses;
impl kernel::Module for Refuses {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Err(ENODEV)
    }
}
RUST
# The place of a mistake is one in the file that was given, whatever that has become in the copy.
finds 1 'does not compile: unknown.rs:4: ' driver/unknown.rs <<'RUST'
//! A module of no type.
use kernel::prelude::*;
module! {
    type: Unknown,
    name: "unknown",
    license: "GPL",
}
RUST
finds 1 'rust/kernel/misspelt.rs: misspelt.rs:1: does not compile: misspelt.rs:4: cannot find value `three_`' rust/kernel/misspelt.rs <<'RUST'
//! ```
//! let two = 2;
//! # let three = 3;
//! assert_eq!(two + 1, three_);
//! ```
RUST
cat "$root/rust-kernel-shim/src/sizes.rs" - <<'RUST' |
#[cfg(test)]
mod odd {
    #[test]
    fn it_is_odd() { nothing() }
}
RUST
	finds 0 'sizes.rs: its tests: does not compile: rust/kernel/sizes.rs:74: cannot find function `nothing`' --doctests rust/kernel/sizes.rs
# What Documentation/found-upstream tells of is found again, and not where it is mended.
cat >"$work/driver/wait.rs" <<'RUST'
use kernel::{new_condvar, new_mutex, prelude::*};
use kernel::sync::{Arc, CondVar, CondVarTimeoutResult::*, Mutex};

pub(crate) enum WaitResult { Retry }

#[pin_data]
pub(crate) struct Wait<T> {
    #[pin]
    changed: CondVar,
    #[pin]
    data: Mutex<T>,
}

impl Wait<()> {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let new = pin_init!(Self { changed <- new_condvar!(), data <- new_mutex!(()) });
        Arc::pin_init(new, GFP_KERNEL)
    }

    pub(crate) fn notify_all(&self) {
        self.changed.notify_all();
    }

    pub(crate) fn wait_interruptible_timeout(
        &self,
        ms: u32,
        asked: impl Fn(&mut ()) -> Result<WaitResult>,
    ) -> Result {
        let mut data = self.data.lock();
        let mut left = kernel::time::msecs_to_jiffies(ms);
        loop {
            asked(&mut data)?;
            left = match self.changed.wait_interruptible_timeout(&mut data, left) {
                Woken { jiffies } => left - jiffies,
                _ => return Err(ETIMEDOUT),
            };
        }
    }
}
RUST
found=$root/scripts/upstream.d/found
finds 1 'tests::woken_up: failed: ' driver/wait_timeout.rs <"$found/wait_timeout.rs"
sed -i 's/left - jiffies/jiffies/' "$work/driver/wait.rs"
finds 0 'unmodified, driver 0/0 3/3 0' driver/wait_timeout.rs <"$found/wait_timeout.rs"
finds 1 'no field `name` on type `Item`' driver/list_fields.rs <"$found/list_fields.rs"
# In one group, each is told as if it were alone: three beside, as above, and of the shim's own four in
# their place, one of them as it is.
kernel=$work/rust/kernel shim=$root/rust-kernel-shim/src
cp "$shim/std_vendor.rs" "$kernel"
cat "$shim/bits.rs" - >"$kernel/bits.rs" <<'RUST'
/// ```
/// assert!(kernel::bits::no());
/// ```
pub fn no() -> bool {
    false
}
RUST
cat "$shim/transmute.rs" - >"$kernel/transmute.rs" <<'RUST'
#[crate::macros::kunit_tests(transmute)]
mod odd {
    #[test]
    fn it_is_odd() {
        assert_eq!(2 % 2, 1);
    }
}
RUST
cat "$shim/sizes.rs" - >"$kernel/sizes.rs" <<'RUST'
pub fn f() -> u32 { nothing() }
RUST
options=(--schedules 20)
status=0
said=$(judge "$kernel"/{good,good,wrong,sleeps,std_vendor,bits,transmute,sizes}.rs 2>"$work/errors") || status=$?
said=$(tr -s ' ' <<<"$said")
[ "$status" = 1 ] || said="status $status: $said"
for words in 'good.rs .* unmodified, beside 1/1 1/1 0' 'wrong.rs:2: failed: ' 'sleeps.rs:1: report: BUG: rcu: sleeping' \
	'std_vendor.rs .* unmodified, in place' 'bits.rs:98: failed: ' 'odd::it_is_odd: failed: ' \
	'sizes.rs: does not compile: rust/kernel/sizes.rs:71: '; do
	grep -q "$words" <<<"$said" && continue
	echo "upstream: self-test: in a group, expected '$words': $said"
	cat "$work/errors"
	bad=1
done
[ "$(grep -c 'good.rs .* unmodified' <<<"$said")" = 1 ] || {
	echo "upstream: self-test: a file that is given twice is not tried once: $said"
	bad=1
}
# Nothing of that is found one by one.
grep -q '3 files beside, at once' "$work/errors" && grep -q '3 files in place, at once' "$work/errors" || {
	echo "upstream: self-test: there is no group"
	cat "$work/errors"
	bad=1
}
((bad)) || echo "upstream: self-test: what is wrong is found, what is not is not"
