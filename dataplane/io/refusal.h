/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_REFUSAL_H
#define PV_IO_REFUSAL_H

/*
 * Why a virtual device on one of the kernel's interfaces cannot work here, found out before DPDK is
 * asked: its drivers say little, and one mistake they don't notice at all, that the kernel holds
 * our address and would reset our connections.
 */

#include <stddef.h>

#include "api/pv_api.h"

/* 0, or -errno with one line that names the cure. */
int pv_refusal(const struct pv_port_config *port, char *err, size_t err_cap);
/* The value of a key in a vdev string ("iface=pv0"), or an empty string. */
void pv_device_argument(const char *device, const char *key, char *value, size_t cap);

#endif
