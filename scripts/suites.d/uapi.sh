# SPDX-License-Identifier: GPL-2.0-only
#
# How programs run on the sw_sync and sync_file of the kernel here, to be sourced after
# prelude.sh by a script that has $work and $root, and runs in $root or a copy of it.

# server OPTION...: builds uapi-server, with these options of cargo's, and its library, to $work, where
# any user can read them.
server() {
	local profile=debug
	[[ " $* " != *' model '* ]] || profile=model
	cargo build -q -p uapi-server "$@" 2>"$work/log" || { cat "$work/log" >&2; die "uapi-server does not build"; }
	"$CC" -shared -fPIC -O2 -g -Wall -Wextra scripts/suites.d/preload.c -o "$work/preload.so" ||
		die "scripts/suites.d/preload.c does not compile"
	cp "$CARGO_TARGET_DIR/$profile/uapi-server" "$work"
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
	125) echo "could not run, or left something" ;;
	1[3-9][0-9]) echo "ended by signal $(($1 - 128))" ;;
	*) echo "status $1" ;;
	esac
}

# faults COLUMN: plants each fault of uapi-faults that has a test in that column, in a copy of the
# repository, and has "fails TEST" look that the test fails; as it is it passes.
faults() {
	local rows row fields name test file bad=0 copy
	export CARGO_TARGET_DIR=$CARGO_TARGET_DIR/uapi
	copy=$CARGO_TARGET_DIR/tree limit=20
	mkdir -p "$copy"
	# What has not changed keeps its time, so that cargo builds little.
	files | (cd "$root" && xargs -0 cp -u --parents -t "$copy")
	cd "$copy"
	mapfile -t rows < <(sed '/^#/d;/^$/d' "$root/scripts/suites.d/uapi-faults")
	for row in "${rows[@]}"; do
		read -ra fields <<<"$row"
		# Of a run that was ended.
		cmp -s "$root/${fields[3]}" "${fields[3]}" || cp "$root/${fields[3]}" "${fields[3]}"
	done
	server --no-default-features
	for test in $(printf '%s\n' "${rows[@]}" | tr -s ' ' | cut -d' ' -f$(($1 + 1)) | sort -u); do
		[ "$test" = - ] || ! fails "$test" || { cat "$work/said"; die "$test fails without a fault"; }
	done
	for row in "${rows[@]}"; do
		read -ra fields <<<"$row"
		name=${fields[0]} test=${fields[$1]} file=${fields[3]}
		[ "$test" != - ] || continue
		sed -i "${fields[*]:4}" "$file"
		! cmp -s "$root/$file" "$file" || die "$name: it changes nothing in $file"
		server --no-default-features
		cp "$root/$file" "$file"
		if fails "$test"; then
			echo "$name: seen by $test"
		else
			echo "$me: self-test: $name is not seen by $test"
			bad=1
		fi
	done
	return $bad
}
