/*
 * tests/unit/test_bsm_oracle.c: what an unknown name costs is what a wrong password costs: the same steps of the store, the same octets through
 * MD5, the same octets unwrapped. The linker puts these counters around the functions that the work is done with.
 */
#include <openssl/evp.h>
#include <sqlite3.h>
#include "kms/mbms_xml.h"
#include "tests/suite.h"
#include "tests/unit/bsm_client.h"
#include "tests/unit/scratch.h"

static struct work { unsigned steps, digests, digest_octets, updates, update_octets; } work;

int __real_sqlite3_step(sqlite3_stmt *);
int __wrap_sqlite3_step(sqlite3_stmt *);
int
__wrap_sqlite3_step(sqlite3_stmt *s)
{
	work.steps++;
	return __real_sqlite3_step(s);
}

int __real_EVP_DigestInit_ex(EVP_MD_CTX *, const EVP_MD *, ENGINE *);
int __wrap_EVP_DigestInit_ex(EVP_MD_CTX *, const EVP_MD *, ENGINE *);
int
__wrap_EVP_DigestInit_ex(EVP_MD_CTX *c, const EVP_MD *md, ENGINE *e)
{
	work.digests++;
	return __real_EVP_DigestInit_ex(c, md, e);
}

int __real_EVP_DigestUpdate(EVP_MD_CTX *, const void *, size_t);
int __wrap_EVP_DigestUpdate(EVP_MD_CTX *, const void *, size_t);
int
__wrap_EVP_DigestUpdate(EVP_MD_CTX *c, const void *p, size_t len)
{
	work.digest_octets += (unsigned)len;
	return __real_EVP_DigestUpdate(c, p, len);
}

#define COUNTED(name)									\
	int __real_##name(EVP_CIPHER_CTX *, unsigned char *, int *, const unsigned char *, int);	\
	int __wrap_##name(EVP_CIPHER_CTX *, unsigned char *, int *, const unsigned char *, int);	\
	int										\
	__wrap_##name(EVP_CIPHER_CTX *c, unsigned char *out, int *n, const unsigned char *in, int len)	\
	{										\
		work.updates++;								\
		work.update_octets += (unsigned)len;					\
		return __real_##name(c, out, n, in, len);				\
	}
COUNTED(EVP_CipherUpdate)
COUNTED(EVP_DecryptUpdate)
COUNTED(EVP_EncryptUpdate)

static struct kms_store *store;
static struct regd *regd;

static void
set_up(void)
{
	static const struct regd_conf conf = { .naf = NAF, .bsf = BSF };
	int64_t sub;

	store = bsm_store(scratch("kms.db"));
	sub = bsm_subscriber(store, "alice", IMPI);
	bsm_context(store, sub, BTID, NOW + 3600 * SECOND);
	ck_assert_int_eq(regd_new(store, &conf, &bsm_listener, &regd, NULL), 0);
}

static void
tear_down(void)
{
	regd_free(regd);
	kms_store_close(store);
}

/* What the second of two such requests costs (the first makes what is made once). */
static struct work
cost(struct door_request *q)
{
	struct door_answer a;

	for (int i = 0; i < 2; i++) {
		memset(&work, 0, sizeof(work));
		ck_assert_int_eq(bsm_do(regd, store, q, &a), GW_WON);
		ck_assert_uint_eq(a.status, 401);
		door_answer_free(&a);
	}
	return work;
}

static void
same_work(const struct work *a, const struct work *b)
{
	ck_assert_uint_gt(a->steps, 0);
	ck_assert_uint_gt(a->updates, 0);	/* something was unwrapped */
	ck_assert_msg(memcmp(a, b, sizeof(*a)) == 0, "steps %u %u, digests %u %u of %u %u octets, ciphers %u %u of %u %u octets", a->steps, b->steps,
	    a->digests, b->digests, a->digest_octets, b->digest_octets, a->updates, b->updates, a->update_octets, b->update_octets);
}

/* A wrong password under that name. */
static struct work
wrong_password(const char *username)
{
	struct door_request q = bsm_ask("POST", REGISTER_URI, mbms_media_type(MBMS_REGISTER, false), "<x/>", NOW);
	struct digest_challenge d;
	struct bsm_client t;
	struct door_answer a;

	bsm_client(&t, username, "wrong", 5);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert(bsm_challenged(&t, &a, &d));
	door_answer_free(&a);
	bsm_sign(&t, &q);
	return cost(&q);
}

START_TEST(an_unknown_b_tid_costs_what_a_wrong_password_costs)
{
	char stranger[] = BTID;
	struct work known, unknown, over;

	set_up();
	known = wrong_password(BTID);
	stranger[0] ^= 1;
	unknown = wrong_password(stranger);
	ck_assert_uint_gt(known.digests, 0);
	same_work(&known, &unknown);
	bsm_context(store, bsm_subscriber(store, "bob", "bob@example.net"), stranger, NOW - SECOND);
	over = wrong_password(stranger);
	same_work(&known, &over);
	tear_down();
}
END_TEST

static struct work
ub(const char *impi, const char *nonce, const char *response)
{
	struct door_request q = bsm_ask("GET", "/", NULL, NULL, NOW);
	char header[1024];

	snprintf(header, sizeof(header), "Digest username=\"%s\", realm=\"" BSF "\", nonce=\"%s\", uri=\"/\", response=\"%s\", algorithm=AKAv1-MD5, "
	    "qop=auth-int, nc=00000001, cnonce=\"0a4f113b\"", impi, nonce, response);
	q.authorization = header;
	return cost(&q);
}

START_TEST(an_unknown_impi_costs_what_a_wrong_card_costs)
{
	static const char nonce[] = "I1U8vpY3qJ0hiuZNrke/NVXzKLQ1d7m5Sp/6w1Tfr7M=", response[] = "26d91881d4f34c67c3c171426686ad62";
	char stranger[] = IMPI;
	struct work known, unknown;

	set_up();
	stranger[3] ^= 1;
	known = ub(IMPI, "", "");
	unknown = ub(stranger, "", "");
	same_work(&known, &unknown);
	known = ub(IMPI, nonce, response);
	unknown = ub(stranger, nonce, response);
	ck_assert_uint_gt(known.digests, 0);
	same_work(&known, &unknown);
	tear_down();
}
END_TEST

SUITE("bsm_oracle", tcase_add_test(t, an_unknown_b_tid_costs_what_a_wrong_password_costs); tcase_add_test(t, an_unknown_impi_costs_what_a_wrong_card_costs))
