/* kms/csv.h: one line of comma-separated values (RFC 4180, without line breaks in quotes) */
#ifndef KMS_CSV_H
#define KMS_CSV_H
#include <stddef.h>

enum { CSV_FIELDS = 24, CSV_LINE = 4096 };
/*
 * Takes the line apart in place; its end (CR, LF) is taken off. The number of fields, or -1 with why: a quote that does not end, text behind
 * one, too many fields.
 */
int csv_split(char *line, char *field[CSV_FIELDS], const char **why);
#endif
