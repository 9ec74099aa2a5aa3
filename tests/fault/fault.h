/* fault: for programs that are linked with libfault instead of having it preloaded. */
#ifndef FAULT_H
#define FAULT_H

/* Replaces the rules (see fault.c); NULL or "": nothing fails. Ends the program if they cannot be read. */
void fault_rules(const char *text);

/* How often anything was made to fail since the last fault_rules. */
unsigned long fault_hits(void);

#endif
