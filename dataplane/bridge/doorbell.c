/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge/doorbell.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int
pv_doorbell_init(struct pv_doorbell *bell, int fd)
{
	if (fd < 0)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	bell->armed = PV_DOORBELL_QUIET;
	bell->fd = fd;
	return 0;
}

void
pv_doorbell_fini(struct pv_doorbell *bell)
{
	close(bell->fd);
	bell->fd = -1;
}

void
pv_doorbell_write(struct pv_doorbell *bell)
{
	uint64_t one = 1;
	ssize_t n;

	/* It fails only where the eventfd is readable anyway. */
	do {
		n = write(bell->fd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
}

bool
pv_doorbell_clear(struct pv_doorbell *bell)
{
	uint64_t count;
	ssize_t n;

	do {
		n = read(bell->fd, &count, sizeof(count));
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(count);
}
