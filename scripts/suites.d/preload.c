// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leads what a program asks of sw_sync, sync_file, debugfs and DRM to uapi-server: a library for
 * LD_PRELOAD. The server makes the descriptors, so that poll(), dup(), fork() and the like need
 * nothing; UAPI_SERVER is the name of its abstract socket.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

/* The program's own descriptors get the numbers that they get in Linux: ours is above them. */
#define FIRST_NUMBER 700

static int fail(int error)
{
	errno = error;
	return -1;
}

static int dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *name = getenv("UAPI_SERVER");
	size_t length = name ? strlen(name) : 0;
	int fd, high, ret;

	if (!length || length >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path + 1, name, length);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_NUMBER);
	if (high >= 0) {
		syscall(SYS_close, fd);
		fd = high;
	}
	length += offsetof(struct sockaddr_un, sun_path) + 1;
	do
		ret = connect(fd, (struct sockaddr *)&address, length);
	while (ret && errno == EINTR);
	if (ret) {
		syscall(SYS_close, fd);
		return -1;
	}
	return fd;
}

/*
 * Returns 0, or what went wrong; the reply's parts follow its head. *received is -1 if no
 * descriptor came. Leaves errno alone.
 */
static int ask(const struct request *request, const void *argument, size_t length,
	       struct iovec *parts, int count, int flags, int *received)
{
	struct reply reply = { 0 };
	struct iovec out[2] = { { (void *)request, sizeof(*request) }, { (void *)argument, length } };
	struct iovec in[3] = { { &reply, sizeof(reply) } };
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr message = { .msg_iov = out, .msg_iovlen = 2 };
	int saved = errno, fd = dial();
	struct cmsghdr *head;
	ssize_t ret;

	*received = -1;
	if (fd < 0) {
		errno = saved;
		return EIO;
	}
	do
		ret = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		goto out;
	memcpy(in + 1, parts, count * sizeof(*parts));
	message = (struct msghdr){ .msg_iov = in, .msg_iovlen = 1 + count, .msg_control = control,
				   .msg_controllen = sizeof(control) };
	do
		ret = recvmsg(fd, &message, flags);
	while (ret < 0 && errno == EINTR);
out:
	if (ret < 0)
		reply.error = errno;
	else if ((size_t)ret < sizeof(reply))
		reply.error = EIO;
	else if (message.msg_flags & MSG_CTRUNC)
		reply.error = EMFILE;
	head = ret < 0 ? NULL : CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_type == SCM_RIGHTS)
		memcpy(received, CMSG_DATA(head), sizeof(int));
	syscall(SYS_close, fd);
	errno = saved;
	return reply.error;
}

/* ------------------------------------------------------------------ paths */

static int served(const char *path)
{
	static const char *const prefixes[] = { "/dev/sw_sync", "/dev/dri/", "/sys/kernel/debug/" };
	size_t i;

	for (i = 0; path && i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (!strncmp(path, prefixes[i], strlen(prefixes[i])))
			return getenv("UAPI_SERVER") != NULL;
	return 0;
}

static int serve_open(const char *path, int flags)
{
	struct request request = { .op = OPEN, .word = flags };
	char argument[16 + 4096] = "";
	int error, fd;

	if (strlen(path) >= sizeof(argument) - 16)
		return fail(ENAMETOOLONG);
	prctl(PR_GET_NAME, argument);
	strcpy(argument + 16, path);
	error = ask(&request, argument, 16 + strlen(path), NULL, 0,
		    flags & O_CLOEXEC ? MSG_CMSG_CLOEXEC : 0, &fd);
	return error ? fail(error) : fd;
}

static int serve_stat(const char *path, struct stat *stat)
{
	struct request request = { .op = STAT };
	struct stat_reply answer;
	struct iovec part = { &answer, sizeof(answer) };
	int error, fd;

	error = ask(&request, path, strlen(path), &part, 1, 0, &fd);
	if (error)
		return fail(error);
	memset(stat, 0, sizeof(*stat));
	stat->st_mode = answer.mode;
	stat->st_nlink = 1;
	stat->st_rdev = makedev(answer.major, answer.minor);
	return 0;
}

static int any_open(int dir, const char *path, int flags, mode_t mode)
{
	if (served(path))
		return serve_open(path, flags);
	return syscall(SYS_openat, dir, path, flags, mode);
}

#define MODE(flags)						\
	mode_t mode = 0;					\
	if ((flags) & (O_CREAT | __O_TMPFILE)) {		\
		va_list list;					\
		va_start(list, flags);				\
		mode = va_arg(list, mode_t);			\
		va_end(list);					\
	}

int open(const char *path, int flags, ...)
{
	MODE(flags)
	return any_open(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	MODE(flags)
	return any_open(dir, path, flags, mode);
}

int __open_2(const char *path, int flags)
{
	return any_open(AT_FDCWD, path, flags, 0);
}

int __openat_2(int dir, const char *path, int flags)
{
	return any_open(dir, path, flags, 0);
}

int fstatat(int dir, const char *restrict path, struct stat *restrict stat, int flags)
{
	if (served(path))
		return serve_stat(path, stat);
	return syscall(SYS_newfstatat, dir, path, stat, flags);
}

int stat(const char *restrict path, struct stat *restrict stat)
{
	return fstatat(AT_FDCWD, path, stat, 0);
}

int lstat(const char *restrict path, struct stat *restrict stat)
{
	return fstatat(AT_FDCWD, path, stat, AT_SYMLINK_NOFOLLOW);
}

int access(const char *path, int mode)
{
	struct stat stat;

	if (served(path))
		return serve_stat(path, &stat);
	return syscall(SYS_faccessat, AT_FDCWD, path, mode);
}

/* With 64-bit offsets, which all that this runs on have, these are the same. */
#define SAME(name, as) extern __typeof__(as) name __attribute__((alias(#as)))
SAME(open64, open);
SAME(openat64, openat);
SAME(__open64_2, __open_2);
SAME(__openat64_2, __openat_2);
int stat64(const char *restrict path, struct stat64 *restrict stat)
	__attribute__((alias("stat")));
int lstat64(const char *restrict path, struct stat64 *restrict stat)
	__attribute__((alias("lstat")));
int fstatat64(int dir, const char *restrict path, struct stat64 *restrict stat, int flags)
	__attribute__((alias("fstatat")));

/* ------------------------------------------------------------ descriptors */

/* The inode of what the server may have made: a pipe or a socket; else 0. */
static uint64_t inode(int fd, mode_t type)
{
	struct stat stat;

	if (fstat(fd, &stat))
		return 0;
	if ((stat.st_mode & S_IFMT) != type && (type || (!S_ISFIFO(stat.st_mode) && !S_ISSOCK(stat.st_mode))))
		return 0;
	return stat.st_ino;
}

int close(int fd)
{
	int served = getenv("UAPI_SERVER") && inode(fd, S_IFSOCK);
	int received, ret = syscall(SYS_close, fd);

	if (!ret && served)
		ask(&(struct request){ .op = CLOSED }, NULL, 0, NULL, 0, 0, &received);
	return ret;
}

/*
 * A dma-buf can be read, written, both or neither, and no descriptor of the host's behaves like that;
 * so a program that polls one, and nothing else, asks, again and again.
 */
static int serve_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	struct timespec left = { timeout / 1000, timeout % 1000 * 1000000L }, pause = { 0, 1000000 };
	struct request request = { .op = POLL };
	short ready;
	struct iovec part = { &ready, sizeof(ready) };
	int error, received;

	if (count == 1 && fds->fd >= 0 && getenv("UAPI_SERVER"))
		request.file = inode(fds->fd, S_IFSOCK);
	while (request.file) {
		error = ask(&request, NULL, 0, &part, 1, 0, &received);
		if (error == NOT_OURS)
			break;
		fds->revents = error ? POLLERR : ready & fds->events;
		if (fds->revents || !timeout)
			return !!fds->revents;
		nanosleep(&pause, NULL);
		timeout -= timeout > 0;
	}
	return syscall(SYS_ppoll, fds, count, timeout < 0 ? NULL : &left, NULL, 0L);
}

int poll(struct pollfd *fds, nfds_t count, int timeout) __attribute__((alias("serve_poll")));

static struct shape shape_of(unsigned int command)
{
	switch (command) {
	case _IOC(_IOC_READ | _IOC_WRITE, 'W', 0, 40):	/* SW_SYNC_IOC_CREATE_FENCE */
		return (struct shape){ .out = 36 };
	case _IOC(_IOC_READ | _IOC_WRITE, 'W', 2, 16):	/* SW_SYNC_GET_DEADLINE */
		return (struct shape){ .in = 12 };
	case _IOC(_IOC_READ | _IOC_WRITE, '>', 3, 48):	/* SYNC_IOC_MERGE */
		return (struct shape){ .in = 32, .out = 36 };
	case _IOC(_IOC_READ | _IOC_WRITE, '>', 4, 56):	/* SYNC_IOC_FILE_INFO */
		return (struct shape){ .pointer = 48, .count = 40, .size = 80 };
	case _IOC(_IOC_READ | _IOC_WRITE, 'b', 2, 8):	/* DMA_BUF_IOCTL_EXPORT_SYNC_FILE */
		return (struct shape){ .out = 4 };
	case _IOC(_IOC_WRITE, 'b', 3, 8):		/* DMA_BUF_IOCTL_IMPORT_SYNC_FILE */
		return (struct shape){ .in = 4 };
	case _IOC(_IOC_READ | _IOC_WRITE, 'd', 45, 12):	/* DRM_IOCTL_PRIME_HANDLE_TO_FD */
		return (struct shape){ .out = 8 };
	case _IOC(_IOC_READ | _IOC_WRITE, 'd', 0, 64):	/* DRM_IOCTL_VERSION: the name */
		return (struct shape){ .pointer = 24, .count = 16, .size = 1 };
	default:
		return (struct shape){ 0 };
	}
}

/* Copies as the kernel does from and to its users, so that a bad pointer is EFAULT. */
static int copy(int write, void *user, void *own, size_t length)
{
	struct iovec from = { own, length }, to = { user, length };
	long ret = syscall(write ? SYS_process_vm_writev : SYS_process_vm_readv, getpid(), &from, 1L,
			   &to, 1L, 0L);

	if (ret == (long)length)
		return 0;
	if (ret >= 0 || errno == EFAULT)
		return EFAULT;
	memcpy(write ? user : own, write ? own : user, length);
	return 0;
}

static int serve_ioctl(int fd, unsigned int command, void *user, uint64_t file)
{
	struct shape shape = shape_of(command);
	struct request request = { .op = IOCTL, .word = command, .file = file, .shape = shape };
	size_t length = _IOC_SIZE(command);
	char argument[_IOC_SIZEMASK];
	struct iovec parts[2] = { { argument, length } };
	int error, received, other;
	uint32_t count;

	error = copy(0, user, argument, length);
	if (error)
		return fail(error);
	if (shape.in) {
		memcpy(&other, argument + shape.in, sizeof(other));
		request.other = inode(other, 0);
	}
	if (shape.pointer) {
		memcpy(&parts[1].iov_base, argument + shape.pointer, sizeof(void *));
		memcpy(&count, argument + shape.count, sizeof(count));
		parts[1].iov_len = (size_t)count * shape.size;
	}
	error = ask(&request, argument, length, parts, 2, MSG_CMSG_CLOEXEC, &received);
	if (error == NOT_OURS)
		return syscall(SYS_ioctl, fd, command, user);
	if (error)
		return fail(error);
	if (shape.out)
		memcpy(argument + shape.out, &received, sizeof(received));
	error = copy(1, user, argument, length);
	if (error && received >= 0)
		syscall(SYS_close, received);
	return error ? fail(error) : 0;
}

int ioctl(int fd, unsigned long command, ...)
{
	uint64_t file = 0;
	va_list list;
	void *user;

	va_start(list, command);
	user = va_arg(list, void *);
	va_end(list);
	if (strchr("W>db", _IOC_TYPE(command)) && _IOC_TYPE(command) && getenv("UAPI_SERVER"))
		file = inode(fd, 0);
	return file ? serve_ioctl(fd, command, user, file) : syscall(SYS_ioctl, fd, command, user);
}
