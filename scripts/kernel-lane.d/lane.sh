# SPDX-License-Identifier: GPL-2.0-only
#
# To be sourced: what kernel-lane and record, which use the same cache, are told in the same words.
cache=${KERNEL_LANE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fence-kernel-lane}
want=${KERNEL_LANE_KERNEL:-}
mirror=${KERNEL_LANE_MIRROR:-}
timeout=${KERNEL_LANE_TIMEOUT:-300}

# lane_option OPTION VALUE: --cache, --kernel or --mirror.
lane_option() {
	[ -n "$2" ] || die "$1 wants a value"
	case $1 in --cache) cache=$2 ;; --kernel) want=$2 ;; --mirror) mirror=$2 ;; esac
}

# lane: once all options are known. Scripts that are run from here use the same cache.
lane() {
	cache=$(realpath -m -- "$cache")
	chroot=$cache/chroot
	[[ $timeout =~ ^[1-9][0-9]{0,5}$ ]] || die "KERNEL_LANE_TIMEOUT=$timeout: expected seconds"
	export KERNEL_LANE_CACHE=$cache KERNEL_LANE_KERNEL=$want KERNEL_LANE_MIRROR=$mirror
}

# ends STATUS WORDS COMMAND...: what it prints, on both streams, has the words; else a self-test is over.
ends() {
	local code=$1 words=$2 status=0 said
	shift 2
	said=$("$@" 2>&1) || status=$?
	[[ $status != 77 ]] || skip "${said##*skipped: }"
	[[ $status = "$code" && $said = *"$words"* ]] ||
		{ say "self-test: ${*##*/}: status $status, expected $code and '$words': $said"; exit 1; }
}
