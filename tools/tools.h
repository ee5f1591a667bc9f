/* tools/tools.h: the front command and its built-in commands */
#ifndef TOOLS_TOOLS_H
#define TOOLS_TOOLS_H
#include <stdbool.h>
#include <stddef.h>
#include "lib/err.h"
#include "lib/headend.h"
#include "lib/log.h"

/* Built-in commands: argv[0] is the command's name; the exit status. */
int tool_check_config(int argc, char **argv);
int tool_explain(int argc, char **argv);
int tool_run(int argc, char **argv);
int tool_sdp(int argc, char **argv);
int tool_service(int argc, char **argv);
int tool_status(int argc, char **argv);

/* The program simulgate-NAME: beside our own executable, in ../sbin of it, in $SIMULGATE_LIBEXEC/NAME and …/tools (a build tree), or
 * on the PATH. -1: nowhere. */
enum { TOOL_PATH = 4096 };
int tool_find(const char *name, char out[TOOL_PATH], struct gw_err *);

/* Loads the file and says each of its errors on stderr. NULL with *status, the exit status. */
struct headend *tool_load(const char *path, int *status);
/* Every program checks its own part of the file. The worst exit status. */
int tool_check_programs(const struct headend *, const char *path);
bool tool_has_streams(const struct headend *);	/* an SCS and a mux are needed */

/* Asks every peer whether it is there and takes us, a line each on stdout. 69 if one does not. */
int tool_probe(const struct headend *);

/* What `simulgate run` starts for a head-end; in the order of stopping, backwards. BSMs, whose store ECMGs share, are ready before others start. */
enum tool_stage { STAGE_BSM, STAGE_ECMG, STAGE_BRIDGE, STAGE_SCS, STAGE_MUX, STAGE_EMMG, STAGE_SCRAMBLER, STAGE_TERMINAL, STAGE_PLAY, STAGES };
enum { TOOL_ARGS = 16 };
struct tool_process {
	enum tool_stage stage;
	const char *program;	/* "ecmg" */
	char *instance;		/* "drm", "handset"; "" if there is just one */
	char *does;		/* for the picture: "listens on tcp://127.0.0.1:7001" */
	char *argv[TOOL_ARGS];	/* all on the heap; argv[0] is the program's path */
};
struct tool_plan { struct tool_process *p; size_t n; };
/* find: tool_find, or a test's own. */
int tool_plan(const struct headend *, const char *config, const char *log_level,
    int (*find)(const char *, char out[TOOL_PATH], struct gw_err *), struct tool_plan *, struct gw_err *);
void tool_plan_free(struct tool_plan *);
void tool_plan_print(const struct tool_plan *, const struct headend *, FILE *);
#endif
