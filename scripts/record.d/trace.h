/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One trace event, for what the module itself has to tell. It goes into the buffer
 * that has the kernel's events of dma_fence, so all stands in the order in which
 * it happened.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM fence_record

#if !defined(RECORD_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RECORD_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(record_note,
	TP_PROTO(const char *text),
	TP_ARGS(text),
	TP_STRUCT__entry(
		__string(text, text)
	),
	TP_fast_assign(
		__assign_str(text);
	),
	TP_printk("%s", __get_str(text))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
