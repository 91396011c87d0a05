# SPDX-License-Identifier: GPL-2.0-only
#
# kernel-lane --prove, to be sourced by it: what Linux says where a driver breaks a rule.
#
# What it should say stands in Documentation/what-linux-says.rst, a page with a table. The
# drivers are those of dma-fence/broken and drivers/broken, which one module has all of;
# found.rs has what was found upstream.

page=$root/Documentation/what-linux-says.rst
proofs=/build/module/prove

# table: the rows of the page, a line each, with tabs: its name, and what is expected of
# our kernel, of Debian's, and why.
table() {
	awk '
		function row() { if (n) print cell[1] "\t" cell[2] "\t" cell[3] "\t" cell[4]; n = 0 }
		/^   \* - / { row(); sub(/^   \* - /, ""); cell[n = 1] = name($0); cell[2] = cell[3] = cell[4] = ""; next }
		n && /^     -/ { sub(/^     - ?/, ""); cell[++n] = $0; next }
		n && /^       / { sub(/^ */, ""); cell[n] = cell[n] " " $0; next }
		{ row() }
		END { row() }
		function name(text) { gsub(/^:doc:`.*\/|`$/, "", text); return text }' "$page" |
		sed -e 's/``//g' -e '/^Rule\t/d' -e '/^Finding\t/d'
}

# missing: the pages of rules that have no row in the table.
missing() {
	comm -3 <(table | cut -f1 | sort) \
		<(cd "$root/Documentation" && ls rules/*.rst found-upstream/*.rst | sed 's#.*/##; s/\.rst$//; /^index$/d' | sort)
}

# The drivers, by the names of their rules and in the order of their numbers; and what was found.
examples() {
	sed -n '/examples! {/,/^}/s/^ *[a-z_]* = "\(.*\)";$/\1/p' "$root"/{dma-fence,drivers}/broken/src/lib.rs
	sed -n 's/^    ("\([a-z-]*\)", .*),$/\1/p' "$root/scripts/kernel-lane.d/prove/found.rs"
}

# compile_proofs DIR: lays out the module below DIR, and builds it if that has changed.
#
# What is a crate is a module here, below one root: `crate::` becomes `super::`, and `dma_fence::`
# `crate::dma_fence::`; and where the crate kernel has less than what C has, linux.rs adds it.
compile_proofs() {
	local dir=$1 new=$chroot$1.new here=$root/scripts/kernel-lane.d/prove crate module
	rm -rf "$new"
	mkdir -p "$new"/{fences,drivers}
	cp "$here"/{Kbuild,linux.rs,found.rs} "$new/" || die "no room in $cache"
	sed '/kunit_tests/,$d' "$root/scripts/upstream.d/found/list_fields.rs" >"$new/list_fields.rs"
	cp -r "$root/dma-fence/src" "$new/dma_fence"
	mv "$new/dma_fence/lib.rs" "$new/dma_fence/mod.rs"
	cp "$root"/dma-fence/broken/src/*.rs "$new/fences/"
	cp "$root"/drivers/broken/src/*.rs "$new/drivers/"
	for crate in fences drivers; do
		rm "$new/$crate/tests.rs"
		mv "$new/$crate/lib.rs" "$new/$crate/mod.rs"
	done
	sed -Ei -e 's/^#!\[(no_std|forbid\(unsafe_code\))\]//' -e 's/^dma_fence::(examples!)/\1/' \
		-e 's/^use crate::/use super::/' -e 's/^use kernel::/use crate::linux::/' -e 's/\bkernel::(kfree_rcu!)/crate::linux::\1/' \
		-e 's/^use (::)?dma_fence::bindings::/use crate::linux::bindings::/' -e 's/^use (::)?dma_fence::/use crate::dma_fence::/' \
		"$new"/{fences,drivers}/*.rs "$new/list_fields.rs"
	for module in prove driver; do
		cp "$here/main.rs" "$new/${module}_main.rs"
		cp "$here/inline.c" "$new/${module}_inline.c"
		cp "$root/dma-fence/linux/helpers.c" "$new/${module}_helpers.c"
	done
	build_proof "$dir"
}

# build_proof DIR: builds what is laid out in DIR.new, unless it is what DIR was built of.
build_proof() {
	local dir=$1 new=$chroot$1.new log=$cache/log/${1##*/}
	(cd "$new" && find . -type f -print0 | sort -z | xargs -0 sha256sum && stat -c %Y "$chroot${kbuild[1]}/Module.symvers") >"$new.sum"
	mv "$new.sum" "$new/sum"
	if cmp -s "$new/sum" "$chroot$dir/sum" && ls "$chroot$dir"/*.ko >/dev/null 2>&1; then
		rm -r "$new"
		return
	fi
	rm -rf "${chroot:?}$dir"
	mv "$new" "$chroot$dir"
	inside make -s "${kbuild[@]}" "M=$dir" modules >"$log" 2>&1 </dev/null || { cat "$log" >&2; die "it does not compile as a module: $log"; }
}

# reports: of a log, the lines that begin with "@@", and what is reported after each: a line with the kind, a tab, and the words.
reports() {
	awk '
		function report(kind, words) {
			gsub(/\/build\/[a-z]*\/linux\/|\/usr\/src\/linux-headers[^ ]*-common\/|\+0x[0-9a-f]+\/0x[0-9a-f]+|, CPU#.*|!$/, "", words)
			sub(/ at addr.*|,? (for )?address: .*/, "", words)
			gsub(/ object: [0-9a-f]+| hint: .*/, "", words)
			print kind "\t" words
		}
		/^@@ / { print }
		cut { cut = 0; if (!/^WARNING: /) {
			kind = /^refcount_t: / ? "refcount" : /^list_(add|del)/ ? "list" : /^ODEBUG: / ? "debug objects" : /^kernel BUG at / ? "BUG" : "WARN"
			sub(/^(refcount_t: |ODEBUG: |kernel BUG at )/, ""); report(kind, $0); next } }
		/-\[ cut here \]-/ { cut = 1; next }
		/^BUG: KASAN: / { sub(/^BUG: KASAN: /, ""); report("KASAN", $0); next }
		/^WARNING: suspicious RCU usage/ { rcu = 1; next }
		rcu && / usage!$|^Illegal|!$/ && !/^-/ { rcu = 0; report("RCU", $0); next }
		/^(WARNING|BUG|\[ BUG): .*(detected|lock state|wait context|lock freed|lock held|held lock|unlock balance|contention)/ {
			sub(/^(WARNING|BUG|\[ BUG): /, ""); sub(/ \]$/, ""); report("lockdep", $0); next }
		/^BUG: sleeping function called|^BUG: scheduling while atomic/ { sub(/^BUG: /, ""); report("sleep", $0); next }
		/^INFO: task .* blocked for more than/ { report("hung task", "blocked"); next }
		/rcu: INFO: .*stall|soft lockup|hard LOCKUP/ { sub(/^(rcu|watchdog): /, ""); report("stall", $0); next }
		/^rust_kernel: panicked at/ { report("panic", $0); next }
		/^BUG: (unable to handle|kernel NULL pointer)|^Oops: |^general protection/ { sub(/^(BUG|Oops): /, ""); report("oops", $0); next }
		/^prove: / && !/: (loading|module verification)/ { sub(/^prove: /, ""); report("prints", $0); next }
		/^WARNING: .* at / { sub(/^WARNING: /, ""); report("WARN", $0); next }
		/^@@ (stuck|timeout)/ { report("stuck", "no more is said") }'
}

# said LOG NAME WRONG: the first report of a run, right (0) or wrong (1).
said() { of_kernel "$1" | reports | awk -v begin="@@ $2 $3" '/^@@ [a-z-]+ [01]$/ { on = $0 == begin } !/^@@/ && on { print; exit }'; }

# expected SAID CELL: whether a report is what a cell of the table says: "nothing", or a kind and
# words that are in it.
expected() {
	local kind=${2%%: *} words=${2#*: }
	if [ "$2" = nothing ]; then
		[ -z "$1" ]
	else
		[[ $1 = "$kind"$'\t'*"$words"* ]]
	fi
}

# run_proofs NAME...: has a machine run them, each right and wrong, until a report: after one, lockdep
# says nothing, and what is broken may break the next. What was run is in `log`, by name.
run_proofs() {
	local module name number dir=$proofs$stock/root file=$cache/log/prove-$1$stock
	rm -rf "${chroot:?}$dir"
	mkdir -p "$chroot$dir"
	for module in prove driver; do
		inside strip -g -o "$dir/$module.ko" "$proofs$stock/$module.ko" || die "strip failed"
	done
	cat >"$chroot$dir/run" <<-'END'
		dmesg -n 8
		echo 20 >/proc/sys/kernel/hung_task_timeout_secs
		# run NAME NUMBER WRONG: on the second CPU, and what it queues on the first. What comes late is
		# told before the module goes.
		run() {
			[ -z "$told" ] || return
			echo "@@ $1 $3" >/dev/kmsg
			(taskset 2 insmod /prove.ko number=$2 wrong=$3; echo "@@ insmod ends with $?" >/dev/kmsg; >/ended) &
			for n in $(seq 160); do [ -e /ended ] || sleep 0.25; done
			[ $3 = 0 ] || sleep 1.5
			dmesg | sed '1,/@@ /d' | grep -qE 'cut here|BUG:|WARNING:|INFO:|Oops' && told=1 && return
			rmmod prove
			rm /ended
		}
	END
	for name; do
		number=$(examples | grep -nxF -- "$name" | cut -d: -f1) || die "there is no driver that breaks $name"
		printf 'run %s %s %s\n' "$name" "$number" 0 "$name" "$number" 1
	done >>"$chroot$dir/run"
	echo 'echo "@@ ended"' >>"$chroot$dir/run"
	machine "$file" "$kernel" "$dir" "workqueue.unbound_cpus=0 kunit.enable=0" '@@ ended' 60 || true
	for name; do
		! grep -q "@@ $name 0" "$file" || log[$name]=$file
	done
	[ -n "${log[$1]:-}" ] || die "the machine does not come to $1: $file"
}

# judge_proof NAME CELL: whether the kernel has said what the cell has, and of what is right nothing.
judge_proof() {
	local name=$1 cell=$2 right wrong shown
	right=$(said "${log[$name]}" "$name" 0) wrong=$(said "${log[$name]}" "$name" 1)
	if [ -n "$right" ] || ! of_kernel "${log[$name]}" | sed -n "/^@@ $name 0/,/^@@ $name 1/p" | grep -q '^@@ insmod ends with 0'; then
		say "$name: Linux complains of what is done right: ${right:-it does not end}"
		return 1
	fi
	# Silence is of a run that there was.
	[ -n "$wrong" ] || of_kernel "${log[$name]}" | awk -v begin="@@ $name 1" '
		$0 == begin { on = 1; next } on && /^@@ [^ ]+ [01]$/ { on = 0 } on && /^@@ insmod ends with 0$/ { found = 1 } END { exit !found }' ||
		{ say "$name: the machine does not come to the end of what is wrong"; return 1; }
	shown=${wrong:-nothing}
	shown=${shown/$'\t'/: }
	expected "$wrong" "$cell" || { say "$name: Linux says $shown; expected $cell"; return 1; }
	echo "$name: $shown"
	# How it begins.
	[ -z "$wrong" ] || of_kernel "${log[$name]}" | awk -v begin="@@ $name 1" '$0 == begin { on = 1; next } /^@@/ { on = 0 } on && NF && n++ < 6 { print "    " $0 }'
}

# prepare_proofs: the kernel that is asked, and the module for it.
prepare_proofs() {
	if [ -n "$stock" ]; then
		setup
		kernel=/build/vmlinuz
	else
		. "$root/scripts/kernel-lane.d/lockdep.sh"
		setup_debug
		kernel=$debug_kernel
	fi
	step machine install_machine
	compile_proofs "$proofs$stock"
}

# prove_all NAME...: those rows of the table, or all.
prove_all() {
	local name ours debians why bad=0 start names=()
	local -A log=() cell=()
	start=$(now)
	while IFS=$'\x1f' read -r name ours debians why; do
		among "$name" "$@" || among all "$@" || continue
		cell[$name]=$ours
		[ -z "$stock" ] || cell[$name]=$debians
		if [ "${cell[$name]}" = - ]; then
			say "$name: not run: $why"
		else
			names+=("$name")
		fi
	done < <(table | tr '\t' '\037')
	while [ ${#names[@]} -gt 0 ]; do
		run_proofs "${names[@]}"
		for name in "${names[@]}"; do
			[ -n "${log[$name]:-}" ] || break
			names=("${names[@]:1}")
			# What one has left behind is not blamed on the next.
			[[ ${log[$name]} = *"/prove-$name$stock" ]] || judge_proof "$name" "${cell[$name]}" >/dev/null 2>&1 || run_proofs "$name"
			judge_proof "$name" "${cell[$name]}" || bad=1
			say "$name: $(since "$start"), its log is ${log[$name]}"
		done
	done
	return $bad
}

# prove_self_test: a table that lies is told of, each way.
prove_self_test() {
	local truth=$page lie said
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	page=$scratch/page.rst
	prepare_proofs
	for lie in 'callback-once|nothing|KASAN: slab-use-after-free' 'error-before-signal|WARN: .*|nothing' \
		'error-before-signal|WARN: .*|KASAN: slab-use-after-free'; do
		IFS='|' read -r name from to <<<"$lie"
		sed -E "/:doc:.rules\/$name\`/,/^   \* /s/^     - $from\$/     - $to/" "$truth" >"$page"
		! cmp -s "$truth" "$page" || die "self-test: the lie does not fit: $lie"
		! said=$(prove_all "$name" 2>&1) || die "self-test: a lie is not noticed: $lie: $said"
		[[ $said = *"$name: Linux says "*"; expected $to"* ]] || die "self-test: a lie is told of otherwise: $lie: $said"
	done
	say "a table that lies is told of"
}

# prove_verb NAME...: the verb.
prove_verb() {
	local name names
	[ -z "$(missing)" ] || die "$page and the pages of rules and findings do not have the same names: $(missing | tr -d '\t' | paste -sd' ')"
	if [ -n "$list" ]; then
		[ $# = 0 ] && [ -z "$self_test" ] || die "--prove --list takes no names and no --self-test"
		table | awk -F '\t' '{ printf "%-28s %-52s %s\n", $1, $2, $3 }'
	elif [ -n "$self_test" ]; then
		[ $# = 0 ] && [ -z "$stock" ] || die "--prove --self-test takes no names and no --stock"
		prove_self_test
	else
		[ $# -gt 0 ] || die "--prove wants names, or all: see --prove --list"
		for name; do
			[ "$name" = all ] || table | cut -f1 | grep -qxF -- "$name" || die "there is no rule and no finding $name: see --prove --list"
		done
		prepare_proofs
		prove_all "$@"
	fi
}
