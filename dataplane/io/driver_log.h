/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_DRIVER_LOG_H
#define PV_IO_DRIVER_LOG_H

/*
 * What DPDK's drivers say while a device is opened: it goes into our own line if that fails, and
 * nowhere else. One thread at a time opens devices.
 */

#include <stddef.h>
#include <stdio.h>

/* Returns where the log went before; rte_openlog_stream sends it there again. */
FILE *pv_driver_log_listen(void);
/* One line in err: the device, what -rc means, and the last that its driver said. */
void pv_driver_log_explain(char *err, size_t cap, const char *device, int rc);

#endif
