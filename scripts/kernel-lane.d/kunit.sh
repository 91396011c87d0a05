# SPDX-License-Identifier: GPL-2.0-only
#
# To be sourced: --kunit and --kunit-lockdep. The suites of KUnit that a driver has, and those of
# the safe half, run here and in Linux, and what comes out of each case is compared.

# suites DIR: the suites in the files of a module.
suites() { grep -rhoP --include='*.rs' '^#\[kunit_tests\(\K\w+(?=\)\]$)' "$1" | sort -u; }

# without_kunit DRIVER: where the kernel has no KUnit, its macro leaves nothing. So each suite becomes
# a function by which C finds the cases, which are those of KUnit's macro: `#[test]` in a module
# as rustfmt writes it. Lines stay lines.
without_kunit() {
	local dir=$chroot/build/module/$1 here=$root/scripts/kernel-lane.d/kunit file
	: >"$dir/kunit_suites.h"
	grep -rlZ --include='*.rs' '^#\[kunit_tests(' "$dir" | while IFS= read -rd '' file; do
		awk -v suites="$dir/kunit_suites.h" '
			/^#\[kunit_tests\(/ { suite = $0; gsub(/.*\(|\).*/, "", suite); cases = ""; print ""; next }
			suite == "" { print; next }
			/^mod [a-z_]+ \{$/ { print $0 " use crate::kunit_runner::{assert, assert_eq};"; next }
			/^    #\[test\]$/ { test = 1; print ""; next }
			test && /^    fn / { name = $2; sub(/\(.*/, "", name); cases = cases " c\"" name "\" " name; test = 0 }
			/^}$/ {
				print "crate::kunit_runner::suite!(kunit_suite_" suite ":" cases "); }"
				print "SUITE(" suite ")" >>suites
				suite = ""
				next
			}
			{ print }' "$file" >"$dir/rewritten"
		mv "$dir/rewritten" "$file"
	done
	cp "$here/runner.rs" "$dir/kunit_runner.rs"
	cp "$here/suites.c" "$dir/kunit_suites.c"
	printf '\nmod kunit_runner;\n' >>"$dir/$1_main.rs"
	printf '%s\n' "$1-y += kunit_suites.o" 'CFLAGS_kunit_suites.o := -I$(src)' >>"$dir/Kbuild"
}

# ktap: the lines of KTAP in a log.
ktap() { grep -aE '^ *(KTAP version|# (Subtest:|[a-z_]+: )|1\.\.[0-9]|(not )?ok [0-9])' || true; }

# cases: of KTAP, a line for each case: its suite, its name, and what came out.
cases() {
	awk '
		/^ *# Subtest: / { suite = $3 }
		/^    (not )?ok [0-9]+ / {
			result = /# SKIP/ ? "skipped" : $1 == "ok" ? "passes" : "fails"
			print suite "." ($1 == "ok" ? $3 : $4), result
		}' | sort
}

# run_kunit_here DRIVER: its suites, and that of the safe half; their KTAP. False if they do not build.
run_kunit_here() {
	local log=$cache/log/kunit-here-$1 target=${CARGO_TARGET_DIR:-$root/target} run
	for run in --no-run ''; do
		(
			unset FENCE_CASE_SCHEDULES
			export FENCE_KTAP=1 CARGO_TARGET_DIR=$target
			cd "${beside[$1]}"
			for manifest in "$root/dma-fence" "${crate[$1]}"; do
				cargo test -q --manifest-path "$manifest/Cargo.toml" --lib $run </dev/null 2>&1 >"$log.tests"
			done
		) >"$log" || [ -z "$run" ] || { cat "$log" >&2; say "$1: its suites do not build here"; return 1; }
	done
	ktap <"$log" >"$log.ktap"
}

# run_kunit_there DRIVER KERNEL: the same in a machine.
run_kunit_there() {
	local dir=/build/module/$1/root log=$cache/log/kunit-there-$1
	rm -rf "$chroot$dir"
	mkdir -p "$chroot$dir"
	inside strip -g -o "$dir/module.ko" "/build/module/$1/$1.ko" || die "strip failed"
	cat >"$chroot$dir/run" <<-END
		dmesg -n 8
		echo "@@ insmod $1" >/dev/kmsg
		insmod /module.ko || echo "@@ insmod ends with \$?" >/dev/kmsg
		if [ -e /sys/module/$1/parameters/kunit ]; then
			echo 1 >/sys/module/$1/parameters/kunit
		fi
		rmmod $1 && status=0 || status=\$?
		echo "@@ rmmod ends with \$status" >/dev/kmsg
	END
	machine "$log.raw" "$2" "$dir" quiet '@@ rmmod ends' 120 || true
	of_kernel "$log.raw" >"$log"
	ktap <"$log" >"$log.ktap"
	if ! grep -q '@@ rmmod ends with 0' "$log"; then
		say "$1: does not load, run its suites and unload: the log is $log.raw"
		return 1
	fi
	if grep -qE "$complaints" "$log"; then
		say "$1: the kernel complains: the log is $log.raw"
		return 1
	fi
}

# compare_kunit DRIVER: what came out of each case here and there; false if a case fails, or differs.
compare_kunit() {
	local here=$cache/log/kunit-here-$1 there=$cache/log/kunit-there-$1 name a b bad=0 passed=0
	cases <"$here.ktap" >"$here.cases"
	cases <"$there.ktap" >"$there.cases"
	while read -r name a b; do
		[ "$a $b" != 'passes passes' ] || { passed=$((passed + 1)); continue; }
		case $a in
		"$b") say "$1: $name: $a here and in Linux" ;;
		*) say "$1: $name: $a here, $b in Linux" ;;
		esac
		[ "$a $b" = 'skipped skipped' ] || bad=1
	done < <(join -a 1 -a 2 -e missing -o 0,1.2,2.2 "$here.cases" "$there.cases")
	((passed)) || { say "$1: no case passes"; bad=1; }
	((!bad)) || say "$1: what was said of them is in $here.tests and $there"
	say "$1: $passed cases of $(cut -d. -f1 "$here.cases" | sort -u | paste -sd' ') pass here and in Linux $abi"
	return $bad
}

# kunit KERNEL DRIVER...: all of it.
kunit() {
	local kernel=$1 driver bad=0
	shift
	for driver; do
		run_kunit_here "$driver" && run_kunit_there "$driver" "$kernel" && compare_kunit "$driver" || bad=1
	done
	return $bad
}

# self_test_kunit CRATE: a suite of which each case ends in another way, here and there; also on the
# kernel that has KUnit, where it was built already.
self_test_kunit() {
	local said words verb
	. "$root/scripts/kernel-lane.d/lockdep.sh"
	cat >"$1/src/kunit.rs" <<-'END'
		//! A suite that fails.

		use kernel::prelude::*;

		#[kunit_tests(my_gpu)]
		mod tests {
		    use kernel::prelude::*;

		    #[test]
		    fn passes() {
		        assert_eq!(1 + 1, 2);
		    }

		    #[test]
		    fn asserts() {
		        assert!(1 + 1 == 3);
		        pr_info!("it goes on\n");
		    }

		    #[test]
		    fn returns() -> Result {
		        Err(EIO)
		    }

		    #[test]
		    fn differs() {
		        assert!(!cfg!(CONFIG_RUST));
		    }
		}
	END
	echo 'mod kunit;' >>"$1/src/lib.rs"
	for verb in --kunit --kunit-lockdep; do
		[ $verb = --kunit ] || [ -e "$cache/done/$debug_step" ] || continue
		said=$("$script" $verb --crate "$1" 2>&1) &&
			die "self-test: cases that fail are not noticed: $said"
		for words in 'asserts: fails here and in Linux' 'returns: fails here and in Linux' \
			'differs: passes here, fails in Linux' '13 cases of dma_fence my_gpu pass here and in Linux'; do
			[[ $said = *"my_gpu"*"$words"* ]] || { say "self-test: $verb: expected '$words': $said"; exit 1; }
		done
		! grep -q 'it goes on' "$cache/log/kunit-there-my_gpu" ||
			die "self-test: $verb: an assertion that fails does not end its case"
	done
	say "a case of KUnit that fails is seen to, here and in Linux"
}
