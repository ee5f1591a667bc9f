/* tools/pt_child.c: what surrounds a test in its child: faults are noted before they end it, and the process is as it was when it ends well */
#include <dirent.h>
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/secret.h"
#include "tools/pt.h"

enum { SECRET_KIB = 1024, SIGNALS = 65, ENDING_MS = 200, THREADS = 64 };

struct pt_shared *pt;

int64_t
pt_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- what is found */

const struct pt_rule pt_rules[PT_NRULES] = {
#define PT_X(name, id, gravity, section, rule) [PT_R_##name] = { id, PT_G_##gravity, section, rule },
	PT_RULES(PT_X)
#undef PT_X
};

/* Once for each rule and test; how often is counted. */
void
pt_find(enum pt_rule_id rule, const char *fmt, ...)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	unsigned k = 0;
	va_list ap;

	pthread_mutex_lock(&lock);
	while (k < pt->nfindings && !(pt->finding[k].rule == rule && pt->finding[k].test == pt->test))
		k++;
	if (k < pt->nfindings) {
		pt->finding[k].times++;
	} else if (k == PT_FINDINGS) {
		pt->lost++;
	} else {
		struct pt_finding *f = &pt->finding[k];
		*f = (struct pt_finding){ .rule = rule, .test = pt->test, .times = 1 };
		va_start(ap, fmt);
		vsnprintf(f->what, sizeof(f->what), fmt, ap);
		va_end(ap);
		snprintf(f->call, sizeof(f->call), "%s", pt->call);
		pt->nfindings = k + 1;
	}
	pthread_mutex_unlock(&lock);
}

void
pt_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(pt->said, sizeof(pt->said), fmt, ap);
	va_end(ap);
}

void
pt_skip(const char *why)
{
	pt->skipped = true;
	pt_say("%s", why);
}

void
pt_calling(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(pt->call, sizeof(pt->call), fmt, ap);
	va_end(ap);
	for (char *p = pt->call; *p; p++)
		if (*p == '\n')
			*p = ' ';
	pt->since_ns = pt_now_ns();
}

void
pt_called(void)
{
	pt->since_ns = 0;
}

/* ---- faults */

static void
on_fault(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *c = context;

	if (pt->fault.sig)	/* of another thread, or of our own handling it */
		_exit(1);
	pt->fault.address = sig == SIGSEGV || sig == SIGBUS ? info->si_addr : NULL;
#if defined(__x86_64__)
	pt->fault.pc = (const void *)(uintptr_t)c->uc_mcontext.gregs[REG_RIP];
	pt->fault.write = c->uc_mcontext.gregs[REG_ERR] & 2;
	pt->fault.known = true;
#elif defined(__aarch64__)
	pt->fault.pc = (const void *)(uintptr_t)c->uc_mcontext.pc;
#else
	(void)c;
#endif
	pt->fault.rule = PT_R_CRASH;
	if (pt->fault.address)
		pt_guard_judge(pt->fault.address, pt->fault.write, pt->fault.known, &pt->fault.rule, pt->fault.text, sizeof(pt->fault.text));
	pt->fault.sig = sig;
	_exit(1);
}

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };

static void
catch_faults(void)
{
	static uint8_t own[65536];	/* also for a stack that has overflown */
	const stack_t stack = { .ss_sp = own, .ss_size = sizeof(own) };
	struct sigaction a = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&stack, NULL);
	a.sa_sigaction = on_fault;
	for (size_t k = 0; k < sizeof(faults) / sizeof(faults[0]); k++)
		sigaction(faults[k], &a, NULL);
}

/* ---- threads */

static int ours[THREADS];		/* the threads that are there before the plugin is */
static size_t nours;

static void
note_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	for (nours = 0; d && nours < THREADS && (e = readdir(d)) != NULL; )
		ours[nours++] = atoi(e->d_name);
	if (d)
		closedir(d);
}

static bool
is_ours(int tid)
{
	for (size_t k = 0; k < nours; k++)
		if (ours[k] == tid)
			return true;
	return false;
}

/* The first of the signals that a host handles which the thread would take; 0: none, or it has ended. */
static int
takes_signal(int tid)
{
	static const int handled[] = { SIGHUP, SIGINT, SIGTERM };
	unsigned long long mask = ~0ull;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "SigBlk: %llx", &mask);
	if (f)
		fclose(f);
	for (size_t k = 0; k < sizeof(handled) / sizeof(handled[0]); k++)
		if (!(mask & 1ull << (handled[k] - 1)))
			return handled[k];
	return 0;
}

static int
open_signal(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int sig = 0, tid;

	while (d && !sig && (e = readdir(d)) != NULL)
		if ((tid = atoi(e->d_name)) > 0 && !is_ours(tid))
			sig = takes_signal(tid);
	if (d)
		closedir(d);
	return sig;
}

/* A thread may block them itself when it begins, which takes it a moment. */
void
pt_judge_signals(void)
{
	int sig = pt->signals_told ? 0 : open_signal();

	for (int k = 0; k < ENDING_MS / 5 && sig; k++) {
		usleep(5000);
		sig = open_signal();
	}
	if (!sig)
		return;
	pt->signals_told = true;
	pt_find(PT_R_SIGMASK, "a thread of the plugin takes signal %d (%s)", sig, strsignal(sig));
}

/* ---- the process before and after */

struct process {
	struct sigaction action[SIGNALS];
	sigset_t mask;
	mode_t umask;
	char locale[256], directory[4096];
	uint64_t environment;
	size_t descriptors, threads;
	struct rlimit files, core;
	int dumpable;
};

static size_t
entries(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

size_t
pt_threads(void)
{
	return entries("/proc/self/task");
}

static uint64_t
environment(void)
{
	uint64_t h = 14695981039346656037u;	/* FNV-1a */

	for (char **e = environ; e && *e; e++)
		for (const char *c = *e; *c; c++)
			h = (h ^ (unsigned char)*c) * 1099511628211u;
	return h;
}

static void
look(struct process *p)
{
	for (int s = 1; s < SIGNALS; s++)
		sigaction(s, NULL, &p->action[s]);
	sigprocmask(SIG_SETMASK, NULL, &p->mask);
	p->umask = umask(0);
	umask(p->umask);
	snprintf(p->locale, sizeof(p->locale), "%s", setlocale(LC_ALL, NULL));
	if (!getcwd(p->directory, sizeof(p->directory)))
		p->directory[0] = '\0';
	p->environment = environment();
	p->descriptors = entries("/proc/self/fd");
	p->threads = pt_threads();
	getrlimit(RLIMIT_NOFILE, &p->files);
	getrlimit(RLIMIT_CORE, &p->core);
	p->dumpable = prctl(PR_GET_DUMPABLE);
}

static void
compare(const struct process *a, const struct process *b)
{
	for (int s = 1; s < SIGNALS; s++)
		if (a->action[s].sa_sigaction != b->action[s].sa_sigaction)
			pt_find(PT_R_PROCESS, "it changed what happens at signal %d (%s)", s, strsignal(s));
	for (int s = 1; s < SIGNALS; s++)
		if (sigismember(&a->mask, s) != sigismember(&b->mask, s)) {
			pt_find(PT_R_PROCESS, "it changed the signal mask (%s)", strsignal(s));
			break;
		}
	if (a->umask != b->umask)
		pt_find(PT_R_PROCESS, "it changed the umask from %03o to %03o", a->umask, b->umask);
	if (strcmp(a->locale, b->locale) != 0)
		pt_find(PT_R_PROCESS, "it changed the locale from %.60s to %.60s", a->locale, b->locale);
	if (strcmp(a->directory, b->directory) != 0)
		pt_find(PT_R_PROCESS, "it changed the working directory to %.200s", b->directory);
	if (a->environment != b->environment)
		pt_find(PT_R_PROCESS, "it changed the environment");
	if (a->files.rlim_cur != b->files.rlim_cur || a->core.rlim_cur != b->core.rlim_cur)
		pt_find(PT_R_PROCESS, "it changed a resource limit");
	if (a->dumpable != b->dumpable)
		pt_find(PT_R_PROCESS, "it made the process %sdumpable: the hosts are not, for core dumps hold keys", b->dumpable ? "" : "un");
	if (b->descriptors > a->descriptors)
		pt_find(PT_R_DESCRIPTORS, "%zu descriptors are open after close() that were not before open()", b->descriptors - a->descriptors);
	if (b->threads > a->threads)
		pt_find(PT_R_THREADS, "%zu threads run after close() that did not before open()", b->threads - a->threads);
}

/* A thread that has been joined may stand in /proc for a moment. */
static void
look_after(struct process *now, const struct process *before)
{
	look(now);
	for (int k = 0; k < ENDING_MS / 5 && now->threads > before->threads; k++) {
		usleep(5000);
		look(now);
	}
}

/* What it wrote on our stdout and stderr, which it has no business with. */
static void
judge_output(int fd)
{
	char text[65536];
	ssize_t n;

	fflush(NULL);
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return;
	text[n] = '\0';
	pt_find(PT_R_OUTPUT, "%zd octets on stdout or stderr: \"%.*s\"", n, (int)strcspn(text, "\n\r\x1b") < 120 ? (int)strcspn(text, "\n\r\x1b") : 120, text);
	if (pt_text_reveals(text, (size_t)n))
		pt_find(PT_R_CW_LOG, "it writes a control word to stdout or stderr");
}

static void *
nothing(void *self)
{
	return self;
}

/* A first thread may bring others with it that stay, such as ThreadSanitizer's own. */
static void
first_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL) == 0)
		pthread_join(thread, NULL);
}

void
pt_child(const struct pt_test *test, int out)
{
	static struct process before, after;

	gw_log_init("simulgate-plugin-test", GW_ERR);
	if (gw_secrets_init(SECRET_KIB, true, NULL) < 0)
		_exit(1);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	catch_faults();
	first_thread();
	usleep(1000);
	look(&before);
	note_threads();
	if (!(test->needs & PT_LOADED) || pt_host_load() == 0) {
		pt_guard_init();
		test->run();
		snprintf(pt->call, sizeof(pt->call), "after close()");
		look_after(&after, &before);
		compare(&before, &after);
		judge_output(out);
	}
	pt->call[0] = '\0';
	pt->done = true;
	_exit(0);
}
