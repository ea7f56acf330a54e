/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_lcore.h>
#include <rte_mbuf.h>

#define CACHE 256

struct aside {
	struct aside *next;
	struct rte_mempool *pool;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of both */
static struct aside *set_aside;
static uint32_t made; /* so that every pool has its own name */

static uint32_t
sweep(void)
{
	struct aside **link = &set_aside;
	uint32_t left = 0;

	while (*link != NULL) {
		struct aside *a = *link;

		if (rte_mempool_full(a->pool)) {
			rte_mempool_free(a->pool);
			*link = a->next;
			free(a);
		} else {
			link = &a->next;
			left++;
		}
	}
	return left;
}

uint32_t
pv_pool_sweep(void)
{
	uint32_t left;

	pthread_mutex_lock(&lock);
	left = sweep();
	pthread_mutex_unlock(&lock);
	return left;
}

struct rte_mempool *
pv_pool_new(uint32_t n, uint16_t frame)
{
	uint32_t room = RTE_MAX((uint32_t)RTE_MBUF_DEFAULT_DATAROOM, (uint32_t)frame);
	uint32_t cache = RTE_MIN(n / 4, (uint32_t)CACHE);
	char name[RTE_MEMPOOL_NAMESIZE];

	pthread_mutex_lock(&lock);
	sweep();
	snprintf(name, sizeof(name), "pv_pool_%u", made++);
	pthread_mutex_unlock(&lock);
	return rte_pktmbuf_pool_create(
			name, n, cache, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + room), SOCKET_ID_ANY);
}

void
pv_pool_free(struct rte_mempool *pool)
{
	struct aside *a;

	if (pool == NULL)
		return;
	if (rte_mempool_full(pool)) {
		rte_mempool_free(pool);
		return;
	}
	a = malloc(sizeof(*a));
	if (a == NULL)
		return; /* better lost than freed in use */
	pthread_mutex_lock(&lock);
	*a = (struct aside){ set_aside, pool };
	set_aside = a;
	pthread_mutex_unlock(&lock);
}
