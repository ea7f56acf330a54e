/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/mem.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

#define HUGE ((size_t)2 << 20)
#define PAGE ((size_t)4096)

static size_t
rounded(size_t size)
{
	return (size + PAGE - 1) & ~(PAGE - 1);
}

void *
pv_mem_map(size_t size, bool huge)
{
	size_t want = rounded(size), spare = huge ? HUGE : 0;
	char *start, *p;

	start = mmap(NULL, want + spare, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (start == MAP_FAILED)
		return NULL;
	/* A forked child finds zeros, and we copy no page on the next write; only advice. */
	madvise(start, want + spare, MADV_WIPEONFORK);
	if (!huge)
		return start;
	/* Keeps the aligned part and gives back what is before and behind it. */
	p = start + (HUGE - ((uintptr_t)start & (HUGE - 1))) % HUGE;
	if (p > start)
		munmap(start, (size_t)(p - start));
	if (start + spare > p)
		munmap(p + want, (size_t)(start + spare - p));
	madvise(p, want, MADV_HUGEPAGE);
	return p;
}

void
pv_mem_unmap(void *p, size_t size)
{
	if (p != NULL)
		munmap(p, rounded(size));
}

void
pv_mem_zero(void *p, size_t size)
{
	if (madvise(p, rounded(size), MADV_DONTNEED) != 0)
		memset(p, 0, size);
}
