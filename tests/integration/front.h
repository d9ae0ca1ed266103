/*
 * front: a server with a certificate in front of another one, or of none.
 *
 * It listens on a free port of loopback, takes TLS with a certificate of tests/servers.sh --tls
 * ($CPOA_TEST_TLS/NAME.pem) and passes everything on. What it starts ends with the test's process.
 */
#ifndef FRONT_H
#define FRONT_H

#include <stdbool.h>

struct front {
	const char *certificate; /* "good", "expired", "other", "self" … */
	bool postgres;		 /* is asked for TLS first; without a certificate it says no */
	int to;			 /* port on loopback; 0: nobody */
	const char *says;	 /* in the clear, to whatever it is asked; then there is nobody */
	int port;		 /* its own, set by front_start */
	int listening;
};

/* *f is to live as long as the test. */
void front_start(struct front *f);

#endif
