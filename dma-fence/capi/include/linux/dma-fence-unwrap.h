/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unwrapping: the fences in arrays and chains one by one, and one fence of many.
 */
#ifndef _LINUX_DMA_FENCE_UNWRAP_H
#define _LINUX_DMA_FENCE_UNWRAP_H

#include <linux/dma-fence.h>

struct dma_fence_unwrap {
	struct dma_fence *chain;
	struct dma_fence *array;
	unsigned int index;
};

struct dma_fence *dma_fence_unwrap_first(struct dma_fence *head, struct dma_fence_unwrap *cursor);
struct dma_fence *dma_fence_unwrap_next(struct dma_fence_unwrap *cursor);

#define dma_fence_unwrap_for_each(fence, cursor, head) \
	for (fence = dma_fence_unwrap_first(head, cursor); fence; \
	     fence = dma_fence_unwrap_next(cursor))

struct dma_fence *__dma_fence_unwrap_merge(size_t num_fences, struct dma_fence **fences,
					   struct dma_fence_unwrap *cursors);
size_t dma_fence_dedup_array(struct dma_fence **fences, size_t num_fences);

#define dma_fence_unwrap_merge(...) ({ \
	struct dma_fence *__fences[] = { __VA_ARGS__ }; \
	struct dma_fence_unwrap __cursors[ARRAY_SIZE(__fences)]; \
	__dma_fence_unwrap_merge(ARRAY_SIZE(__fences), __fences, __cursors); \
})

#endif
