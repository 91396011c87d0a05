/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_TIMEKEEPING_H
#define _LINUX_TIMEKEEPING_H

#include <linux/kernel.h>

typedef s64 ktime_t;

ktime_t ktime_get(void);

#define ns_to_ktime(ns) ((ktime_t)(ns))
#define ktime_after(a, b) ((a) > (b))
#define ktime_before(a, b) ((a) < (b))

#endif
