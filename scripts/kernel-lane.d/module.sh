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
# file, from its name in a diagnostic to that of the source. What $restage names, if anything, changes
# the files after that.
stage() {
	local driver=$1 dir=$chroot/build/module/$1 to from
	rm -rf "$dir"
	(cd "${beside[$driver]}" && "$root/scripts/port" "${crate[$driver]}" --out "$dir") >"$cache/log/port-$driver" ||
		die "$driver: port does not write it"
	while IFS=$'\t' read -r to from; do
		printf 's#(^|[ `"])(/build/module/%s/)?%s(:|[`"]|$)#\\1%s\\3#g\n' \
			"$driver" "${to//./\\.}" "$(sed 's/[&#\\]/\\&/g' <<<"$from")"
	done <"$dir/SOURCES" >"$dir/map"
	[ -z "${restage:-}" ] || "$restage" "$driver"
}

# misfits [new]: in words, what of the bindings of the safe half does not fit this kernel; with "new"
# also what it has that need not be there any more.
misfits() (
	local file kernel=()
	exec 3>&1
	for file in "$chroot"/build/bindings_*generated.rs "$chroot"/build/linux/rust/helpers/*.c; do
		[ ! -e "$file" ] || kernel+=(--fits "$file")
	done
	[ "${1:-}" = new ] || exec 3>/dev/null
	"$root/scripts/port" "${kernel[@]}" --kernel "Linux $abi" 2>&1 >&3 || true
)

# misfits_of_c LOG: likewise of the glue, by what C's compiler and the linker say.
misfits_of_c() {
	local at='^.*dma_fence_helpers\.c:([0-9]+):[0-9]+: (fatal )?error: ' here='dma-fence/linux/helpers.c:\1'
	sed -nE -e "s/[‘’]/'/g" \
		-e "s#^.* error: static assertion failed: \"(.*)\"#\1 in Linux $abi than dma-fence/linux/helpers.c says#p;t" \
		-e "s#${at}implicit declaration of function '([^']*)'.*#Linux $abi has no \3(), which $here uses#p;t" \
		-e "s#${at}(too [a-z]* arguments to function|passing argument .* of) '([^']*)'.*#\4() has another shape in Linux $abi than $here says#p;t" \
		-e "s#${at}'([^']*)' has no member named '([^']*)'.*#\3 of Linux $abi has no \4, which $here uses#p;t" \
		-e "s#${at}([^ ]*): No such file.*#Linux $abi has no <\3>, which $here includes#p;t" \
		-e "s#^ERROR: modpost: (\"([^\"]*)\" .*|.*symbol '([^']*)') undefined!#Linux $abi does not export \2\3 to modules#p;t" \
		-e "s#${at}(.*)#$here does not fit Linux $abi: \3#p" "$1"
}

# misfits_of_rust LOG: likewise of the kernel crate, by the errors in files of the safe half: a line each.
misfits_of_rust() {
	awk '
		/^error(\[E[0-9]+\])?: / { sub(/^error(\[E[0-9]+\])?: /, ""); text = $0 }
		/^ *--> / {
			if (text != "" && sub(/^.* dma_fence\//, "")) { sub(/:[0-9]+$/, ""); print "dma-fence/src/" $0 ": " text }
			text = ""
		}' "$1"
}

# compile DRIVER: builds its module.
compile() {
	local driver=$1 dir=$chroot/build/module/$1 log=$cache/log/module-$1 start good=1 words
	start=$(now)
	stage "$driver"
	# All of it, even if the half fails: there may be more to say of the other.
	inside make -s -k "${kbuild[@]}" "M=/build/module/$driver" modules >"$log" 2>&1 </dev/null || good=0
	if ((!good)); then
		words=$(misfits; misfits_of_c "$log")
		[ -n "$words" ] || words=$(misfits_of_rust "$log")
		if [ -n "$words" ]; then
			sort -u <<<"$words" >&2
			say "$driver: the safe half does not fit Linux $abi; what the compilers say of that is in $log"
			return 1
		fi
	fi
	# The list of makes that failed one inside the other says nothing.
	sed -E -f "$dir/map" -e '/^make(\[[0-9]+\])?: \*\*\* .* Error [0-9]+$/d' \
		-e '/^make(\[[0-9]+\])?: Target .* not remade because of errors\.$/d' "$log" >&2
	if ((!good)); then
		say "$driver: does not compile as a module of Linux $abi ($(since "$start"))"
		return 1
	fi
	say "$driver: $driver.ko, $(stat -c %s "$dir/$driver.ko") bytes, $(since "$start")"
}
