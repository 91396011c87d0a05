/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_IRQ_WORK_H
#define _LINUX_IRQ_WORK_H

#include <linux/kernel.h>

struct irq_work {
	unsigned long space[4];
};

void init_irq_work(struct irq_work *work, void (*func)(struct irq_work *work));
bool irq_work_queue(struct irq_work *work);

#endif
