/* tools/term.h: what standard output looks like */
#ifndef TOOLS_TERM_H
#define TOOLS_TERM_H
#include <stdbool.h>

/* Columns of the terminal (COLUMNS overrules, 80 when it does not say); 0: it is none, lines are not cut. */
unsigned term_width(void);
/* A terminal that knows colours, and nobody has said NO_COLOR (no-color.org). */
bool term_colour(void);
#endif
