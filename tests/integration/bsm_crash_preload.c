/*
 * tests/integration/bsm_crash_preload.c: preloaded into simulgate-bsm: ends the process (86) at its n-th commit, write or sending, before or after it
 * (CRASH_KIND, CRASH_AT, CRASH_WHEN; CRASH_AT 0: never). CRASH_FILE is where the points are counted, for whoever chooses n: a 64-bit number of each
 * kind, then the name of the call at which the end came.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { COMMIT, WRITE, SEND, KINDS, NONE };
struct count { uint64_t points[KINDS]; char at[40]; };
static struct count nowhere, *count = &nowhere;
static uint64_t end_at;
static enum kind end_kind;
static int after;

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("CRASH_FILE"), *at = getenv("CRASH_AT"), *when = getenv("CRASH_WHEN"), *kind = getenv("CRASH_KIND");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p != MAP_FAILED)
		count = p;
	end_at = at ? strtoull(at, NULL, 10) : 0;
	end_kind = kind ? (enum kind)atoi(kind) : COMMIT;
	after = when && strcmp(when, "after") == 0;
}

static void
end(const char *name)
{
	strcpy(count->at, name);
	_exit(86);
}

/* TYPE NAME(…): the point lies before or behind the call itself. */
#define POINT(type, name, params, args, what) \
	type name params; \
	type name params \
	{ \
		static type (*real) params; \
		type rc; \
		int here; \
		if (!real) \
			*(void **)&real = dlsym(RTLD_NEXT, #name); \
		enum kind kind = (what); \
		here = kind != NONE && __atomic_add_fetch(&count->points[kind], 1, __ATOMIC_SEQ_CST) == end_at && kind == end_kind; \
		if (here && !after) \
			end(#name " before"); \
		rc = real args; \
		if (here) \
			end(#name " after"); \
		return rc; \
	}

static int
is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

POINT(int, fdatasync, (int fd), (fd), COMMIT)
POINT(int, fsync, (int fd), (fd), COMMIT)
POINT(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at), WRITE)
POINT(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), WRITE)
POINT(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), is_socket(fd) ? SEND : NONE)
POINT(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags), SEND)
POINT(ssize_t, sendto, (int fd, const void *p, size_t n, int flags, const struct sockaddr *to, socklen_t len), (fd, p, n, flags, to, len), SEND)
POINT(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags), SEND)
POINT(int, sendmmsg, (int fd, struct mmsghdr *m, unsigned n, int flags), (fd, m, n, flags), SEND)
POINT(int, rename, (const char *from, const char *to), (from, to), COMMIT)
