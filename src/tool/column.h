/* column: columns that stand one below the other, also with names that are not ASCII. */
#ifndef TOOL_COLUMN_H
#define TOOL_COLUMN_H

int column_width(const char *text); /* in code points */
/* To stdout, filled up with blanks. */
void column_print(const char *text, int width);

#endif
