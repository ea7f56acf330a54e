/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TESTS_BYTES_H
#define PV_TESTS_BYTES_H

/* Packets as test programs write them: hexadecimal text, and memory that ends where it should. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES_MAX 65536U

static inline unsigned int
hex_digit(char c)
{
	return c <= '9' ? (unsigned int)(c - '0') : (unsigned int)((c | 0x20) - 'a' + 10);
}

/** Writes the bytes of pairs of hexadecimal digits, blanks between them skipped; how many. */
static inline size_t
hex(uint8_t *out, const char *text)
{
	size_t n = 0;

	while (*text != '\0') {
		if (*text == ' ') {
			text++;
			continue;
		}
		out[n++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
		text += 2;
	}
	return n;
}

/**
 * A copy of at most BYTES_MAX bytes that ends where an unreadable page begins, so that whoever
 * reads one byte more is found out in every kind of build. There is one such place: the next call
 * reuses it.
 */
static inline uint8_t *
tight(const void *p, size_t n)
{
	static uint8_t *end;

	if (end == NULL) {
		size_t page = (size_t)sysconf(_SC_PAGESIZE);
		uint8_t *area = mmap(NULL, BYTES_MAX + page, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (area == MAP_FAILED || n > BYTES_MAX ||
				mprotect(area + BYTES_MAX, page, PROT_NONE) != 0)
			exit(1);
		end = area + BYTES_MAX;
	}
	if (n != 0)
		memmove(end - n, p, n);
	return end - n;
}

#endif
