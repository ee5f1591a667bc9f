/* tests/fuzz/replay.c: main for a fuzz target where there is no fuzzing engine: runs every file given, in TAP */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The name of the target's corpus is in the program's own name: fuzz_sim_ecmg -> corpus/sim_ecmg. */
static const char *
corpus_of(const char *argv0)
{
	const char *slash = strrchr(argv0, '/'), *name = slash ? slash + 1 : argv0;

	if (strncmp(name, "lt-", 3) == 0)
		name += 3;
	return strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name;
}

static int
feed(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *buf = f ? malloc(1 << 20) : NULL;
	size_t n;

	if (!buf) {
		if (f)
			fclose(f);
		return -1;
	}
	n = fread(buf, 1, 1 << 20, f);
	fclose(f);
	/* an exact-size copy, so that a sanitizer sees the first byte read past the end */
	uint8_t *exact = malloc(n ? n : 1);
	if (exact) {
		memcpy(exact, buf, n);
		LLVMFuzzerTestOneInput(exact, n);
		free(exact);
	}
	free(buf);
	return exact ? 0 : -1;
}

int
main(int argc, char **argv)
{
	const char *src = getenv("top_srcdir");
	char dir[4096], path[8192];
	struct dirent *e;
	int n = 0, bad = 0;
	DIR *d;

	for (int i = 1; i < argc; i++)
		if (feed(argv[i]) < 0)
			return 1;
	if (argc > 1)
		return 0;
	snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", src ? src : ".", corpus_of(argv[0]));
	d = opendir(dir);
	while (d && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		int rc = feed(path);
		bad |= rc;
		printf("%sok %d - %s\n", rc < 0 ? "not " : "", ++n, e->d_name);
	}
	if (d)
		closedir(d);
	if (n == 0) {
		printf("not ok %d - no seeds in %s\n", ++n, dir);
		bad = 1;
	}
	printf("1..%d\n", n);
	return bad ? 1 : 0;
}
