/*
 * tests/unit/fake_process.c: stands in for every program that `simulgate run` starts. It writes what happens to it to $FAKE_DIR/log
 * and does what $FAKE_DIR/NAME.do says, a line each:
 *   unready              never says READY=1
 *   die MS STATUS LIVES  exits with STATUS after MS, in its first LIVES lives
 *   deaf                 does not end at SIGTERM
 *   status N             exits with N at SIGTERM
 *   print TEXT           on stdout, at SIGTERM
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char name[128];
static struct { bool unready, deaf; int die_ms, die_status, lives, status; char print[512]; } todo = { .die_ms = -1 };

static const char *
in_dir(const char *file)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", getenv("FAKE_DIR"), file);
	return path;
}

static void
note(const char *event)
{
	int fd = open(in_dir("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	dprintf(fd, "%s %s %d\n", event, name, (int)getpid());
	close(fd);
}

static int
earlier_lives(void)
{
	FILE *f = fopen(in_dir("log"), "r");
	char line[256], want[160];
	int n = 0;

	snprintf(want, sizeof(want), "start %s ", name);
	while (f && fgets(line, sizeof(line), f))
		n += strncmp(line, want, strlen(want)) == 0;
	if (f)
		fclose(f);
	return n;
}

static void
read_todo(void)
{
	char file[160], line[512];
	FILE *f;

	snprintf(file, sizeof(file), "%s.do", name);
	f = fopen(in_dir(file), "r");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		todo.unready = todo.unready || strcmp(line, "unready") == 0;
		todo.deaf = todo.deaf || strcmp(line, "deaf") == 0;
		if (strncmp(line, "print ", 6) == 0)
			snprintf(todo.print, sizeof(todo.print), "%s", line + 6);
		sscanf(line, "die %d %d %d", &todo.die_ms, &todo.die_status, &todo.lives);
		sscanf(line, "status %d", &todo.status);
	}
	if (f)
		fclose(f);
}

static void
say_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	note("ready");
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if (sendto(fd, "STATUS=here\nREADY=1", 19, 0, (struct sockaddr *)&un, sizeof(un)) < 0)
		note("nobody-heard");
	close(fd);
}

int
main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *base = (slash ? slash + 1 : argv[0]) + strlen("simulgate-");
	struct timespec wait = { 30, 0 };	/* a test that broke leaves nobody behind */
	sigset_t set;
	int signum;

	snprintf(name, sizeof(name), "%s", base);
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--kms") == 0 || strcmp(argv[i], "--terminal") == 0 || strcmp(argv[i], "--bsm") == 0)
			snprintf(name, sizeof(name), "%s-%s", base, argv[i + 1]);
	read_todo();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (earlier_lives() >= todo.lives)
		todo.die_ms = -1;
	note("start");
	if (!todo.unready && strcmp(base, "play") != 0)
		say_ready();
	if (todo.die_ms >= 0)
		wait = (struct timespec){ todo.die_ms / 1000, todo.die_ms % 1000 * 1000000L };
	signum = sigtimedwait(&set, NULL, &wait);
	if (signum == SIGTERM && todo.deaf) {
		note("deaf");
		sigtimedwait(&set, NULL, &wait);
	}
	note(signum == SIGTERM ? "term" : "die");
	if (signum != SIGTERM)
		return todo.die_status;
	if (*todo.print)
		printf("noise\n%s\n", todo.print);
	fflush(stdout);
	note("end");
	return todo.status;
}
