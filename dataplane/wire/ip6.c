/* SPDX-License-Identifier: BSD-3-Clause */
/* The walk over IPv6 extension headers (RFC 8200 4). */
#include "wire/ip6.h"

enum {
	OPT_PAD1 = 0,
	ACTION_SKIP = 0,
	ACTION_DISCARD = 1,
	ACTION_REPORT = 2,
};

static enum pv_ip6_error
fail(struct pv_ip6_upper *out, enum pv_ip6_error error, size_t at)
{
	out->at = (uint16_t)at;
	return error;
}

/*
 * What the two high bits of an option that is not known ask for (RFC 8200 4.2). Padding and all
 * that a host may pass over say "skip".
 */
static enum pv_ip6_error
unknown_option(uint8_t type)
{
	switch (type >> 6) {
	case ACTION_SKIP:
		return PV_IP6_OK;
	case ACTION_DISCARD:
		return PV_IP6_OPT_DISCARD;
	case ACTION_REPORT:
		return PV_IP6_OPT_REPORT;
	default:
		return PV_IP6_OPT_REPORT_UNI;
	}
}

/* The options in p[off..end), of a hop-by-hop or destination options header. */
static enum pv_ip6_error
walk_options(const uint8_t *p, size_t off, size_t end, struct pv_ip6_upper *out)
{
	while (off < end) {
		enum pv_ip6_error error;

		if (p[off] == OPT_PAD1) {
			off++;
			continue;
		}
		if (end - off < 2 || end - off - 2 < p[off + 1])
			return fail(out, PV_IP6_OPT_LENGTH, off);
		error = unknown_option(p[off]);
		if (error != PV_IP6_OK)
			return fail(out, error, off);
		off += 2U + p[off + 1];
	}
	return PV_IP6_OK;
}

/* A host is the last node of every source route or drops it. */
static enum pv_ip6_error
check_routing(const uint8_t *p, size_t off, struct pv_ip6_upper *out)
{
	if (p[off + 3] == 0)
		return PV_IP6_OK;
	return fail(out, p[off + 2] == 0 ? PV_IP6_ROUTING_0 : PV_IP6_ROUTING_OTHER, off + 2);
}

/* A fragment header at off of a packet that ends at n (RFC 8200 4.5). */
static enum pv_ip6_error
read_fragment(const uint8_t *p, size_t n, size_t off, struct pv_ip6_upper *out)
{
	uint16_t word = pv_ld16be(p + off + 2);
	size_t len = n - off - PV_IP6_FRAG_LEN;

	out->frag_off = word & 0xfff8;
	out->more = (word & 1) != 0;
	out->fragment = out->more || out->frag_off != 0;
	out->frag_ident = pv_ld32be(p + off + 4);
	if (out->more && (len % 8 != 0 || len == 0))
		return fail(out, PV_IP6_FRAG_BOUNDS, 4);
	if (off - PV_IP6_HDR_LEN + out->frag_off + len > UINT16_MAX)
		return fail(out, PV_IP6_FRAG_BOUNDS, off + 2);
	return PV_IP6_OK;
}

/* The header of kind out->proto at out->off; *len is its length afterwards. */
static enum pv_ip6_error
step(const uint8_t *p, size_t n, struct pv_ip6_upper *out, size_t *len)
{
	size_t off = out->off;

	if (n - off < 8)
		return fail(out, PV_IP6_EXT_TRUNCATED, off);
	if (out->proto == PV_IP6_FRAGMENT) {
		*len = PV_IP6_FRAG_LEN;
		return read_fragment(p, n, off, out);
	}
	*len = (p[off + 1] + 1U) * 8U;
	if (n - off < *len)
		return fail(out, PV_IP6_EXT_TRUNCATED, off + 1);
	if (out->proto == PV_IP6_ROUTING)
		return check_routing(p, off, out);
	if (out->proto == PV_IP6_HOP_BY_HOP && off != PV_IP6_HDR_LEN)
		return fail(out, PV_IP6_HOP_PLACE, out->next_at);
	return walk_options(p, off + 2, off + *len, out);
}

static bool
is_extension(uint8_t next)
{
	return next == PV_IP6_HOP_BY_HOP || next == PV_IP6_ROUTING || next == PV_IP6_FRAGMENT ||
	       next == PV_IP6_DEST_OPTS;
}

enum pv_ip6_error
pv_ip6_walk_ext(const uint8_t *p, size_t n, struct pv_ip6_upper *out)
{
	*out = (struct pv_ip6_upper){ .proto = p[6], .off = PV_IP6_HDR_LEN, .next_at = 6 };
	for (unsigned int i = 0; is_extension(out->proto); i++) {
		enum pv_ip6_error error;
		size_t len;

		if (i == PV_IP6_EXT_MAX)
			return fail(out, PV_IP6_EXT_COUNT, out->off);
		error = step(p, n, out, &len);
		if (error != PV_IP6_OK)
			return error;
		out->proto = p[out->off];
		if (!out->fragment)
			out->next_at = out->off;
		out->off = (uint16_t)(out->off + len);
		if (out->fragment)
			break;
	}
	return PV_IP6_OK;
}
