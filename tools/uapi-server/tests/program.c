// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that asks what Linux would answer: "program NAME" runs that part of it. What comes
 * back is what drivers/dma-buf and drivers/gpu/drm/vgem of Linux 7.3 return.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(x) do {									\
	if (!(x)) {									\
		fprintf(stderr, "%s:%d: %s: errno %d\n", __FILE__, __LINE__, #x, errno);	\
		exit(1);								\
	}										\
} while (0)
#define FAILS(error, x) CHECK((x) == -1 && errno == (error))

struct create_fence { __u32 value; char name[32]; __s32 fence; };
struct get_deadline { __u64 deadline_ns; __u32 pad; __s32 fence_fd; };
struct set_deadline { __u64 deadline_ns; __u64 pad; };
struct buffer_file { __u32 flags; __s32 fd; };
struct dumb { __u32 height, width, bpp, flags, handle, pitch; __u64 size; };
struct prime { __u32 handle, flags; __s32 fd; };
struct attach { __u32 handle, flags, fence, pad; };
struct pair { __u32 first, second; };
struct version { int numbers[3]; size_t name_len; char *name; size_t rest[4]; };

#define CREATE_FENCE	_IOWR('W', 0, struct create_fence)
#define INC		_IOW('W', 1, __u32)
#define GET_DEADLINE	_IOWR('W', 2, struct get_deadline)
#define SET_DEADLINE	_IOW('>', 5, struct set_deadline)
#define EXPORT		_IOWR('b', 2, struct buffer_file)
#define IMPORT		_IOW('b', 3, struct buffer_file)
#define VERSION		_IOWR('d', 0x00, struct version)
#define GEM_CLOSE	_IOW('d', 0x09, struct pair)
#define HANDLE_TO_FD	_IOWR('d', 0x2d, struct prime)
#define CREATE_DUMB	_IOWR('d', 0xb2, struct dumb)
#define ATTACH		_IOWR('d', 0x41, struct attach)
#define SIGNAL		_IOW('d', 0x42, struct pair)

static const char debugfs[] = "/sys/kernel/debug/sync/sw_sync";
static void *const nowhere = (void *)8;

static int timeline(void)
{
	int fd = open(debugfs, O_RDWR);

	CHECK(fd >= 0);
	return fd;
}

static int fence(int timeline, unsigned int value)
{
	struct create_fence data = { .value = value };

	CHECK(ioctl(timeline, CREATE_FENCE, &data) == 0 && data.fence >= 0);
	return data.fence;
}

static void inc(int timeline, __u32 by)
{
	CHECK(ioctl(timeline, INC, &by) == 0);
}

static int ready(int fd, int events, int timeout)
{
	struct pollfd poller = { fd, events, 0 };
	int ret = poll(&poller, 1, timeout);

	CHECK(ret >= 0 && ret == !!poller.revents);
	return poller.revents;
}

static int status(int file)
{
	struct sync_fence_info fence;
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = (unsigned long)&fence };

	CHECK(ioctl(file, SYNC_IOC_FILE_INFO, &info) == 0 && info.num_fences == 1);
	CHECK(info.sync_fence_info == (unsigned long)&fence && info.status == fence.status);
	CHECK(!fence.timestamp_ns == !fence.status);
	return fence.status;
}

static void paths(void)
{
	struct stat stat_of;
	char text[128] = "";
	int fd;

	CHECK(stat(debugfs, &stat_of) == 0 && S_ISREG(stat_of.st_mode));
	CHECK(stat("/dev/dri/card1", &stat_of) == 0 && S_ISCHR(stat_of.st_mode));
	CHECK(stat_of.st_rdev == makedev(226, 1));
	CHECK(access("/dev/sw_sync", R_OK | W_OK) == 0 && access("/dev/dri/card0", R_OK) == 0);
	FAILS(ENOENT, access("/dev/dri/card2", F_OK));
	FAILS(ENOENT, lstat("/sys/kernel/debug/sync/none", &stat_of));
	FAILS(ENOENT, open("/sys/kernel/debug/sync/none", O_RDWR));
	CHECK(access("/dev/null", F_OK) == 0 && stat("/dev/null", &stat_of) == 0);

	fd = openat(AT_FDCWD, "/dev/sw_sync", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	inc(fd, -1);
	CHECK(fcntl(timeline(), F_GETFD) == 0);
	fd = open("/sys/kernel/debug/sync/info", O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	CHECK(!strcmp(text, "objs:\n--------------\nprogram: -1\n\nprogram: 0\n\nfences:\n--------------\n"));
}

static void arguments(void)
{
	struct sync_merge_data merge = { .name = "both" };
	struct sync_file_info info = { 0 };
	struct create_fence create = { 0 };
	struct get_deadline get = { 0 };
	struct set_deadline set = { 7000, 0 };
	int own = timeline(), file = fence(own, 1);

	CHECK(fcntl(file, F_GETFD) == FD_CLOEXEC && (fcntl(file, F_GETFL) & O_ACCMODE) == O_RDONLY);
	FAILS(EFAULT, ioctl(own, CREATE_FENCE, nowhere));
	FAILS(EFAULT, ioctl(own, INC, NULL));
	FAILS(EFAULT, ioctl(file, SYNC_IOC_MERGE, nowhere));
	FAILS(ENOTTY, ioctl(own, SYNC_IOC_FILE_INFO, &info));
	FAILS(ENOTTY, ioctl(file, CREATE_FENCE, &create));
	FAILS(ENOTTY, ioctl(file, _IOWR('>', 4, int), &info));
	FAILS(ENOTTY, ioctl(STDIN_FILENO, SYNC_IOC_MERGE, &merge));
	FAILS(EBADF, ioctl(-1, SYNC_IOC_MERGE, &merge));

	merge.fd2 = -1;
	FAILS(ENOENT, ioctl(file, SYNC_IOC_MERGE, &merge));
	merge.fd2 = own;
	FAILS(ENOENT, ioctl(file, SYNC_IOC_MERGE, &merge));
	merge.fd2 = fence(timeline(), 1);
	merge.flags = 1;
	FAILS(EINVAL, ioctl(file, SYNC_IOC_MERGE, &merge));
	merge.flags = 0;
	CHECK(ioctl(file, SYNC_IOC_MERGE, &merge) == 0);

	CHECK(ioctl(merge.fence, SYNC_IOC_FILE_INFO, &info) == 0);
	CHECK(!strcmp(info.name, "both") && info.num_fences == 2 && info.status == 0);
	info.num_fences = 1;
	FAILS(EINVAL, ioctl(merge.fence, SYNC_IOC_FILE_INFO, &info));
	info.num_fences = 2;
	FAILS(EFAULT, ioctl(merge.fence, SYNC_IOC_FILE_INFO, &info));
	info.pad = 1;
	FAILS(EINVAL, ioctl(merge.fence, SYNC_IOC_FILE_INFO, &info));

	get.fence_fd = file;
	FAILS(ENOENT, ioctl(own, GET_DEADLINE, &get));
	CHECK(ioctl(file, SET_DEADLINE, &set) == 0);
	CHECK(ioctl(own, GET_DEADLINE, &get) == 0 && get.deadline_ns == 7000);
	FAILS(EINVAL, ioctl(own, GET_DEADLINE, &get));
	set.pad = 1;
	FAILS(EINVAL, ioctl(file, SET_DEADLINE, &set));
}

static void more_room(void)
{
	struct sync_fence_info fences[3];
	struct sync_file_info info = { .num_fences = 3, .sync_fence_info = (unsigned long)fences };
	int own = timeline(), file = fence(own, 1);

	memset(fences, 0x55, sizeof(fences));
	CHECK(ioctl(file, SYNC_IOC_FILE_INFO, &info) == 0 && info.num_fences == 1);
	CHECK(!strcmp(fences[0].driver_name, "sw_sync") && !strcmp(fences[0].obj_name, "program"));
	/* What is not needed is left alone. */
	CHECK(fences[1].status == 0x55555555 && fences[2].flags == 0x55555555);
}

/* A timeline is closed by its last descriptor, and its fences have an error at once. */
static void last_close(void)
{
	int own = timeline(), copy = dup(own), file = fence(own, 1), wait_status;

	close(own);
	CHECK(!ready(file, POLLIN, 0) && status(file) == 0);
	if (!fork()) {
		usleep(50000);
		exit(0);
	}
	close(copy);
	CHECK(!ready(file, POLLIN, 0));
	CHECK(wait(&wait_status) > 0 && wait_status == 0);
	CHECK(ready(file, POLLIN, 2000) == POLLIN && status(file) == -ENOENT);
	CHECK(ready(file, POLLIN | POLLOUT | POLLERR, 0) == POLLIN);

	own = timeline();
	file = fence(own, 1);
	close(own);
	CHECK(ready(file, POLLIN, 0) == POLLIN && status(file) == -ENOENT);
}

static void no_descriptors(void)
{
	int own = timeline(), last = fence(own, 1), n;
	struct rlimit limit = { last + 8, last + 8 };
	struct create_fence create = { .value = 1 };

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (n = 0; n < 8 && !ioctl(own, CREATE_FENCE, &create); n++)
		CHECK(create.fence > last);
	CHECK(n > 0 && n < 8 && errno == EMFILE);
	close(create.fence);
	CHECK(ioctl(own, CREATE_FENCE, &create) == 0);
}

static int buffer(int drm, __u32 *handle)
{
	struct dumb dumb = { .height = 3, .width = 500, .bpp = 32 };
	struct prime prime = { 0 };

	CHECK(ioctl(drm, CREATE_DUMB, &dumb) == 0 && dumb.pitch == 2000 && dumb.size == 8192);
	prime.handle = *handle = dumb.handle;
	CHECK(ioctl(drm, HANDLE_TO_FD, &prime) == 0 && prime.fd >= 0);
	return prime.fd;
}

static void buffers(void)
{
	int drm = open("/dev/dri/card0", O_RDWR), own = timeline(), first, second;
	struct buffer_file file = { .fd = -1 };
	struct attach attach = { .flags = 0 };
	struct pair signal = { 0 };
	struct dumb none = { 0 };
	int dmabuf = buffer(drm, &attach.handle);

	FAILS(EINVAL, ioctl(drm, CREATE_DUMB, &none));
	FAILS(ENOENT, ioctl(drm, HANDLE_TO_FD, &(struct prime){ .handle = 99 }));
	FAILS(EINVAL, ioctl(drm, GEM_CLOSE, &(struct pair){ 99, 0 }));
	FAILS(ENOENT, ioctl(drm, ATTACH, &(struct attach){ .handle = 99 }));
	FAILS(EINVAL, ioctl(drm, ATTACH, &(struct attach){ attach.handle, .flags = 2 }));
	FAILS(ENOTTY, ioctl(drm, _IO('d', 0x1e), 0));
	FAILS(ENOTTY, ioctl(dmabuf, _IOW('b', 9, __u64), &none));

	CHECK(ready(dmabuf, POLLIN | POLLOUT, 0) == (POLLIN | POLLOUT));
	CHECK(ioctl(drm, ATTACH, &attach) == 0);
	CHECK(ready(dmabuf, POLLIN | POLLOUT, 0) == POLLIN && !ready(dmabuf, POLLOUT, 3));
	FAILS(EBUSY, ioctl(drm, ATTACH, &(struct attach){ attach.handle, .flags = 1 }));
	signal.first = attach.fence;
	signal.second = 1;
	FAILS(EINVAL, ioctl(drm, SIGNAL, &signal));
	signal.second = 0;
	CHECK(ioctl(drm, SIGNAL, &signal) == 0 && ready(dmabuf, POLLOUT, 0) == POLLOUT);
	FAILS(ENOENT, ioctl(drm, SIGNAL, &signal));

	FAILS(EINVAL, ioctl(dmabuf, EXPORT, &file));
	file.flags = 4;
	FAILS(EINVAL, ioctl(dmabuf, IMPORT, &file));
	file.flags = 1;
	FAILS(EINVAL, ioctl(dmabuf, IMPORT, &file));
	file.fd = fence(own, 1);
	CHECK(ioctl(dmabuf, IMPORT, &file) == 0);
	CHECK(ioctl(dmabuf, EXPORT, &file) == 0 && ready(file.fd, POLLIN, 0));
	file.flags = 2;
	CHECK(ioctl(dmabuf, EXPORT, &file) == 0 && !ready(file.fd, POLLIN, 0));
	inc(own, 1);
	CHECK(ready(file.fd, POLLIN, 0) && ready(dmabuf, POLLOUT, 0));

	/* What its client has not signalled signals when that goes; the buffer lives on. */
	attach.flags = 1;
	CHECK(ioctl(drm, ATTACH, &attach) == 0 && !ready(dmabuf, POLLIN | POLLOUT, 0));
	CHECK(ioctl(drm, GEM_CLOSE, &(struct pair){ attach.handle, 0 }) == 0);
	close(drm);
	CHECK(ready(dmabuf, POLLIN, 2000) == POLLIN);
	first = open("/dev/dri/card0", O_RDWR);
	second = buffer(first, &attach.handle);
	CHECK(attach.handle == 1 && second != dmabuf);
}

static void names(void)
{
	char name[8] = "", other[16] = "";
	struct version version = { .name_len = sizeof(name), .name = name };
	int drm = open("/dev/dri/card0", O_RDWR);

	CHECK(ioctl(drm, VERSION, &version) == 0 && version.name_len == 4 && !strcmp(name, "vgem"));
	CHECK(version.name == name && version.numbers[0] == 1);
	drm = open("/dev/dri/card1", O_RDWR);
	version.name = other;
	version.name_len = 3;
	CHECK(ioctl(drm, VERSION, &version) == 0 && version.name_len > 4 && strlen(other) == 3);
	FAILS(ENOTTY, ioctl(drm, CREATE_DUMB, &(struct dumb){ 1, 1, 32 }));
}

int main(int count, char **words)
{
	static const struct { const char *name; void (*run)(void); } parts[] = {
		{ "paths", paths }, { "arguments", arguments }, { "more_room", more_room },
		{ "last_close", last_close }, { "no_descriptors", no_descriptors },
		{ "buffers", buffers }, { "names", names },
	};
	size_t n;

	for (n = 0; count == 2 && n < sizeof(parts) / sizeof(*parts); n++)
		if (!strcmp(words[1], parts[n].name)) {
			parts[n].run();
			return 0;
		}
	return 2;
}
