/*
 * tests/fuzz/fuzz_api.c: requests to the purchase API: "METHOD URI\nIDEMPOTENCY-KEY\nBODY". Whatever comes, the answer is JSON, an error has
 * its three fields, and what was bought is what the answer says.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bsm/api.h"
#include "tests/unit/bsm_client.h"

static const char *const names[] = { "s", "s-wal", "s-shm", "s.master", "token" };
static struct kms_store *store;
static struct bsm_api *api;
static char dir[] = "/tmp/simulgate-fuzz.XXXXXX", path[64];

static const char *
in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
clean_up(void)
{
	bsm_api_free(api);
	kms_store_close(store);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir(names[i]));
	rmdir(dir);
}

static void
set_up(void)
{
	struct kms_service v;
	FILE *f;

	bsm_must(mkdtemp(dir) != NULL);
	f = fopen(in_dir("token"), "w");
	bsm_must(f != NULL && fputs("a-token-of-the-web-shop\n", f) >= 0 && fclose(f) == 0);
	bsm_must(chmod(path, 0600) == 0);
	store = bsm_store(in_dir("s"));
	atexit(clean_up);
	v = bsm_service(store, "sports");
	bsm_buy(store, bsm_subscriber(store, "alice", IMPI), v.id, 0);
	bsm_must(bsm_api_new(store, in_dir("token"), &bsm_listener, &api, NULL) == 0);
}

static void
check(const struct door_answer *a)
{
	json_t *j = json_loadb(a->body != NULL ? a->body : "", a->len, JSON_REJECT_DUPLICATES, NULL);

	bsm_must(json_is_object(j) && a->status != 500 && a->status != 401);
	bsm_must(a->status < 400 || (json_object_size(j) == 3 && json_is_string(json_object_get(j, "error")) &&
	    json_is_string(json_object_get(j, "message")) && json_object_get(j, "field") != NULL));
	bsm_must(a->status != 201 || strcmp(json_string_value(json_object_get(j, "subscriber")), "alice") == 0);
	json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, *uri, *key, *body;
	struct door_request q;
	struct door_answer a;

	if (size == 0 || size > 1 << 17)
		return 0;
	if (store == NULL)
		set_up();
	text = malloc(size + 1);
	bsm_must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	uri = strchr(text, ' ');
	key = uri != NULL ? strchr(uri, '\n') : NULL;
	body = key != NULL ? strchr(key + 1, '\n') : NULL;
	if (body != NULL && key - uri < 500) {
		*uri++ = *key++ = *body++ = '\0';
		q = bsm_ask(text, uri, "application/json", NULL, NOW);
		q.body = (const uint8_t *)body;
		q.body_len = size - (size_t)(body - text);
		q.authorization = "Bearer a-token-of-the-web-shop";
		q.idempotency_key = key[0] != '\0' ? key : NULL;
		kms_store_begin(store);
		bsm_must(bsm_api_request(api, &q, &a) == GW_WON);
		kms_store_drop(store);
		check(&a);
		door_answer_free(&a);
		bsm_told[0] = '\0';
	}
	free(text);
	return 0;
}
