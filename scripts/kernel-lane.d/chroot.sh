# SPDX-License-Identifier: GPL-2.0-only
#
# To be sourced: the chroot with the compilers and the headers, made once and kept in the cache.

# now: seconds with one digit, for timings.
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }

# step NAME FUNCTION: runs a part of the set-up once.  Its output goes to a log;
# what it made stays once it has come to its end.
step() {
	local name=$1 start status on_error
	[ ! -e "$cache/done/$name" ] || return 0
	start=$(now)
	# Not as a condition: bash would then not stop at the function's first error.
	on_error=$(trap -p ERR)
	trap - ERR
	set +e
	(set -e; "$2") >"$cache/log/$name" 2>&1 </dev/null
	status=$?
	set -e
	eval "$on_error"
	if ((status)); then
		tail -n 15 "$cache/log/$name" | sed 's/^/    /' >&2
		skip "the step '$name' failed, its whole log is $cache/log/$name"
	fi
	touch "$cache/done/$name"
	say "$name: $(since "$start")"
}

# contained COMMAND...: runs a command with mounts and processes of its own, so that none stays
# behind, whatever happens: they end with it, and with us.
contained() {
	setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child bash -euc '
		# The first process of a namespace gets no signal that it does not expect.
		trap "exit 130" INT TERM HUP
		"$@" <&0 &
		wait $!' - "$@"
}

# inside COMMAND...: the same in the chroot.
inside() {
	contained bash -euc '
		root=$1; shift
		mount -t proc proc "$root/proc"
		mount --bind /dev "$root/dev"
		exec chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' - "$chroot" "$@"
}

# ------------------------------------------------------------------ the set-up

# What must be there before anything else.
requirements() {
	[ "$(id -u)" = 0 ] || skip "must run as root: it makes a chroot and mounts /proc in it"
	[ "$(uname -m)" = x86_64 ] || skip "runs on amd64 only, this machine is $(uname -m)"
	contained true 2>/dev/null ||
		skip "cannot make a namespace of mounts and processes: the machine or its container forbids it"
	[ ! -e "$cache/done/chroot" ] || return 0
	command -v apt-get >/dev/null || [ -n "$mirror" ] ||
		skip "there is no apt here that could name a Debian mirror: give one with --mirror"
	if ! command -v debootstrap >/dev/null; then
		command -v apt-get >/dev/null || skip "debootstrap is missing, and there is no apt to install it"
		say "installing debootstrap"
		{ apt-get install -y -q debootstrap ||
			{ apt-get update -q && apt-get install -y -q debootstrap; }; } \
			>"$cache/log/debootstrap" 2>&1 </dev/null ||
			skip "debootstrap is missing and 'apt-get install debootstrap' failed: $cache/log/debootstrap"
	fi
	if [ -z "$mirror" ]; then
		mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
			grep -v security | sed -n '1s#/*$##p') || true
		[ -n "$mirror" ] || skip "apt knows no Debian mirror (run 'apt-get update', or give --mirror)"
	fi
}

# The smallest Debian sid, with experimental beside it.
make_chroot() {
	local new=$chroot.new include=
	rm -rf "$new" "$chroot"
	case $mirror in https:*) include=--include=ca-certificates ;; esac
	# Contained: debootstrap mounts /proc, and may be interrupted.
	contained debootstrap --variant=minbase $include sid "$new" "$mirror"
	printf 'deb %s %s main\n' "$mirror" sid "$mirror" experimental >"$new/etc/apt/sources.list"
	{
		# A mirror may be frozen at a date.
		echo 'Acquire::Check-Valid-Until "false";'
		echo 'APT::Install-Recommends "false";'
		echo 'APT::Sandbox::User "root";'
		! command -v apt-config >/dev/null ||
			apt-config dump | grep -iE '^Acquire::(http|https)::Proxy' || true
	} >"$new/etc/apt/apt.conf.d/99kernel-lane"
	printf 'path-exclude=/usr/share/%s/*\n' doc man locale >"$new/etc/dpkg/dpkg.cfg.d/kernel-lane"
	printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
	chmod +x "$new/usr/sbin/policy-rc.d"
	[ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$new/etc/resolv.conf"
	mv "$new" "$chroot"
}

# Finds the kernel: writes its package's suffix ("7.3-amd64") and version.
choose_kernel() {
	inside apt-get -q update
	inside bash -euc '
		cd "$(mktemp -d)"
		for suite in experimental sid; do
			packages=$(apt-cache pkgnames "linux-headers-$1" |
				grep -E "^linux-headers-[0-9].*-amd64$" | grep -vE -- "-(rt|cloud)-amd64$") || continue
			for line in $(apt-cache madison $packages | tr -d " " | grep "$suite/main" | sort -t"|" -k2,2Vr); do
				IFS="|" read -r package version _ <<<"$line"
				apt-get -q download "$package=$version"
				dpkg-deb --fsys-tarfile ./*.deb |
					tar -xO --wildcards "./usr/src/linux-headers-*/.config" >config
				rm ./*.deb
				echo "candidate: $package $version ($suite)"
				if grep -q "^CONFIG_RUST=y" config; then
					echo "${package#linux-headers-} $version $suite" >/kernel-lane
					exit 0
				fi
			done
		done
		echo "no kernel ${1:+$1 }with CONFIG_RUST=y in the archive"
		exit 1' - "$want"
	mv "$chroot/kernel-lane" "$cache/kernel"
}

# The kernel's headers, the compilers, what building Rust's metadata needs.
install_packages() {
	local from=
	# Of a step that was interrupted.
	inside dpkg --configure -a
	inside apt-get -y -q --fix-broken install
	[ "$suite" = sid ] || from="-t $suite"
	inside apt-get -y -q install $from "linux-headers-$abi=$version"
	inside apt-get -y -q install make rustc rust-src bindgen libclang-dev gcc libc6-dev flex bison bc \
		libelf-dev libssl-dev python3-minimal kmod xz-utils zstd
}

unpack_source() {
	inside bash -euc '
		cd "$(mktemp -d)"
		source=
		for package in $(apt-cache pkgnames linux-source-); do
			apt-cache madison "$package" | tr -d " " | grep -qF "|$1|" && source=$package
		done
		[ -n "$source" ] || { echo "no linux-source package of version $1"; exit 1; }
		apt-get -q download "$source=$1"
		dpkg-deb --fsys-tarfile ./*.deb | tar -xO --wildcards "./usr/src/linux-source-*.tar.xz" >source.tar.xz
		rm -rf /build/linux && mkdir -p /build/linux
		# Not what only the kernel itself is built of.
		top=$(tar -tf source.tar.xz | head -n 1)
		tar -C /build/linux --strip-components=1 -xf source.tar.xz --anchored --wildcards \
			$(printf -- "--exclude=${top%%/*}/%s " "Documentation/*.*" "drivers/*.c" "fs/*.c" "net/*.c" "sound/*.c" \
				"drivers/gpu/drm/amd/*.h" "arch/*.dts*" "tools/testing/*")
		rm -r "$PWD"' - "$version"
}

# Debian's headers come without the metadata of the kernel's Rust crates, which kernel-lane.d/metadata makes.
make_metadata() {
	cp "$root/scripts/kernel-lane.d/metadata" "$chroot/build/"
	inside bash /build/metadata "$abi" /build/linux /build/out
	cp "$chroot"/build/out/rust/bindings/bindings_*generated.rs "$chroot/build/"
}

# What diagnostics quote and people look up stays: the Rust part.
trim_source() {
	inside bash -euc '
		find /build/linux -mindepth 1 -maxdepth 1 ! -name rust -exec rm -rf {} +
		rm -rf /build/out
		apt-get clean'
}

# What only the virtual machine needs.
install_machine() {
	inside apt-get -y -q install qemu-system-x86 seabios busybox-static cpio
	inside bash -euc '
		cd "$(mktemp -d)"
		for package in "linux-binary-$1" "linux-image-$1-unsigned" "linux-image-$1"; do
			apt-get -q download "$package=$2" && break
		done
		dpkg-deb -x ./*.deb .
		cp "$(find . -name "vmlinuz*" | head -n 1)" /build/vmlinuz
		rm -r "$PWD"
		apt-get clean' - "$abi" "$version"
}

# begin: the chroot with the compilers, and the kernel's name.
begin() {
	mkdir -p "$cache/log" "$cache/done" 2>/dev/null || die "cannot write to the cache $cache"
	exec 9>"$cache/lock"
	flock -n 9 || { say "another kernel-lane uses $cache: waiting for it"; flock 9; }
	requirements
	step chroot make_chroot
	[ ! -e "$cache/done/kernel" ] || [[ $(cat "$cache/kernel") = "$want"* ]] ||
		die "$cache holds Linux $(cut -d' ' -f1 "$cache/kernel"), not $want: --clean it, or give another --cache"
	step kernel choose_kernel
	read -r abi version suite <"$cache/kernel"
	step packages install_packages
}

# setup: what modules for Debian's kernel are built with.
setup() {
	begin
	step source unpack_source
	step metadata make_metadata
	step trim trim_source
	headers=/usr/src/linux-headers-$abi
	kbuild=(-C "$headers")
	if [ ! -e "$cache/done/fits" ]; then
		misfits new >&2
		touch "$cache/done/fits"
	fi
	say "Linux $abi ($version), $(inside rustc --version), $(inside bindgen --version)"
}
