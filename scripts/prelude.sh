# SPDX-License-Identifier: GPL-2.0-only
#
# What the scripts here begin with: where the repository is, and how they end.
#
#   . "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/prelude.sh"
#
# All of them end with 0 if all is well, 1 if something was found, 2 for usage or
# what does not work, 77 if they cannot run here.  A command that fails and is not
# looked at is 2.
set -Eeuo pipefail
export LC_ALL=C CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
# Some environments say none; then it is the user's, which ~ is if it is not set.
[ -n "${HOME:-}" ] || unset HOME
export HOME=${HOME:-~}
script=$(realpath "${BASH_SOURCE[1]}")
me=${script##*/}
root=$(dirname "$(dirname "$script")")
trap '((BASH_SUBSHELL)) || say "line $LINENO: failed: $BASH_COMMAND"; exit 2' ERR

say() { echo "$me: $*" >&2; }
die() { say "$*"; exit 2; }
skip() { say "skipped: $*"; exit 77; }

# The comment that the script begins with.
usage() { sed -n '3,${/^#/!q;s/^# \{0,1\}//p}' "$script"; }

# need TOOL PURPOSE: skips where the tool is missing.
need() { command -v "$1" >/dev/null || skip "$1 is missing: expected it for $2"; }

# number OPTION VALUE: a decimal number, which no shell takes for an octal one.
number() { [[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] || die "$1 wants a number below 1000000000, not '$2'"; }

# among WORD LIST...: whether it is one of them.
among() {
	local word
	for word in "${@:2}"; do
		[ "$1" != "$word" ] || return 0
	done
	return 1
}

# files: the files that are, or may become, part of the repository, each with a NUL.
files() {
	(
		cd "$root"
		# A clone that another user owns is none to git, nor is an unpacked archive.
		if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$root" ]; then
			# A file with conflicts is listed more than once.
			git ls-files -z --cached --others --exclude-standard | sort -zu | while IFS= read -rd '' file; do
				[ ! -f "$file" ] || printf '%s\0' "$file"
			done
		else
			find . -name target -prune -o -path ./.git -prune -o -type f -printf '%P\0'
		fi
	)
}

# copy: makes a copy of the repository, which goes at the end, and changes into it.
copy() {
	copy=$(mktemp -d)
	trap 'rm -rf "$copy"' EXIT
	files | (cd "$root" && xargs -0 cp --parents -t "$copy")
	cd "$copy"
}

# target_of_its_own: cargo builds in a directory with the script's name, in its usual one.
target_of_its_own() {
	CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")/$me
	export CARGO_TARGET_DIR
	mkdir -p "$CARGO_TARGET_DIR"
}
