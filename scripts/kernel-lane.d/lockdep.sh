# SPDX-License-Identifier: GPL-2.0-only
#
# To be sourced: a kernel with lockdep, KASAN and other judges, and kernel-lane --misuses, in which
# Linux's lockdep and ours judge the same functions.

misuses=$chroot/build/module/misuses
debug_kernel=/build/lockdep/out/arch/x86/boot/bzImage
debug_step=debug-kernel-$(cksum <"$root/scripts/kernel-lane.d/lockdep.config" | cut -d' ' -f1)

# A kernel with what Debian's does not have, from the source of Debian's. By LLVM, since Rust and
# KASAN are not to be had together from gcc.
make_debug_kernel() {
	inside dpkg --configure -a
	inside apt-get -y -q install clang lld llvm
	mkdir -p "$chroot/build/lockdep"
	cp "$root/scripts/kernel-lane.d/lockdep.config" "$chroot/build/lockdep/config"
	inside bash -euc '
		cd /build/lockdep
		if [ ! -d linux ]; then
			rm -rf new *.deb
			mkdir new
			for package in $(apt-cache pkgnames linux-source-); do
				apt-cache madison "$package" | tr -d " " | grep -qF "|$1|" && source=$package
			done
			apt-get -q download "$source=$1"
			dpkg-deb --fsys-tarfile ./*.deb | tar -xO --wildcards "./usr/src/linux-source-*.tar.xz" | tar -C new --strip-components=1 -xJ
			rm ./*.deb
			mv new linux
		fi
		mkdir -p out
		set -- make -C linux "O=$PWD/out" LLVM=1
		"$@" tinyconfig
		(cd linux && scripts/kconfig/merge_config.sh -m -O ../out ../out/.config ../config)
		"$@" olddefconfig
		! grep -E "^(# )?CONFIG_.*(=| is not set)" config | grep -vxFf out/.config ||
			{ echo "the kernel cannot be configured so"; exit 1; }
		nice "$@" -j"$(nproc)" -s bzImage modules
		apt-get clean' - "$version"
}

# setup_debug: what modules for that kernel are built with.
setup_debug() {
	begin
	step "$debug_step" make_debug_kernel
	kbuild=(-C /build/lockdep/out LLVM=1)
	say "Linux ${version%-*} with lockdep and KASAN, $(inside rustc --version), $(inside clang --version | head -n 1)"
}

# compile_misuses: lays out the module and builds it. The files are those of dma-fence/broken;
# what is inline in C is the module's own, and the crate dma_fence a module of it.
compile_misuses() {
	local here=$root/scripts/kernel-lane.d broken=$root/dma-fence/broken/src file
	rm -rf "$misuses"
	mkdir -p "$misuses/dma_fence"
	cp "$here/Kbuild" "$here/inline.c" "$misuses/"
	cp "$here/main.rs" "$misuses/misuses_main.rs"
	cp "$root/dma-fence/src/linux.rs" "$misuses/dma_fence/bindings.rs"
	cp "$root/dma-fence/linux/helpers.c" "$misuses/helpers.c"
	for file in exporter tests/happened/locks; do
		sed -E -e 's/^use ::dma_fence::/use crate::dma_fence::/' \
			-e '/^use|^    bindings::/s/\b(__spin_lock_init|k[mz]alloc_obj)\b(, )?//g' \
			-e 's/^(    bindings::\{)__spin_lock_init, /\1/' -e 's/, k[mz]alloc_obj\b//' \
			-e 's/\b(__spin_lock_init|k[mz]alloc_obj)(::<|\()/crate::inline::\1\2/' \
			"$broken/$file.rs" >"$misuses/${file##*/}.rs"
	done
	inside make -s "${kbuild[@]}" M=/build/module/misuses modules >"$cache/log/misuses" 2>&1 </dev/null ||
		{ cat "$cache/log/misuses" >&2; die "the misuses do not compile as a module"; }
}

# boot NUMBER: has the lockdep kernel run one misuse, or with 0 all of them done right; its log goes
# to $cache/log/misuse-NUMBER. A task that waits for a lock of its own never comes back: the machine is
# stuck if it says nothing for 20 seconds.
boot() {
	local log=$cache/log/misuse-$1
	machine "$log.raw" "$debug_kernel" /build/module/misuses/root "number=$1" '^@@ (ended|insmod)' 20 || true
	of_kernel "$log.raw" >"$log"
	! grep '^@@ insmod' "$log" || { say "misuse $1: the module does not load, its log is $log.raw"; exit 1; }
	grep -qE '^@@ (ended|stuck)' "$log" || die "misuse $1: the machine did not come to its end, its log is $log.raw"
}

# prepare_boot: what goes into the machine.
prepare_boot() {
	mkdir -p "$misuses/root"
	cp "$misuses/misuses.ko" "$misuses/root/"
	cat >"$misuses/root/run" <<-'END'
		status=0
		insmod /misuses.ko number=$(sed 's/.*number=//' /proc/cmdline) || status=$?
		# What the kernel has killed it for is for the judge.
		case $status in
		0 | 1[2-9][0-9]) echo "@@ ended" ;;
		*) echo "@@ insmod ends with $status" ;;
		esac
		sleep 1000
	END
}

# findings: what is found in a text of Linux's or ours, a line each, without places. Of what
# lockdep reports the kind, the lock taken and the one held with their wait types, the chain between
# them, and the table of the scenario.
findings() {
	awk '
		function class(line) {
			if (!match(line, /\(.*\)\{[^}]*\}-\{[0-9]+:[0-9]+\}/)) return ""
			line = substr(line, RSTART, RLENGTH)
			sub(/\{[^}]*\}-/, "", line)
			return line
		}
		function end() {
			# Linux tells twice of one lock that sleeps, which we take unchecked after the first.
			again = kind ~ /^invalid wait/ && last ~ /^sleeps/
			if (kind != "" && !again) print last = kind taken held chain scenario
			kind = taken = held = chain = scenario = next_is = ""
		}
		function begin(what) { end(); kind = what }
		# What is not of lockdep, in words of neither.
		/sleeping function called from invalid context|: a callback sleeps/ { begin("sleeps in a callback"); next }
		/released with pending signals|last reference dropped while callbacks are pending/ { begin("freed while pending"); next }
		/waited for in a signalling section/ { begin("waits in a signalling section"); next }
		/Invalid wait context/ { begin("invalid wait context"); next }
		/^(WARNING|BUG): .*(detected|inconsistent lock state)/ {
			sub(/^(WARNING|BUG): (lockdep: )?/, ""); sub(/ detected!?$/, ""); begin($0); next
		}
		/is trying to (acquire )?lock:/ { next_is = "taken"; next }
		/already holding lock:/ { next_is = "held"; next }
		next_is == "taken" { taken = "; takes " class($0); next_is = "" }
		next_is == "held" { held = "; holds " class($0); next_is = "" }
		/^ *-> #[0-9]+ / { chain = (chain == "" ? "; chain" : chain) " " class($0) }
		/^ *(r?lock|sync)\([^ ]*\);$/ {
			match($0, /[^ ]/)
			right = RSTART > 20
			gsub(/ /, "")
			scenario = (scenario == "" ? "; scenario" : scenario) (right ? " CPU1:" : " CPU0:") $0
		}
		/\*\*\* DEADLOCK|^ *stack backtrace/ { end() }
		/^@@ (ended|stuck)/ { end(); if ($2 == "stuck") print "stuck" }
		END { end() }'
}

# of NAME FILE: the part of a text that is about one misuse.
of() { awk -v name="$1" '/@@ misuse / { on = $NF == name } on' "$2"; }

# compare NAME LINUX SHIM: a row of the table, and what it is made of if that is not the same.
compare() {
	local linux=$2 shim=$3 agree=yes
	[ "$linux" = "$shim" ] || agree=no
	kinds() { sed 's/;.*//' <<<"${1:-nothing}" | paste -sd, | sed 's/,/, /g'; }
	printf '%-40s | %-40s | %-40s | %s\n' "$1" "$(kinds "$linux")" "$(kinds "$shim")" $agree
	[ $agree = yes ] || sed 's/^/    /' <<<"Linux: ${linux:-nothing}"$'\n'"shim:  ${shim:-nothing}"
}

# judge_misuses LINUX SHIM: the table of two texts; false if a row is other than expected.
# Linux's lockdep does not know that a wait needs what signals.
judge_misuses() {
	local name row bad=0
	printf '%-40s | %-40s | %-40s | %s\n' misuse 'Linux says' 'the shim says' agree
	for name in $(sed -n 's/^@@ misuse //p' "$2"); do
		row=$(compare "$name" "$(of "$name" "$1" | findings)" "$(of "$name" "$2" | findings)")
		echo "$row"
		case $name:${row##* } in
		wait_in_the_signalling_section:*) [[ $row = *'| nothing '*' no'* ]] || bad=1 ;;
		*) [[ ${row%%$'\n'*} = *' yes' ]] || bad=1 ;;
		esac
	done
	return $bad
}

# misuses_lane: all of it.
misuses_lane() {
	local said=$cache/log/misuses-said n names
	need cargo "running the misuses in the shim"
	(cd "$root" && cargo test -q -p dma-fence-broken --lib print_what_is_said_of_locks -- --ignored --nocapture) \
		>"$said.log" 2>&1 </dev/null || { tail -n 20 "$said.log" >&2; die "the misuses do not run in the shim"; }
	grep -v '^test ' "$said.log" | sed -n '/^@@/,$p' >"$said.shim"
	mapfile -t names < <(sed -n 's/^@@ misuse //p' "$said.shim")
	[ ${#names[@]} -gt 0 ] || die "the shim has no misuse to compare"
	compile_misuses
	prepare_boot
	for n in $(seq 0 ${#names[@]}); do
		boot "$n"
	done
	: >"$said.linux"
	for n in $(seq ${#names[@]}); do
		cat "$cache/log/misuse-$n" >>"$said.linux"
	done
	local bad=0
	judge_misuses "$said.linux" "$said.shim" || bad=1
	if [ -n "$(findings <"$cache/log/misuse-0")" ]; then
		say "Linux complains of what is done right: $cache/log/misuse-0"
		bad=1
	fi
	# What compares is compared: another class, and a table that lacks a line.
	for planted in 's/Client::jobs/Client::works/' '/^ *lock(dma_fence_map);$/d'; do
		sed "$planted" "$said.linux" >"$said.planted"
		! judge_misuses "$said.planted" "$said.shim" >/dev/null || die "a planted difference is not noticed: $planted"
	done
	return $bad
}
