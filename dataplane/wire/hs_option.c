/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the handshake option may stand and what it may claim. */
#include "wire/hs_option.h"

#include "wire/tcp_hdr.h"

static bool
at_most_one(unsigned int bits)
{
	return (bits & (bits - 1)) == 0;
}

/* On a SYN-ACK one answer, or the request again where both sides opened at once. */
static bool
fits_syn(unsigned int flags, uint8_t tcp_flags)
{
	if ((tcp_flags & PV_TCP_ACK) == 0)
		return flags == PV_HS_REQ;
	return flags != 0 && at_most_one(flags) &&
	       (flags & (PV_HS_REQ | PV_HS_PEND | PV_HS_ACC | PV_HS_RESEND)) != 0;
}

/* On an established connection QOS says what REQ, ACC and REJ are about. */
static bool
fits_later(unsigned int flags, uint8_t tcp_flags, bool more)
{
	if (flags & PV_HS_QOS) {
		unsigned int rest = flags & ~(unsigned int)PV_HS_QOS;

		return rest != 0 && at_most_one(rest) &&
		       (rest & (PV_HS_REQ | PV_HS_ACC | PV_HS_REJ)) != 0;
	}
	if (flags == PV_HS_DISC)
		return more || (tcp_flags & PV_TCP_FIN) != 0;
	return flags == PV_HS_REQ || flags == PV_HS_ACC;
}

enum pv_hs_option_error
pv_hs_option_check(const struct pv_hs_option *o, uint8_t tcp_flags, size_t data_len)
{
	unsigned int flags = o->flags & ~(unsigned int)PV_HS_MORE;
	bool more = (o->flags & PV_HS_MORE) != 0;
	bool fits;

	if (o->block_len != 0 && o->block_len != data_len)
		return PV_HS_OPTION_BLOCK;
	if (more && (o->block_len == 0 || (tcp_flags & (PV_TCP_SYN | PV_TCP_RST)) != 0))
		return PV_HS_OPTION_MORE;
	if (tcp_flags & PV_TCP_RST)
		fits = flags == PV_HS_REJ || flags == PV_HS_DISC;
	else if (tcp_flags & PV_TCP_SYN)
		fits = fits_syn(flags, tcp_flags);
	else
		fits = fits_later(flags, tcp_flags, more);
	return fits ? PV_HS_OPTION_OK : PV_HS_OPTION_PLACE;
}
