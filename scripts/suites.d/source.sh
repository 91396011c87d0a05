# SPDX-License-Identifier: GPL-2.0-only
#
# Where the kernel's tests are, to be sourced after prelude.sh and debian.sh.
kernel=${SUITES_KERNEL:-7.3}
cache=${SUITES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fence-suites}

# get: to $tree what the suites need of the kernel's source.
get() {
	local source=${SUITES_SOURCE:-}
	tree=$cache/linux-$kernel
	if [ -d "$source" ]; then
		tree=$source
	elif [ -z "$source" ] && [ -e "$tree" ]; then
		return
	else
		[ -z "$source" ] || tree=$work/linux
		if [ -z "$source" ]; then
			fetch experimental "linux-source-$kernel"
			source=$(echo "$work"/linux-source-*.deb)
		fi
		mkdir "$work/tree"
		archive "$source" --strip-components=1 -C "$work/tree" '*/drivers/dma-buf/*.[ch]' \
			'*/include/linux/dma-*.h' '*/tools/testing/kunit/*.py' '*/tools/testing/selftests/sync/*' \
			'*/tools/testing/selftests/kselftest*.h' || die "$source is no source of Linux"
		keep "$work/tree" "$tree"
	fi
	[ -e "$tree/drivers/dma-buf/st-dma-fence.c" ] || die "the source has no drivers/dma-buf/st-dma-fence.c"
}
