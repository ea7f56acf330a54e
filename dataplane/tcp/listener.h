/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_LISTENER_H
#define PV_TCP_LISTENER_H

/*
 * Listeners of one worker. A port of a family leads to a list of them: those bound to an address
 * before those bound to any, among equals the one that came first. Found in constant time where a
 * port has one listener.
 *
 * A listener's index is that of its handle; its shared part (backlog, status) is the bridge's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/types.h"

struct pv_condition;
struct pv_listener_shared;

#define PV_LISTENER_NONE 0xffff

enum pv_family_index { PV_FAMILY_4, PV_FAMILY_6, PV_FAMILIES };

struct pv_listener {
	struct pv_listener_shared *shared; /* NULL: no listener */
	struct pv_condition *condition;    /* NULL: none; the engine owns it */
	uint64_t handle;
	struct pv_addr local;
	uint16_t next[PV_FAMILIES]; /* in the list of its port */
	uint16_t port, index;
	uint8_t any;    /* bound to no address */
	uint8_t family; /* 4, 6, 46 */
	uint8_t reuse;
	uint8_t paused;
	uint8_t backlog_overflow, half_open_overflow; /* enum pv_overflow */
	uint8_t syn_cookies;                          /* enum pv_syn_cookies */
	uint8_t cookies_on;                           /* in auto mode: gone over to cookies */
	uint32_t half_open;                           /* entries it has now */
	uint32_t stamp;           /* last epoch in which it answered a SYN without a record */
	uint16_t window;          /* advertised in SYN-ACKs */
	uint8_t rcv_wscale;       /* the shift we offer */
	uint8_t own_buffers;      /* its parameters name buffers */
	uint8_t conditional;      /* SYNs are held for a verdict */
	uint8_t ttl, tos;         /* of SYN-ACKs and accepted connections */
	uint8_t own_ttl, own_tos; /* as in struct pv_listen_params */
	uint8_t pad[3];
	uint64_t room_seen; /* pv_tcp.bursts when its backlog had room */
};

struct pv_listener_table {
	uint16_t (*first)[65536]; /* by family and port */
	struct pv_listener *listener;
	uint16_t *port; /* by index, for the flow table */
	uint32_t size;
};

int pv_listener_table_init(struct pv_listener_table *table, uint32_t size); /* -ENOMEM */
void pv_listener_table_fini(struct pv_listener_table *table);

/* Enters a listener, made from its shared part. -EADDRINUSE, -EADDRNOTAVAIL, -ENOBUFS. */
int pv_listener_add(struct pv_ctx *ctx, struct pv_listener_table *table,
		struct pv_listener_shared *shared);
/* Takes its ttl and tos from what it was given, or else from the configuration. */
void pv_listener_mark(const struct pv_ctx *ctx, struct pv_listener *listener);
void pv_listener_remove(struct pv_listener_table *table, struct pv_listener *listener);
/* NULL: stale. */
struct pv_listener *pv_listener_by_handle(struct pv_listener_table *table, uint64_t handle);

/* The listener that a segment to this address is for, or NULL. */
static inline struct pv_listener *
pv_listener_find(const struct pv_listener_table *table, const struct pv_tuple *tuple, bool is_v4)
{
	enum pv_family_index family = is_v4 ? PV_FAMILY_4 : PV_FAMILY_6;
	uint16_t i = table->first[family][tuple->local_port];

	while (i != PV_LISTENER_NONE) {
		struct pv_listener *listener = &table->listener[i];

		if (listener->any || pv_addr_equal(&listener->local, &tuple->local))
			return listener;
		i = listener->next[family];
	}
	return NULL;
}

#endif
