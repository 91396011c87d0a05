# SPDX-License-Identifier: GPL-2.0-only
#
# To be sourced: --run and --lockdep. The modules run in a virtual machine; the events of their fences,
# and what they say, are compared with what the same drivers do here.

# What a kernel says if something is wrong, or lockdep, KASAN, RCU or another judge has found something.
complaints='WARNING: |BUG: |Oops|rust_kernel: panicked|Call Trace|INFO: (task|rcu|trying)|ODEBUG|turning off the locking'

# has_workload DRIVER: whether it runs one if it is loaded with `jobs`, as what new-driver writes does.
has_workload() {
	(cd "${beside[$1]}" && [ -e "${crate[$1]}/src/workload.rs" ] && grep -q '^ *jobs: u32 {' "${crate[$1]}/src/lib.rs")
}

# ours DRIVER: whether it is one of drivers/, by whatever path. The command fence knows their workloads; other
# crates have a test that prints theirs.
ours() { [ "$(cd "${beside[$1]}" && realpath "${crate[$1]}")" = "$root/drivers/$1" ]; }

# comparable_crates DRIVER...: before anything is built, that what has a workload prints it here.
comparable_crates() {
	local driver
	for driver; do
		! has_workload "$driver" || ours "$driver" || (cd "${beside[$driver]}" && [ -e "${crate[$driver]}/tests/workload.rs" ]) ||
			die "${crate[$driver]} has src/workload.rs, and no test that prints what is done here: expected tests/workload.rs, as scripts/new-driver writes it"
	done
}

# workload_here DRIVER SEED: the events of its fences here, and what it says.
workload_here() (
	if ours "$1"; then
		cd "$root"
		contained cargo run -q -p fence -- workload "$1" --seed "$2" --jobs "$jobs"
	else
		cd "${beside[$1]}" && cd "${crate[$1]}"
		FENCE_WORKLOAD="seed=$2 jobs=$jobs" contained cargo test -q --test workload -- --nocapture
	fi
)

# of_load WORDS LOG: what the machine's log has of one load.
of_load() { awk -v begin="@@ load $1" '/^@@ load / { on = $0 == begin; next } /^@@ / { on = 0 } on' "$2"; }

# comparable DRIVER: of a text, the events of each context, these by their first appearance; and then
# what the driver says.
comparable() {
	sed -E 's/^\[ *[0-9.]+\](\[ *[TC][0-9]+\])? //' | awk -v driver="$1: " '
		/^dma_fence_[a-z_]+: / && match($0, / context=[0-9]+/) {
			context = substr($0, RSTART, RLENGTH)
			if (!(context in events)) order[++contexts] = context
			events[context] = events[context] "    " substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH) "\n"
			next
		}
		# That it is not one of the kernel'\''s own is said of the first.
		index($0, driver) == 1 && !/taints? kernel|tainting kernel/ { said = said $0 "\n" }
		END {
			for (n = 1; n <= contexts; n++) printf "context %d\n%s", n, events[order[n]]
			printf "%s", said
		}'
}

# same LINUX HERE: whether the two are; else prints the difference. No events are no workload.
same() {
	grep -q "^    dma_fence_signaled: " "$2" && diff -u --label Linux --label here "$1" "$2" | head -n 60
}

# prepare KERNEL: the machine's script, which loads each driver with each seed.
prepare() {
	local dir=$chroot$machine driver seed
	rm -rf "$dir"
	mkdir -p "$dir"
	{
		# The log is printed at the end of each load; what is worse at once, for one that has no end.
		echo 'dmesg -n 5; cd /sys/kernel/tracing; echo 0 >options/context-info; echo counter >trace_clock'
		echo 'echo 8192 >buffer_size_kb; dmesg -c >/dev/null'
		cat <<-'END'
			load() {
				echo "@@ load $*"
				driver=$1
				shift
				echo >trace
				echo 1 >events/dma_fence/enable
				insmod "/$driver.ko" "$@" && status=0 || status=$?
				[ $status != 0 ] || rmmod "$driver" || status=$?
				echo 0 >events/dma_fence/enable
				grep '^dma_fence_' trace
				dmesg -c
				echo "@@ ends with $status"
			}
		END
		for driver in "$@"; do
			inside strip -g -o "$machine/$driver.ko" "/build/module/$driver/$driver.ko" || die "strip failed"
			if has_workload "$driver"; then
				for seed in "${seeds[@]}"; do
					echo "load $driver seed=$seed jobs=$jobs"
				done
			else
				echo "load $driver"
			fi
		done
	} >"$dir/run"
}

# judge DRIVER LOG [SEED]: whether one load is as it should be.
judge() {
	local driver=$1 log=$2 seed=${3:-} load=$1 here=$cache/log/$1.here linux=$cache/log/$1.linux start planted
	start=$(now)
	[ -z "$seed" ] || load="$driver seed=$seed jobs=$jobs"
	of_load "$load" "$log" >"$linux.log"
	if ! awk -v begin="@@ load $load" '/^@@ load / { on = $0 == begin } on && /^@@ ends with 0/ { good = 1 } END { exit !good }' "$log"; then
		cat "$linux.log"
		say "$load: does not load and unload: the whole log is $log"
		return 1
	fi
	if grep -E "$complaints" "$linux.log"; then
		say "$load: the kernel complains: the whole log is $log"
		return 1
	fi
	if [ -z "$seed" ]; then
		grep "$driver: " "$linux.log" || true
		say "$load: loads and unloads"
		return 0
	fi
	workload_here "$driver" "$seed" >"$here.raw" 2>"$here.log" </dev/null ||
		{ cat "$here.log" "$here.raw" >&2; die "$load: does not run here"; }
	comparable "$driver" <"$linux.log" >"$linux"
	comparable "$driver" <"$here.raw" >"$here"
	if ! same "$linux" "$here"; then
		say "$load: Linux does not do what is done here: $linux, $here"
		return 1
	fi
	# What compares is compared: an event that lacks, one that comes too late, another number.
	for planted in '/^dma_fence_signaled/ && ++n == 9 { next } 1' \
		'/^dma_fence_signaled/ && ++n == 9 { late = $0; next } 1; END { print late }' \
		'/: workload/ { sub(/[0-9]+ [a-z]/, "0&") } 1'; do
		awk "$planted" "$linux.log" >"$linux.planted.log"
		! cmp -s "$linux.planted.log" "$linux.log" ||
			die "$load: expected of a workload nine signals, and a line with ': workload' and a number: with less it is not known that a difference is noticed"
		comparable "$driver" <"$linux.planted.log" >"$linux.planted"
		! same "$linux.planted" "$here" >/dev/null || die "$load: a planted difference is not noticed: $planted"
	done
	say "$load: $(grep -c '^    dma_fence_' "$here") events of $(grep -c '^context ' "$here") contexts, and the summary, are the same in Linux and here"
}

# run KERNEL DRIVER...: all of it, for modules that are built.
run() {
	local kernel=$1 log=$cache/log/machine$verb machine=/build/module/machine bad=0 driver seed start
	shift
	start=$(now)
	prepare "$@"
	# The suites of KUnit that a module has would run when it is loaded.
	machine "$log" "$kernel" "$machine" "quiet kunit.enable=0" || true
	say "the machine has run for $(since "$start")"
	for driver in "$@"; do
		if has_workload "$driver"; then
			for seed in "${seeds[@]}"; do
				judge "$driver" "$log" "$seed" || bad=1
			done
		else
			judge "$driver" "$log" || bad=1
		fi
	done
	if ((!bad)) && grep -qE "$complaints" "$log"; then
		grep -E "$complaints" "$log"
		say "the kernel complains: the whole log is $log"
		bad=1
	fi
	return $bad
}
