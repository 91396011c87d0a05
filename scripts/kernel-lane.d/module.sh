# SPDX-License-Identifier: GPL-2.0-only
#
# To be sourced: from a driver's crate to a module of Linux.

# Of each module: where the directory of its crate is looked for, and what it is called there.
declare -A beside crate

# add_crate DIR [BESIDE]: adds it to the drivers, if scripts/port could make a module of it.
add_crate() {
	local name status=0
	name=$(cd "${2:-.}" && "$root/scripts/port" --name "$1") || status=$?
	# It has said why.
	((!status)) || exit "$status"
	[ -z "${crate[$name]:-}" ] || die "$1 is a module $name, as ${crate[$name]} is: expected another name"
	drivers+=("$name")
	beside[$name]=${2:-$PWD} crate[$name]=$1
}

# stage DRIVER: what scripts/port writes, in the chroot. The file "map" has a sed command for each
# file, from its name in a diagnostic to that of the source.
stage() {
	local driver=$1 dir=$chroot/build/module/$1 to from
	rm -rf "$dir"
	(cd "${beside[$driver]}" && "$root/scripts/port" "${crate[$driver]}" --out "$dir") >"$cache/log/port-$driver" ||
		die "$driver: port does not write it"
	while IFS=$'\t' read -r to from; do
		printf 's#(^|[ `"])(/build/module/%s/)?%s(:|[`"]|$)#\\1%s\\3#g\n' \
			"$driver" "${to//./\\.}" "$(sed 's/[&#\\]/\\&/g' <<<"$from")"
	done <"$dir/SOURCES" >"$dir/map"
}

# compile DRIVER: builds its module.
compile() {
	local driver=$1 dir=$chroot/build/module/$1 start good=1
	start=$(now)
	stage "$driver"
	inside make -s -C "$headers" "M=/build/module/$driver" modules >"$cache/log/module-$driver" 2>&1 </dev/null || good=0
	# The list of makes that failed one inside the other says nothing.
	sed -E -f "$dir/map" -e '/^make(\[[0-9]+\])?: \*\*\* .* Error [0-9]+$/d' "$cache/log/module-$driver" >&2
	if ((!good)); then
		say "$driver: does not compile as a module of Linux $abi ($(since "$start"))"
		return 1
	fi
	say "$driver: $driver.ko, $(stat -c %s "$dir/$driver.ko") bytes, $(since "$start")"
}
