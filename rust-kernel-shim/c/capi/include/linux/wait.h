/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_WAIT_H
#define _LINUX_WAIT_H

#include <linux/delay.h>

/* The condition is looked at in each jiffy, so there is nothing that has to be woken. */
#define wake_up_var(var) ((void)(var))
#define wait_var_event_timeout(var, condition, timeout) ({ \
	long __left = (timeout); \
	while (!(condition) && __left > 0) { \
		msleep(1000 / HZ); \
		__left--; \
	} \
	__left ? __left : !!(condition); \
})

#endif
