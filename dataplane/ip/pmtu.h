/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IP_PMTU_H
#define PV_IP_PMTU_H

/*
 * Path MTUs below the port's, as ICMP told them (RFC 1191, RFC 8201): a cache of fixed size in
 * which a newer peer may push out an older one of the same slot. Forgotten after ten minutes, so
 * that a larger MTU is tried again (RFC 1191 6.3).
 */

#include <stdint.h>

#include "base/types.h"

#define PV_PMTU_SLOTS 256
#define PV_PMTU_MIN4  552
#define PV_PMTU_MIN6  1280

struct pv_pmtu_entry {
	struct pv_addr peer;
	uint64_t until; /* ns; 0: empty */
	uint32_t mtu;
	uint32_t pad;
};

struct pv_pmtu {
	uint32_t used; /* entries set since the last time all were empty: 0 saves the lookup */
	uint32_t pad;
	struct pv_pmtu_entry slot[PV_PMTU_SLOTS];
};

/* `mtu` is the port's; returns what holds now. */
uint16_t pv_pmtu_get(
		const struct pv_pmtu *pmtu, const struct pv_addr *peer, uint16_t mtu, uint64_t now);
/* Takes over a smaller MTU; false: nothing changed (not smaller, or below what RFC 791 and 8200
 * guarantee). */
bool pv_pmtu_lower(struct pv_pmtu *pmtu, const struct pv_addr *peer, uint16_t port_mtu,
		uint16_t mtu, uint64_t now);
/* So much has arrived: what is known is not less. */
void pv_pmtu_raise(struct pv_pmtu *pmtu, const struct pv_addr *peer, uint16_t mtu);

#endif
