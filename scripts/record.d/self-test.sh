# SPDX-License-Identifier: GPL-2.0-only
#
# record --self-test, to be sourced by it: a scenario is recorded and replayed, and what is wrong is told of.

self_test() {
	local plan part
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	plan=$scratch/plan.fence
	cat >"$plan" <<-'END'
		# A plan of two jobs: the second fails, and a buffer that waits for both has a callback.
		context ring0 ring1
		fence copy ring0 7 enable_signaling set_deadline
		fence draw ring1 3 signaled release

		array both copy draw    # made of what is not signalled
		chain point NULL both 1
		callback flip get_status both
		add_callback point flip
		resv buffer
		resv_lock buffer
		resv_reserve_fences buffer 2
		resv_add_fence buffer point write
		resv_add_fence buffer copy bookkeep
		resv_unlock buffer
		thread reader resv_wait_timeout buffer read 1000000
		resv_set_deadline buffer read 500
		set_error draw -EIO
		signal draw
		signal copy
		resv_get_fences buffer bookkeep
		unwrap_for_each point
		resv_fini buffer
		put point
		put both
		put draw
		put copy
	END

	# Mistakes, before there is a machine.
	printf '%s\n' 'context A' 'fence a A 1' '  = ok' 'signall a' >"$scratch/word.fence"
	printf '%s\n' 'context A' 'fence a A 1' 'put a' 'signal a' >"$scratch/gone.fence"
	ends 2 "word.fence:4:1: no such command: signall" "$script" "$plan" "$scratch/word.fence"
	ends 2 "gone.fence:4:8: " "$script" --check "$scratch/gone.fence"
	ends 2 'is no scenario' "$script" "$scratch/word.expect"
	[ ! -e "$scratch/plan.expect" ] || die "self-test: something was recorded beside a mistake"

	ends 0 'plan.expect: recorded' "$script" --replay "$plan"
	grep -qx '  ! flip: = -EIO' "$scratch/plan.expect" || die "self-test: the transcript is not that of the scenario"

	# A difference, from what Linux does and from what we do; the other scenario is as recorded.
	cp "$plan" "$scratch/again.fence"
	cp "$scratch/plan.expect" "$scratch/again.expect"
	sed -i 's/flip: = -EIO/flip: = -ETIME/' "$scratch/plan.expect"
	cp "$scratch/plan.expect" "$scratch/planted"
	ends 1 '+  ! flip: = -EIO' "$script" "$plan" "$scratch/again.fence"
	ends 1 '1 as recorded' "$script" --check "$plan" "$scratch/again.fence"
	cmp -s "$scratch/planted" "$scratch/plan.expect" || die "self-test: a transcript was replaced without --force"
	ends 1 '+  ! flip: = -EIO' fence replay "$plan"
	ends 0 'plan.expect: recorded' "$script" --force --boots 1 --runs 1 "$plan"
	cmp -s "$scratch/plan.expect" "$scratch/again.expect" || die "self-test: --force has not recorded it"

	# What varies, and what only Linux's side refuses.
	dir=$scratch/machines
	mkdir -p "$dir"/boot-{1,2}/said/1
	cp "$scratch/plan.expect" "$dir/boot-1/said/1/0001"
	sed 's/flip: = -EIO/flip: = -ETIME/' "$scratch/plan.expect" >"$dir/boot-2/said/1/0001"
	ends 1 "plan.fence:$(grep -n '^signal copy' "$plan" | cut -d: -f1): varies: " judge 1 "$plan"
	for part in 1 2; do
		sed '/^unwrap_for_each/{n;s/.*/  ? no such thing/}' "$scratch/plan.expect" >"$dir/boot-$part/said/1/0001"
	done
	ends 1 "plan.fence:$(grep -n '^unwrap_for_each' "$plan" | cut -d: -f1): ? no such thing" judge 1 "$plan"

	# What cannot be written is not said to be recorded.
	mkdir "$scratch/full.expect"
	cp "$scratch/plan.expect" "$dir/said"
	force=1 ends 2 'full.expect cannot be written' keep "$scratch/full.fence"
	say "a scenario is recorded and replayed equal, and differences and mistakes are told of with their places"
}
