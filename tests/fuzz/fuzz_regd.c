/*
 * tests/fuzz/fuzz_regd.c: requests to the registration server. First octet: what is fuzzed: 0, an Authorization header; 1, one of Ub; 2 to 4, the
 * body of a procedure under right credentials; 5, a request line and a content type. Whatever comes, the answer is whole and its
 * status is one of those of the reference, the credentials of another are never right, and the store takes its next group.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bsm/regd.h"
#include "kms/mbms_xml.h"
#include "tests/unit/bsm_client.h"

static struct kms_store *store;
static struct regd *regd;
static char dir[] = "/tmp/simulgate-fuzz.XXXXXX", password[45];

static void
clean_up(void)
{
	static const char *const names[] = { "s", "s-wal", "s-shm", "s.master", "s.lock" };
	char path[64];

	regd_free(regd);
	kms_store_close(store);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void
set_up(void)
{
	static const struct regd_conf conf = { .naf = NAF, .bsf = BSF, .requests = 1 << 30 };
	struct kms_service v;
	char path[64];
	int64_t sub;

	bsm_must(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/s", dir);
	store = bsm_store(path);
	atexit(clean_up);
	sub = bsm_subscriber(store, "alice", IMPI);
	bsm_context(store, sub, BTID, NOW + 3600 * SECOND);
	v = bsm_service(store, "sports");
	bsm_buy(store, sub, v.id, 0);
	bsm_key(store, &v, true);
	digest_srk_password(bsm_srk, password);
	bsm_must(regd_new(store, &conf, &bsm_listener, &regd, NULL) == 0);
}

/* In a group that is dropped: one input does not know of the other. */
static unsigned
ask(const struct door_request *q, struct door_answer *a)
{
	kms_store_begin(store);
	bsm_must(regd_request(regd, q, a) == GW_WON);
	kms_store_drop(store);
	bsm_must(a->status != 500 && (a->body != NULL) == (a->type != NULL) && (a->body == NULL || strlen(a->body) == a->len));
	bsm_must(a->status != 401 || bsm_header(a, "www-authenticate") != NULL);
	bsm_told[0] = '\0';
	return a->status;
}

static void
header(struct door_request q, char *text)
{
	struct door_answer a;

	q.authorization = text;
	q.user_agent = text;
	bsm_must(ask(&q, &a) != 200);	/* nobody guesses a response */
	door_answer_free(&a);
}

static void
signed_body(enum mbms_procedure p, const char *text, size_t len)
{
	struct door_request q = bsm_ask("POST", REGISTER_URI, mbms_media_type(p, false), NULL, NOW);
	struct mbms_list l = { NULL, 0 };
	struct digest_challenge d;
	struct bsm_client t;
	struct door_answer a;
	unsigned status;

	bsm_client(&t, BTID, password, 44);
	ask(&q, &a);
	bsm_must(bsm_challenged(&t, &a, &d));
	door_answer_free(&a);
	q.body = (const uint8_t *)text;
	q.body_len = len;
	bsm_sign(&t, &q);
	status = ask(&q, &a);
	bsm_must(status == 200 || status == 400);
	bsm_must(status == 400 || mbms_response_parse(p, a.body, a.len, &l, NULL) == 0);
	mbms_list_free(&l);
	door_answer_free(&a);
}

static void
line(char *text)
{
	char *uri = strchr(text, '\n'), *type = uri != NULL ? strchr(uri + 1, '\n') : NULL;
	struct door_request q;
	struct door_answer a;

	if (type == NULL || type - uri > 500)
		return;
	*uri++ = *type++ = '\0';
	q = bsm_ask(text, uri, type, NULL, NOW);
	bsm_must(ask(&q, &a) >= 400);
	door_answer_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0 || size > 1 << 16)
		return 0;
	if (store == NULL)
		set_up();
	text = malloc(size);
	bsm_must(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 6) {
	case 0: header(bsm_ask("POST", REGISTER_URI, "application/mbms-register+xml", "", NOW), text); break;
	case 1: header(bsm_ask("GET", "/", NULL, NULL, NOW), text); break;
	case 2: signed_body(MBMS_REGISTER, text, size - 1); break;
	case 3: signed_body(MBMS_DEREGISTER, text, size - 1); break;
	case 4: signed_body(MBMS_MSK, text, size - 1); break;
	default: line(text);
	}
	free(text);
	return 0;
}
