/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/driver_log.h"

#include <string.h>

#include <rte_errno.h>
#include <rte_log.h>

static char *log_text;
static size_t log_size;

/* The stream is never closed: a thread of another engine may be writing to it. */
FILE *
pv_driver_log_listen(void)
{
	static FILE *stream;
	FILE *before = rte_log_get_stream();

	if (stream == NULL)
		stream = open_memstream(&log_text, &log_size);
	if (stream != NULL) {
		rewind(stream);
		fflush(stream); /* log_size is 0 again */
		rte_openlog_stream(stream);
	}
	return before;
}

/* The driver's last line; EAL's own come after it and say less. */
void
pv_driver_log_explain(char *err, size_t cap, const char *device, int rc)
{
	const char *end = log_text + log_size, *line = NULL;
	size_t len = 0;

	for (const char *p = log_text; p != NULL && p < end; p++) {
		size_t n = strcspn(p, "\n");

		if (n > 0 && strncmp(p, "EAL:", 4) != 0) {
			line = p;
			len = n;
		}
		p += n;
	}
	snprintf(err, cap, "%s: DPDK cannot use it (%s)%s%.*s", device, rte_strerror(-rc),
			line != NULL ? ": " : ": run `pyprov doctor`", (int)len,
			line != NULL ? line : "");
}
