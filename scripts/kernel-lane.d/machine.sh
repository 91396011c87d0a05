# SPDX-License-Identifier: GPL-2.0-only
#
# To be sourced: a virtual machine. All that kernel-lane boots goes through here.
#
#   machine LOG KERNEL DIR APPEND [END [QUIET]]
#
#   LOG     the file that gets what its console says, without carriage returns
#   KERNEL  a path in the chroot: /build/vmlinuz is Debian's kernel, $debug_kernel ours
#   DIR     a path in the chroot, of the directory that becomes the initramfs. It has a
#           script `run`, and what that needs; busybox is added, its commands are in PATH, and
#           /proc, /dev, /sys, tracefs in /sys/kernel/tracing and debugfs in
#           /sys/kernel/debug are mounted. Where it ends, so does the machine.
#   APPEND  what is added to the kernel's command line; with maxcpus=N the machine has so many
#           processors, else two
#   END     an extended regular expression; the machine is ended at the first line with it
#   QUIET   the machine is stuck if it says nothing for so many seconds, counted from the
#           first line with "@@" on (0, the default: then only after $timeout seconds)
#
# Returns 0 if there was a line with END, or the machine has ended itself, which one that
# panics does too; else 1, and the last line of LOG is "@@ stuck" or "@@ timeout".  A machine
# that goes wrong for a reason of the emulator's is run once more.
#
#   of_kernel LOG   prints the log without the timestamps, and from the first line with "@@" on

# pack DIR: makes the initramfs DIR.cpio.
pack() {
	mkdir -p "$chroot$1"/{bin,dev,proc,sys}
	cp "$chroot/bin/busybox" "$chroot$1/bin/"
	cat >"$chroot$1/init" <<-'END'
		#!/bin/busybox sh
		export PATH=/bin
		/bin/busybox --install -s /bin
		mount -t proc proc /proc
		mount -t devtmpfs dev /dev
		mount -t sysfs sys /sys
		mount -t tracefs trace /sys/kernel/tracing 2>/dev/null
		mount -t debugfs debug /sys/kernel/debug 2>/dev/null
		processors=$(sed -n 's/.*maxcpus=\([0-9]*\).*/\1/p' /proc/cmdline)
		if [ "$(nproc)" = "${processors:-2}" ]; then . /run; else echo "@@ processors: $(nproc)"; fi
		reboot -f
	END
	chmod +x "$chroot$1/init"
	inside bash -euc 'cd "$1" && find . | cpio --quiet -o -H newc >"$1.cpio"' - "$1" ||
		die "the initramfs cannot be made"
}

machine() {
	local log=$1 kernel=$2 dir=$3 append=$4 end=${5:-} quiet=${6:-0} try status
	pack "$dir"
	for try in 1 2; do
		status=0
		# Emulated on purpose: /dev/kvm may exist and not work.  The emulator ends with the shell,
		# which is the first process of its namespace.  A kernel without ACPI sees one processor
		# of each socket.
		inside bash -uc '
			limit=$1 end=$2 quiet=$3 begun=
			shift 3
			exec 3< <(exec "$@" </dev/null 2>&1)
			while :; do
				left=$((limit > SECONDS ? limit - SECONDS : 0)) verdict=timeout
				[ -z "$begun" ] || ((quiet == 0 || quiet > left)) || { left=$quiet verdict=stuck; }
				status=0
				IFS= read -r -t "$left" line <&3 || status=$?
				((left)) || status=142
				[ $status != 1 ] || [ -n "$line" ] || exit 0
				line=${line//$'"'\r'"'/}
				printf "%s\n" "$line"
				((status < 128)) || { echo "@@ $verdict"; exit 1; }
				[[ $line != *@@* ]] || begun=yes
				[[ -z $end || ! $line =~ $end ]] || exit 0
			done' - "$timeout" "$end" "$quiet" \
			qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 1024 -smp 2,sockets=2 \
			-nodefaults -no-user-config -display none -no-reboot -serial stdio \
			-kernel "$kernel" -initrd "$dir.cpio" -append "console=ttyS0,115200 panic=-1 no_timer_check $append" \
			>"$log" || status=1
		# The emulator's is while the kernel boots; after that it is code that is gone.
		sed '/@@ /,$d' "$log" | grep -aq 'Oops: int3' || break
	done
	! grep -a '^@@ processors' "$log" || die "the machine does not have the processors it should, its log is $log"
	return $status
}

of_kernel() { sed -nE 's/^\[ *[0-9]+\.[0-9]+\](\[ *[TC][0-9]+\])? ?//; /@@ /,$p' "$1"; }
