/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/listener.h"

#include <errno.h>
#include <stdlib.h>

#include "bridge/backlog.h"
#include "ip/ip.h"

int
pv_listener_table_init(struct pv_listener_table *table, uint32_t size)
{
	*table = (struct pv_listener_table){ .size = size };
	table->first = malloc(PV_FAMILIES * sizeof(*table->first));
	table->listener = calloc(size, sizeof(*table->listener));
	table->port = calloc(size, sizeof(*table->port));
	if (table->first == NULL || table->listener == NULL || table->port == NULL) {
		pv_listener_table_fini(table);
		return -ENOMEM;
	}
	memset(table->first, 0xff, PV_FAMILIES * sizeof(*table->first));
	return 0;
}

void
pv_listener_table_fini(struct pv_listener_table *table)
{
	free(table->first);
	free(table->listener);
	free(table->port);
	*table = (struct pv_listener_table){ 0 };
}

static bool
in_family(const struct pv_listener *listener, enum pv_family_index family)
{
	return listener->family == 46 || listener->family == (family == PV_FAMILY_4 ? 4 : 6);
}

/* Two that would answer to exactly the same name. */
static bool
conflict(const struct pv_listener_table *table, const struct pv_listener *wanted,
		enum pv_family_index family)
{
	uint16_t i = table->first[family][wanted->port];

	for (; i != PV_LISTENER_NONE; i = table->listener[i].next[family]) {
		const struct pv_listener *other = &table->listener[i];

		if (other->any == wanted->any &&
				(other->any || pv_addr_equal(&other->local, &wanted->local)) &&
				!(other->reuse && wanted->reuse))
			return true;
	}
	return false;
}

/* Behind all that are at least as specific. */
static void
link_in(struct pv_listener_table *table, struct pv_listener *listener, enum pv_family_index family)
{
	uint16_t *at = &table->first[family][listener->port];

	while (*at != PV_LISTENER_NONE && (listener->any || !table->listener[*at].any))
		at = &table->listener[*at].next[family];
	listener->next[family] = *at;
	*at = listener->index;
}

static void
link_out(struct pv_listener_table *table, struct pv_listener *listener, enum pv_family_index family)
{
	uint16_t *at = &table->first[family][listener->port];

	while (*at != PV_LISTENER_NONE && *at != listener->index)
		at = &table->listener[*at].next[family];
	if (*at == listener->index)
		*at = listener->next[family];
}

/* The smallest shift with which a window field can show the whole buffer (RFC 7323 2.3). */
static uint8_t
wscale_for(uint32_t buffer)
{
	uint8_t shift = 0;

	while (shift < 14 && buffer >> shift > UINT16_MAX)
		shift++;
	return shift;
}

void
pv_listener_mark(const struct pv_ctx *ctx, struct pv_listener *listener)
{
	const struct pv_tcp_config *config = &ctx->tcp_config;

	listener->ttl = listener->own_ttl != 0 ? listener->own_ttl : config->ttl;
	listener->tos = listener->own_tos != 0 ? listener->own_tos & 0xfc :
						 (uint8_t)(config->dscp << 2);
}

static void
fill(const struct pv_ctx *ctx, struct pv_listener *listener, const struct pv_listen_params *params)
{
	const struct pv_tcp_config *config = &ctx->tcp_config;
	uint32_t buffer = params->recv_buffer != 0 ? params->recv_buffer : config->recv_buffer;

	listener->local = params->local;
	listener->any = pv_addr_is_any(&params->local);
	listener->port = params->port;
	listener->family = params->family;
	listener->reuse = params->reuse;
	listener->conditional = params->conditional != 0;
	listener->paused = params->paused;
	listener->backlog_overflow = params->backlog_overflow;
	listener->half_open_overflow = params->half_open_overflow;
	listener->syn_cookies = params->syn_cookies;
	listener->window = (uint16_t)(buffer < UINT16_MAX ? buffer : UINT16_MAX);
	listener->own_buffers = (params->recv_buffer | params->send_buffer) != 0;
	listener->rcv_wscale = wscale_for(
			config->recv_buffer_max > buffer ? config->recv_buffer_max : buffer);
	listener->own_ttl = params->ttl;
	listener->own_tos = params->tos;
	pv_listener_mark(ctx, listener);
}

int
pv_listener_add(struct pv_ctx *ctx, struct pv_listener_table *table,
		struct pv_listener_shared *shared)
{
	const struct pv_listen_params *params = pv_listener_params(shared);
	uint64_t handle = pv_listener_handle(shared);
	uint32_t index = pv_handle_index(handle);
	struct pv_listener *listener;

	if (!pv_addr_is_any(&params->local) && !pv_ip_is_local(ctx, &params->local))
		return -EADDRNOTAVAIL;
	if (index >= table->size || index >= PV_LISTENER_NONE)
		return -ENOBUFS;
	listener = &table->listener[index];
	*listener = (struct pv_listener){ .handle = handle, .index = (uint16_t)index };
	fill(ctx, listener, params);
	for (int family = 0; family < PV_FAMILIES; family++) {
		if (in_family(listener, family) && conflict(table, listener, family))
			return -EADDRINUSE;
	}
	for (int family = 0; family < PV_FAMILIES; family++) {
		listener->next[family] = PV_LISTENER_NONE;
		if (in_family(listener, family))
			link_in(table, listener, family);
	}
	table->port[index] = listener->port;
	listener->shared = shared;
	return 0;
}

void
pv_listener_remove(struct pv_listener_table *table, struct pv_listener *listener)
{
	for (int family = 0; family < PV_FAMILIES; family++) {
		if (in_family(listener, family))
			link_out(table, listener, family);
	}
	listener->shared = NULL;
}

struct pv_listener *
pv_listener_by_handle(struct pv_listener_table *table, uint64_t handle)
{
	uint32_t index = pv_handle_index(handle);

	if (index >= table->size || table->listener[index].shared == NULL ||
			table->listener[index].handle != handle)
		return NULL;
	return &table->listener[index];
}
