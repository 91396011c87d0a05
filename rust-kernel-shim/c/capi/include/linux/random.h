/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_RANDOM_H
#define _LINUX_RANDOM_H

#include <linux/kernel.h>
#include <stdlib.h>

#define get_random_u32_below(ceil) arc4random_uniform(ceil)
#define get_random_u32_inclusive(floor, ceil) ((floor) + arc4random_uniform((ceil) - (floor) + 1))

#endif
