/*
 * bsm/stkm_get.h: STKMs over the interaction channel: the BSM hears the streams that the head-end broadcasts, keeps the newest message of
 * each, and gives it to entitled, registered subscribers who cannot hear the broadcast. Sans-I/O; the sockets are stkm_hear's.
 *
 * Reading: GET /stkm/SERVICE, under the same Digest as registration, answers 200 with one STKM as application/vnd.oma.bcast.stkm. SERVICE is the
 * MBMS User Service ID or the head-end's name of the service, percent-encoded. ?stkmstream=N: of that stream; else of the first one that
 * the subscriber is entitled to, those of SEKs before those of PEKs. 403: not registered or not bought; 404: no such service or stream;
 * 503: nothing of late.
 */
#ifndef BSM_STKM_GET_H
#define BSM_STKM_GET_H
#include <uv.h>
#include "bsm/regd.h"
#include "lib/headend.h"

enum { STKM_GET_MAX = 512 };			/* octets of an STKM: longer ones are not kept */
#define STKM_GET_PATH "/stkm/"			/* the route's default prefix */
#define STKM_GET_TYPE "application/vnd.oma.bcast.stkm"

struct stkm_get;
/* fresh_us: how long after it was last heard an STKM is given out; 0: 10 s. The store is lent. */
int stkm_get_new(struct kms_store *, int64_t fresh_us, struct stkm_get **, struct gw_err *);
void stkm_get_free(struct stkm_get *);		/* quiet on NULL */
/* A stream of the service with that name in the store, by its ECM_id. Its number for stkm_get_heard; -1: no memory. Known ones keep theirs. */
int stkm_get_stream(struct stkm_get *, uint16_t ecm_id, const char *service, enum kms_kind);
void stkm_get_end(struct stkm_get *, int stream);	/* it is not broadcast any more */
/* A datagram of that stream. It is kept if it is an STKM under a key of that service and kind, MAC and all. False: it is not. */
bool stkm_get_heard(struct stkm_get *, int stream, const void *msg, size_t len, int64_t now_us);
/* For regd_conf.routes; prefix NULL: STKM_GET_PATH. Lent. */
struct regd_route stkm_get_route(struct stkm_get *, const char *prefix);

#define STKM_GET_COUNTS(X) /* field, words for the operator */ \
	X(heard, "STKMs heard") X(kept, "STKMs kept: new ones") X(foreign, "datagrams that are no STKM of their stream") \
	X(given, "STKMs given out") X(denied, "requests for what was not bought, or without registration") X(unknown, "requests for what is not there") \
	X(silent, "requests for a stream of which nothing was heard of late")
#define STKM_GET_X(field, words) uint64_t field;
struct stkm_get_counts { STKM_GET_COUNTS(STKM_GET_X) };
#undef STKM_GET_X
const struct stkm_get_counts *stkm_get_counts(const struct stkm_get *);

/* The sockets: joins the `out` of all stkm entries of that KMS whose protection has its streams as datagrams of their own. */
struct stkm_hear;
struct stkm_hear *stkm_hear_open(uv_loop_t *, struct stkm_get *, const struct headend *, const struct he_kms *, struct gw_err *);
/* After a reload: streams that are new are joined, those that are gone left. -1: some could not be joined, all others are. */
int stkm_hear_reload(struct stkm_hear *, const struct headend *, const struct he_kms *, struct gw_err *);
void stkm_hear_close(struct stkm_hear *);	/* quiet on NULL */
#endif
