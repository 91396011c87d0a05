# SPDX-License-Identifier: GPL-2.0-only
#
# How the scripts here get packages of Debian's, to be sourced after prelude.sh: into
# $work, a directory of the script's own, with nothing of apt's own state changed.

# fetch [--libraries] SUITE PACKAGE...: skips where there is no apt, or no way to the packages; with
# the libraries that they need, for programs that are to run without being installed.
fetch() {
	local mirror keys=/usr/share/keyrings/debian-archive-keyring.gpg apt=$work/apt options libraries=
	[ "$1" != --libraries ] || { libraries=1; shift; }
	local suite=$1
	shift
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || skip "there is no apt here to fetch $1 with"
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
		grep -v security | sed -n '1s#/*$##p') || true
	[ -n "$mirror" ] && [ -e "$keys" ] || skip "apt knows no mirror of Debian to fetch $1 from"
	mkdir -p "$apt"/{lists/partial,archives/partial}
	echo "deb [signed-by=$keys] $mirror $suite main" >"$apt/sources.list"
	options=(-q -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$apt/lists"
		-o "Dir::State::status=/dev/null" -o "Dir::Cache=$apt" -o Acquire::Languages=none
		-o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root)
	say "fetching $* from $mirror"
	(
		cd "$work" && apt-get "${options[@]}" update &&
			needed=$([ -z "$libraries" ] || apt-get "${options[@]}" --simulate --no-install-recommends install "$@" |
				sed -nE 's/^Inst ((lib|zlib1g)[^ ]*) .*/\1/p') &&
			apt-get "${options[@]}" download "$@" $needed
	) >"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; skip "$1 cannot be fetched"; }
}

# keep FROM TO: moves what is complete to the cache; another run may have been faster.
keep() {
	mkdir -p "$(dirname "$2")"
	mv -T "$1" "$2" 2>/dev/null || [ -e "$2" ] || die "cannot write to $2"
}

# archive SOURCE TAR-OPTION...: unpacks what the options name of Linux's source, a package
# linux-source-*.deb or a linux-source-*.tar.xz.
archive() {
	case $1 in
	*.deb) dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards '*/linux-source-*.tar.xz' | tar -xJ --wildcards "${@:2}" ;;
	*) tar -xJf "$1" --wildcards "${@:2}" ;;
	esac
}
