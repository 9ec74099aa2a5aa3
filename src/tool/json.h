/* json: a line of JSON: one flat object, over json-c (the one place that names it). */
#ifndef TOOL_JSON_H
#define TOOL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json;

struct json *json_new(void);
/* What is no UTF-8, or no character to show, stands as \xNN in the text. */
void json_text(struct json *j, const char *name, const char *text);
void json_number(struct json *j, const char *name, uint64_t value);
void json_truth(struct json *j, const char *name, bool value);
void json_null(struct json *j, const char *name);
/* "2026-11-24T15:00:00Z", from seconds since 1970; 0: null. */
void json_time(struct json *j, const char *name, int64_t seconds);
/* Prints it as one line at once, and frees it. */
void json_line(struct json *j, FILE *to);

#endif
