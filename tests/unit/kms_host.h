/* tests/unit/kms_host.h: loads a built plugin as the ECMG does, and private copies of key files */
#ifndef TESTS_UNIT_KMS_HOST_H
#define TESTS_UNIT_KMS_HOST_H
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kms/kms-plugin.h"
#include "tests/suite.h"

static int logged[5];		/* lines by level */
static uint64_t answered;	/* handle of the last late answer; 0: none yet */
static uint8_t late[4096];
static size_t late_len;

static void
host_log(void *ctx, int level, const char *text)
{
	(void)ctx;
	ck_assert_ptr_nonnull(text);
	logged[level]++;
}

static void
host_answer(void *ctx, uint64_t handle, const uint8_t *ecm, size_t len, int error, const char *why)
{
	(void)ctx;
	(void)why;
	ck_assert_int_eq(error, 0);
	memcpy(late, ecm, len);
	late_len = len;
	__atomic_store_n(&answered, handle, __ATOMIC_RELEASE);
}

static const struct kms_host host = { .size = sizeof(host), .log = host_log, .answer = host_answer };

static inline const struct kms_plugin *
load(const char *name)
{
	const char *top = getenv("top_builddir");
	const struct kms_plugin *(*entry)(void);
	char path[4096];
	void *so;

	snprintf(path, sizeof(path), "%s/kms/.libs/%s.so", top ? top : ".", name);
	so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(so != NULL, "%s", dlerror());
	*(void **)&entry = dlsym(so, "kms_plugin_entry");
	ck_assert_msg(entry != NULL, "%s exports no kms_plugin_entry", path);
	ck_assert_uint_eq(entry()->abi, KMS_PLUGIN_ABI);
	ck_assert_uint_eq(entry()->size, sizeof(struct kms_plugin));
	ck_assert_str_eq(entry()->name, name);
	return entry();
}

/* A file with this text that only its owner may read; its path in a static buffer. */
static inline const char *
private_file(const char *text, mode_t mode)
{
	static char path[] = "/tmp/simulgate-test-XXXXXX";
	int fd;

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	ck_assert_int_ge(fd = mkstemp(path), 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

/* A private copy of an example's key file. */
static inline const char *
private_example(const char *name)
{
	char rel[256];

	snprintf(rel, sizeof(rel), "../../examples/keys/%s", name);
	const char *text = vec_text(rel), *path = private_file(text, 0600);
	free((void *)(uintptr_t)text);
	return path;
}

/* A directory with private copies of the examples' keys for the broadcast channel; remove_keys() takes them away. */
static const char *const broadcast_files[] = { "drm-broadcast.yaml", "handset-broadcast.yaml", "rights-issuer-private.pem",
	"rights-issuer-public.pem", "handset-private.pem", "handset-public.pem" };

static inline const char *
broadcast_keys(void)
{
	static char at[] = "/tmp/simulgate-keys-XXXXXX";
	char rel[256], path[256];

	strcpy(at + sizeof(at) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(at));
	for (size_t k = 0; k < sizeof(broadcast_files) / sizeof(broadcast_files[0]); k++) {
		snprintf(rel, sizeof(rel), "../../examples/keys/%s", broadcast_files[k]);
		snprintf(path, sizeof(path), "%s/%s", at, broadcast_files[k]);
		const char *text = vec_text(rel);
		put_file(path, text, 0600);
		free((void *)(uintptr_t)text);
	}
	return at;
}

static inline void
remove_keys(const char *at)
{
	char path[256];

	for (size_t k = 0; k < sizeof(broadcast_files) / sizeof(broadcast_files[0]); k++) {
		snprintf(path, sizeof(path), "%s/%s", at, broadcast_files[k]);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(at), 0);
}

static inline void *
open_plugin(const struct kms_plugin *p, const char *conf)
{
	char why[400] = "";
	void *state = NULL;

	ck_assert_msg(p->open(&host, conf, &state, why, sizeof(why)) == 0, "%s", why);
	return state;
}

/* Opens with a key file, which is then removed, and further settings. */
static inline void *
open_keyed(const struct kms_plugin *p, const char *path, const char *more)
{
	char conf[512];

	snprintf(conf, sizeof(conf), "keys=%s\n%s", path, more);
	void *state = open_plugin(p, conf);
	unlink(path);
	return state;
}
#endif
