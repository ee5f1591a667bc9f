/* tools/term.c */
#include "tools/term.h"
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PAGE = 80, LEAST = 20 };

unsigned
term_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize w;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (columns && atoi(columns) >= LEAST)
		return (unsigned)atoi(columns);
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col >= LEAST ? w.ws_col : PAGE;
}

bool
term_colour(void)
{
	const char *plain = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(plain && *plain) && !(term && strcmp(term, "dumb") == 0);
}
