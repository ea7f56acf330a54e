#include <stdbool.h>
#include <string.h>

#include "api/pv_api.h"
#include "api/pv_bench.h"
#include "api/pv_condition.h"
#include "api/pv_offer.h"

/*
 * cffi lets other Python threads run during each call, by the pair of macros below. A call that
 * ends at once is over sooner than that: where another thread computes, offering it the interpreter
 * takes a system call, and often a wait of 5 ms to get it back. So these keep it. They may take a
 * lock of the bridge, which nobody holds who waits for the interpreter, but never wait for a
 * packet, another thread or a worker's answer.
 */
static inline bool
ends_at_once(const char *function)
{
#define IS(name) strcmp(function, "_cffi_f_" #name) == 0
	return IS(pv_engine_now) || IS(pv_status_of) || IS(pv_accept) || IS(pv_close) ||
	       IS(pv_send) || IS(pv_recv) || IS(pv_readable) || IS(pv_urgent) || IS(pv_watch) ||
	       IS(pv_waiter_take) || IS(pv_waiter_ring) || IS(pv_waiter_fd);
#undef IS
}

#undef Py_BEGIN_ALLOW_THREADS
#undef Py_END_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS                                                                     \
	{                                                                                          \
		PyThreadState *gil = ends_at_once(__func__) ? NULL : PyEval_SaveThread();
#define Py_END_ALLOW_THREADS                                                                       \
	if (gil != NULL)                                                                           \
		PyEval_RestoreThread(gil);                                                         \
	}

/* Sending and receiving do unless so much is copied that others could use the time. */
#define LONG_COPY (64u * 1024)

typedef int64_t copying(struct pv_engine *engine, uint64_t handle, const struct pv_iov *iov,
		uint32_t n, uint32_t flags);

static inline int64_t
copy(copying *verb, struct pv_engine *engine, uint64_t handle, const struct pv_iov *iov, uint32_t n,
		uint32_t flags)
{
	PyThreadState *gil;
	size_t length = 0;
	int64_t result;

	for (uint32_t i = 0; i < n; i++)
		length += iov[i].len;
	gil = length < LONG_COPY ? NULL : PyEval_SaveThread();
	result = verb(engine, handle, iov, n, flags);
	if (gil != NULL)
		PyEval_RestoreThread(gil);
	return result;
}

#define pv_send(...) copy(pv_send, __VA_ARGS__)
#define pv_recv(...) copy(pv_recv, __VA_ARGS__)
