/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BASE_MEM_H
#define PV_BASE_MEM_H

/*
 * Memory of large tables: zero, mapped page by page as it is touched, on huge pages where asked for
 * and where the system has them. Any thread, but not from a worker's turn (but pv_mem_zero).
 */

#include <stdbool.h>
#include <stddef.h>

/* NULL: no memory. Aligned to 2 MiB when huge, else to a page. */
void *pv_mem_map(size_t size, bool huge);
void pv_mem_unmap(void *p, size_t size); /* p may be NULL */
/* Makes it all zero again by giving the pages back. */
void pv_mem_zero(void *p, size_t size);

#endif
