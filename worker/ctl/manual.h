/*
 * manual: the man page and the completion of bash, made of what the program says itself: the table
 * of commands with their usage, and the table of options of the environment.
 *
 * A usage is read by its form. The lines up to the first empty one are its calls; in them, what
 * comes right behind the command's name in small letters are its subcommands ("list",
 * "[up|status]"). Below, a line that is indented by two blanks is a term and, two blanks further,
 * what it means; or an example. Every word that begins with -- is an option.
 */
#ifndef CTL_MANUAL_H
#define CTL_MANUAL_H

#include <stdio.h>

/* roff with the man macros (groff_man(7)). */
void manual_page(FILE *out);

/* A script to be sourced, or to be put where bash-completion looks for "cpoa". */
void manual_completion(FILE *out);

#endif
