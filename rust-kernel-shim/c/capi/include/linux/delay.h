/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_DELAY_H
#define _LINUX_DELAY_H

#include <linux/timer.h>

void msleep(unsigned int msecs);

#endif
