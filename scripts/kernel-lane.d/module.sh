# SPDX-License-Identifier: GPL-2.0-only
#
# To be sourced: from a driver's crate to a module of Linux.

# Of each module: the directory of its crate, and what that is called in messages.
declare -A crate shown

# depends DIR: what the crate depends on, by the names that its code has for it.
depends() {
	awk '
		/^\[/ { inside = 0 }
		/^\[[ \t]*dependencies[ \t]*\]/ { inside = 1; next }
		/^\[[ \t]*dependencies[ \t]*\./ { sub(/^[^.]*\.[ \t]*/, ""); name() }
		inside && /^[ \t]*["'\'']?[A-Za-z0-9_-]+["'\'']?[ \t]*[.=]/ { name() }
		function name() { gsub(/^[ \t"'\'']+/, ""); gsub(/[^A-Za-z0-9_-].*/, ""); gsub(/-/, "_"); print }' "$1/Cargo.toml"
}

# add_crate DIR: adds it to the drivers, if it can be a module at all.
add_crate() {
	local dir=${1%/} main=${1%/}/src/lib.rs name other bad=0
	[ -d "$1" ] || die "$1 is no directory: expected that of a driver's crate"
	[ -f "$dir/Cargo.toml" ] || die "$1 has no Cargo.toml: expected the directory of a driver's crate"
	[ -f "$main" ] || die "$1 has no src/lib.rs: expected a crate with its root there"
	grep -qE '^(kernel::)?module! *[{(]' "$main" ||
		die "$main has no module!: expected one, that says which type is loaded and the module's name"
	name=$(sed -nE '/^(kernel::)?module! *[{(]/,$s/^[[:space:]]*name: *"([^"]*)",?$/\1/p' "$main" | head -n 1)
	[[ $name =~ ^[a-z][a-z0-9_]*$ && ! $name =~ ^dma_fence(_helpers)?$ ]] ||
		die "$main has \`name: \"$name\"\` in its module!: expected a line with that of a crate, such as \"my_gpu\""
	grep -qE '^([[:space:]]|#\[[^]]*\])*mod dma_fence;' "$main" ||
		die "$main has no \`#[cfg(CONFIG_RUST)] mod dma_fence;\`: expected it, since Linux has no such crate"
	for other in $(depends "$dir"); do
		among "$other" dma_fence kernel pin_init && continue
		say "$dir/Cargo.toml: Linux does not have $other: expected no dependencies but dma_fence, kernel, pin_init"
		bad=1
	done
	((!bad)) || exit 1
	[ -z "${crate[$name]:-}" ] || die "$1 is a module $name, as ${shown[$name]} is: expected another name"
	drivers+=("$name")
	crate[$name]=$dir shown[$name]=$dir
}

# stage DRIVER: lays out the sources of one module in the chroot.
#
# The driver's crate root becomes NAME_main.rs, since in a module of several
# objects none may have the module's name; dma-fence's becomes dma_fence/mod.rs.
# One thing is rewritten: what is a crate of its own under cargo is a module of
# this crate here, so `use dma_fence::` becomes `use crate::dma_fence::`.  Lines
# stay lines.  The file "map" has a sed command for each file, from the staged
# name in a diagnostic to that of the source.
stage() {
	local driver=$1 dir=$chroot/build/module/$1 file from
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -rL "${crate[$driver]}/src/." "$dir/"
	mv "$dir/lib.rs" "$dir/${driver}_main.rs"
	find "$dir" -name '*.rs' -exec sed -Ei \
		's/^([[:space:]]*(pub(\([^)]*\))?[[:space:]]+)?use[[:space:]]+)(::)?dma_fence::/\1crate::dma_fence::/' {} +
	cp -r "$root/dma-fence/src" "$dir/dma_fence"
	mv "$dir/dma_fence/lib.rs" "$dir/dma_fence/mod.rs"
	cp "$root/dma-fence/linux/helpers.c" "$dir/dma_fence_helpers.c"
	cat >"$dir/Makefile" <<-END
		obj-m += $driver.o
		$driver-y := ${driver}_main.o dma_fence_helpers.o
		# As for the helpers of the kernel itself.
		CFLAGS_dma_fence_helpers.o := -Wno-missing-prototypes -Wno-missing-declarations
		# A driver need not use all of dma-fence, which is a private module here.
		RUSTFLAGS_${driver}_main.o := -A dead_code -A unused_imports -A unreachable_pub
	END
	(cd "$dir" && find . -name '*.rs' -o -name '*.c') | while read -r file; do
		file=${file#./}
		case $file in
		dma_fence_helpers.c) from=dma-fence/linux/helpers.c ;;
		dma_fence/mod.rs) from=dma-fence/src/lib.rs ;;
		dma_fence/*) from=dma-fence/src/${file#dma_fence/} ;;
		"${driver}_main.rs") from=${shown[$driver]}/src/lib.rs ;;
		*) from=${shown[$driver]}/src/$file ;;
		esac
		printf 's#(^|[ `"])(/build/module/%s/)?%s(:|[`"]|$)#\\1%s\\3#g\n' \
			"$driver" "${file//./\\.}" "$(sed 's/[&#\\]/\\&/g' <<<"$from")"
	done >"$dir/map"
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
