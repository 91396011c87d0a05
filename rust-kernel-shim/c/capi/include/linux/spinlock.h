/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_SPINLOCK_H
#define _LINUX_SPINLOCK_H

#include <linux/kernel.h>

typedef struct spinlock {
	u32 raw;
} spinlock_t;

struct lock_class_key {
	unsigned long space[2];
};

#define DEFINE_SPINLOCK(name) spinlock_t name = { 0 }

void __spin_lock_init(spinlock_t *lock, const char *name, struct lock_class_key *key);
#define spin_lock_init(lock) do { \
	static struct lock_class_key __key; \
	__spin_lock_init(lock, #lock, &__key); \
} while (0)

void lockdep_set_class(spinlock_t *lock, const char *name, struct lock_class_key *key);
#define lockdep_set_class(lock, key) (lockdep_set_class)(lock, #key, key)

void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
int spin_trylock(spinlock_t *lock);

/* As a function it returns the flags. */
unsigned long spin_lock_irqsave(spinlock_t *lock);
void spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);
#define spin_lock_irqsave(lock, flags) ((void)((flags) = (spin_lock_irqsave)(lock)))

#endif
