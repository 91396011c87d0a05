/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the library in a program and uapi-server say to each other. A connection, of the kind
 * SOCK_SEQPACKET, has one request and one reply; tools/uapi-server/src/protocol.rs knows the same.
 *
 *	OPEN	word: the flags of open(); the argument: the task's name, 16 bytes, and a path.
 *		The reply brings a descriptor.
 *	STAT	the argument: a path. The reply: a struct stat_reply.
 *	IOCTL	word: its number; file, other: the inodes of the descriptor, and of the one that
 *		the argument names; shape: where it does so; the argument. The reply: the argument,
 *		and what goes to where it points. It may bring a descriptor.
 *	CLOSED	a descriptor was closed, which may have been the last of its file. The reply comes
 *		when that has been released.
 *	POLL	file: the inode of a descriptor. The reply, of one that does not know by itself what
 *		is ready: a mask as poll() has it, of 16 bits.
 */
#include <stdint.h>

enum { OPEN, STAT, IOCTL, CLOSED, POLL };

/* Where an ioctl's argument has what only one side knows, in bytes; 0 if it has no such field. */
struct shape {
	/* descriptors: of the program, and for it */
	uint16_t in, out;
	/* a pointer, and the field that says to how many elements, of what size */
	uint16_t pointer, count, size;
};

struct request {
	uint32_t op;
	uint32_t word;
	uint64_t file;
	uint64_t other;
	struct shape shape;
};

/* error: 0, a number as errno has it, or NOT_OURS: the file is none of the server's. */
struct reply {
	uint32_t error;
};

#define NOT_OURS 0x10000

struct stat_reply {
	uint32_t mode;
	uint32_t major;
	uint32_t minor;
};
