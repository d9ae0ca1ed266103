/*
 * What can be done with a message without a connection: so that whoever reads jobs need not link
 * rabbitmq-c.
 */
#include "cpoa/mq.h"

#include <stdlib.h>
#include <strings.h>

void mq_message_free(struct mq_message *m)
{
	free(m);
}

const char *mq_header(const struct mq_message *m, const char *name)
{
	for (size_t i = 0; i < m->n_headers; i++) {
		if (strcasecmp(m->headers[i].name, name) == 0)
			return m->headers[i].value;
	}
	return NULL;
}
