/* mix: which types of job a load is made of, and in what proportion; and their arguments. */
#ifndef CTL_MIX_H
#define CTL_MIX_H

#include "cpoa/err.h"
#include "cpoa/strbuf.h"
#include "cpoa/uuid.h"

#include "workflows/workflows.h"

enum { MIX_WEIGHT_MAX = 1000 };

struct mix {
	int weight[WORKFLOW_COUNT];
	int due[WORKFLOW_COUNT]; /* its own */
};

/* "podcast_generation=8,search_results_generation=2"; a type alone counts 1. False (ERR_USAGE): a
 * sentence. */
MUST_CHECK bool mix_read(struct mix *m, const char *text, struct err *e);

/* The next type: after as many as the weights' sum, each has had its share, evenly spread. */
int mix_next(struct mix *m);

/* The body of the n-th job: it says what it is, and no two podcasts are the same row. */
void mix_arguments(struct strbuf *out, int type, int64_t n, const struct uuid *workflow);

#endif
