/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery (RFC 4861). */
#include "wire/nd.h"

#include <string.h>

enum {
	OPT_SOURCE_LLADDR = 1,
	OPT_TARGET_LLADDR = 2,
	OPT_LLADDR_LEN = 8,
};

static uint8_t
lladdr_option(uint8_t type)
{
	return type == PV_ICMP6_NEIGH_SOLICIT ? OPT_SOURCE_LLADDR : OPT_TARGET_LLADDR;
}

/* Walks the options in p[PV_ND_LEN..n); those that say nothing here are skipped by their length. */
static enum pv_nd_error
read_options(const uint8_t *p, size_t n, struct pv_nd *out)
{
	size_t off = PV_ND_LEN;

	while (off < n) {
		size_t len;

		if (n - off < 8)
			return PV_ND_OPTION;
		len = p[off + 1] * 8U;
		if (len == 0 || len > n - off)
			return PV_ND_OPTION;
		if (p[off] == lladdr_option(out->type)) {
			if (len != OPT_LLADDR_LEN || pv_eth_is_multicast(p + off + 2))
				return PV_ND_OPTION;
			memcpy(out->lladdr, p + off + 2, PV_ETH_ADDR_LEN);
			out->has_lladdr = true;
		}
		off += len;
	}
	return PV_ND_OK;
}

/* RFC 4861 7.1.1: who asks from no address is alone with the question (duplicate detection). */
static enum pv_nd_error
check_solicit(const struct pv_ip6 *ip, const struct pv_nd *nd)
{
	if (!pv_ip6_is_unspecified(ip->src))
		return PV_ND_OK;
	if (nd->has_lladdr)
		return PV_ND_SOURCE;
	return pv_ip6_is_solicited_node(ip->dst) ? PV_ND_OK : PV_ND_DESTINATION;
}

/* RFC 4861 7.1.2: an answer goes to the one who asked. */
static enum pv_nd_error
check_advert(const struct pv_ip6 *ip, const struct pv_nd *nd)
{
	if (pv_ip6_is_unspecified(ip->src))
		return PV_ND_SOURCE;
	if (pv_ip6_is_multicast(ip->dst) && (nd->flags & PV_ND_SOLICITED) != 0)
		return PV_ND_DESTINATION;
	return PV_ND_OK;
}

enum pv_nd_error
pv_nd_parse(const uint8_t *p, size_t n, const struct pv_ip6 *ip, struct pv_nd *out)
{
	enum pv_nd_error error;

	if (n < PV_ND_LEN)
		return PV_ND_TRUNCATED;
	if (p[0] != PV_ICMP6_NEIGH_SOLICIT && p[0] != PV_ICMP6_NEIGH_ADVERT)
		return PV_ND_TYPE;
	if (p[1] != 0)
		return PV_ND_CODE;
	if (ip->hop_limit != PV_ND_HOP_LIMIT)
		return PV_ND_HOPS;
	if (pv_ip6_is_multicast(ip->src))
		return PV_ND_SOURCE;
	*out = (struct pv_nd){ .type = p[0] };
	if (out->type == PV_ICMP6_NEIGH_ADVERT)
		out->flags = p[4] & (PV_ND_ROUTER | PV_ND_SOLICITED | PV_ND_OVERRIDE);
	memcpy(out->target, p + 8, 16);
	if (pv_ip6_is_multicast(out->target) || pv_ip6_is_unspecified(out->target))
		return PV_ND_TARGET;
	error = read_options(p, n, out);
	if (error != PV_ND_OK)
		return error;
	return out->type == PV_ICMP6_NEIGH_SOLICIT ? check_solicit(ip, out) : check_advert(ip, out);
}

size_t
pv_nd_build(uint8_t *p, const struct pv_nd *nd, const struct pv_ip6 *ip)
{
	size_t len = PV_ND_LEN;

	memset(p, 0, 8);
	p[0] = nd->type;
	p[4] = nd->flags;
	memcpy(p + 8, nd->target, 16);
	if (nd->has_lladdr) {
		p[len] = lladdr_option(nd->type);
		p[len + 1] = OPT_LLADDR_LEN / 8;
		memcpy(p + len + 2, nd->lladdr, PV_ETH_ADDR_LEN);
		len += OPT_LLADDR_LEN;
	}
	pv_icmp6_csum_set(p, len, ip->src, ip->dst);
	return len;
}
