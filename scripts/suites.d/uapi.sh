# SPDX-License-Identifier: GPL-2.0-only
#
# How programs run on the sw_sync and sync_file of the kernel here, to be sourced after
# prelude.sh by a script that has $work and $root, and runs in $root or a copy of it.

# server: builds uapi-server, with optimisation, and its library, to $work, where any user can read
# them.
server() {
	cargo build -q --profile model -p uapi-server 2>"$work/log" || { cat "$work/log" >&2; die "uapi-server does not build"; }
	"$CC" -shared -fPIC -O2 -g -Wall -Wextra scripts/suites.d/preload.c -o "$work/preload.so" ||
		die "scripts/suites.d/preload.c does not compile"
	cp "$CARGO_TARGET_DIR/model/uapi-server" "$work"
	chmod 755 "$work"
}

# served COMMAND...: runs it for $limit seconds at most, and then neither it nor what it has started;
# as an ordinary user: root could do more to this machine than a test should.
served() {
	local user=()
	[ "$EUID" != 0 ] || user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	"$work/uapi-server" --library "$work/preload.so" -- "${user[@]}" timeout --kill-after=5 "$limit" "$@"
}

# ended STATUS: says why there is no more of a test, if it has not come to its end.
ended() {
	case $1 in
	124 | 137) echo "has not ended after $limit s" ;;
	125) echo "could not run" ;;
	1[3-9][0-9]) echo "ended by signal $(($1 - 128))" ;;
	*) echo "status $1" ;;
	esac
}
