# SPDX-License-Identifier: GPL-2.0-only
#
# To be sourced: --interrupt. Runs of the lane are interrupted, as by Ctrl-C, at random moments: each must
# end soon and leave neither a mount nor a process, and one that is not interrupted must come to its
# end with the cache that they have left.

# left SESSION: what is left of a session: its processes, and those that are in the chroot.
left() {
	local process
	ps -o pid=,args= -s "$1" || true
	for process in /proc/[0-9]*; do
		[[ $(readlink "$process/root" 2>/dev/null) != "$(realpath "$chroot")"* ]] || echo "${process#/proc/} in $chroot"
	done
}

interrupted_run() {
	local after=$1 status=0 mounts
	shift
	mounts=$(findmnt -rn -o TARGET,SOURCE)
	# A session of its own, in which signals are as they are for a user.
	setsid env --default-signal=INT,QUIT "$script" "$@" >"$scratch/said" 2>&1 </dev/null &
	session=$!
	sleep "$after"
	kill -INT -- "-$session" 2>/dev/null || true
	for _ in {1..40}; do
		kill -0 "$session" 2>/dev/null || break
		sleep 0.5
	done
	kill -KILL -- "-$session" 2>/dev/null || true
	wait "$session" || status=$?
	local ended=$session
	session=
	say "interrupted after $after s: $(tail -n 1 "$scratch/said"): status $status"
	((status != 130)) || interrupted=$((interrupted + 1))
	((status == 130 || status <= 1)) || { cat "$scratch/said"; say "expected status 130"; return 1; }
	[ -z "$(left "$ended")" ] || { left "$ended"; say "these processes are left"; return 1; }
	[ "$mounts" = "$(findmnt -rn -o TARGET,SOURCE)" ] || { say "the mounts are not as before"; return 1; }
}

# interrupt SEED ARG...: ten times. A run that has ended before its moment is not one of them.
interrupt() {
	local n seed=$1 interrupted=0
	shift
	need ps "looking at what is left"
	need findmnt "looking at what is left"
	scratch=$(mktemp -d)
	session=
	# The run has a session of its own, which no key interrupts.
	trap '[ -z "$session" ] || kill -INT -- "-$session" 2>/dev/null || true; rm -rf "$scratch"' EXIT
	RANDOM=$seed
	say "seed $seed"
	mkdir -p "$cache"
	for n in {1..40}; do
		((interrupted < 10)) || break
		interrupted_run "$((RANDOM % 60)).$((RANDOM % 10))" "$@" || exit 1
	done
	((interrupted == 10)) || { say "of 40 runs $interrupted were interrupted: expected 10"; exit 1; }
	"$script" "$@" || { say "what they have left is of no use: status $?"; exit 1; }
}
