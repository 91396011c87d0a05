# SPDX-License-Identifier: GPL-2.0-only
#
# Where the kernel's Rust code is, to be sourced after prelude.sh and debian.sh.
kernel=${UPSTREAM_KERNEL:-7.3}
cache=${UPSTREAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fence-upstream}

# get: the kernel's Rust code to $tree.
get() {
	local source=${UPSTREAM_SOURCE:-}
	tree=$cache/linux-$kernel
	if [ -d "$source" ]; then
		tree=$source
		[ -e "$tree/rust/kernel/lib.rs" ] || die "$source has no Rust code"
		return
	elif [ -z "$source" ]; then
		[ ! -e "$tree" ] || return 0
		fetch experimental "linux-source-$kernel"
		source=$(echo "$work"/linux-source-*.deb)
	else
		tree=$work/kept
	fi
	mkdir "$work/tree"
	archive "$source" --strip-components=1 -C "$work/tree" '*/rust/*' '*/drivers/gpu/drm/*.rs' ||
		die "$source is no source of Linux"
	[ -e "$work/tree/rust/kernel/lib.rs" ] || die "$source has no Rust code"
	keep "$work/tree" "$tree"
}
