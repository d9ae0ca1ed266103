#include "cpoa/tls.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cpoa/err.h"

const char tls_system_ca_file[] = "/etc/ssl/certs/ca-certificates.crt";

enum { DATE_MAX = 64, ALERTS_FROM = 1000 /* SSL_R_…_ALERT_…, openssl/sslerr.h */ };

/* What the handshake has shown. */
struct sight {
	long result; /* the first objection to the certificate, or X509_V_OK */
	char from[DATE_MAX], until[DATE_MAX];
};

static bool has(const char *s)
{
	return s && *s;
}

static const char *ca_file_of(const char *ca_file)
{
	return has(ca_file) ? ca_file : tls_system_ca_file;
}

static bool is_address(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* ---- words ---- */

static void say_verdict(const struct sight *seen, const char *host, const char *ca_file,
			char text[TLS_TEXT_MAX])
{
	switch (seen->result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		snprintf(text, TLS_TEXT_MAX, "its certificate has expired%s%s: have it renewed",
			 has(seen->until) ? ", on " : "", seen->until);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		snprintf(text, TLS_TEXT_MAX,
			 "its certificate is not valid yet%s%s: see whether the clock of this "
			 "machine is right",
			 has(seen->from) ? ", only from " : "", seen->from);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		snprintf(text, TLS_TEXT_MAX,
			 "its certificate is for another host than \"%.255s\": connect by a name "
			 "that stands in it, or give the server one for this name",
			 host);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		snprintf(text, TLS_TEXT_MAX,
			 "its certificate is self-signed, and not one of those in %s: give the "
			 "server one of a CA, or add this one to a CA file of your own",
			 ca_file);
		break;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		snprintf(text, TLS_TEXT_MAX,
			 "its certificate was signed by a CA that is not in %s: name a CA file "
			 "that holds it",
			 ca_file);
		break;
	default:
		snprintf(text, TLS_TEXT_MAX, "its certificate does not hold: %s",
			 X509_verify_cert_error_string(seen->result));
	}
}

static void say_no_tls(char text[TLS_TEXT_MAX])
{
	snprintf(text, TLS_TEXT_MAX,
		 "it speaks no TLS, and nothing was sent to it in the clear: turn TLS on there, "
		 "see whether this is the port with TLS, or ask for a connection without TLS");
}

static void say_broken(char text[TLS_TEXT_MAX])
{
	snprintf(text, TLS_TEXT_MAX,
		 "it broke the TLS handshake off: see whether TLS is spoken at this port");
}

void tls_verdict(long result, const char *host, const char *ca_file, char text[TLS_TEXT_MAX])
{
	const struct sight seen = {.result = result};

	_Static_assert((int)TLS_OTHER_HOST == X509_V_ERR_HOSTNAME_MISMATCH, "OpenSSL's number");
	if (result == TLS_NONE)
		say_no_tls(text);
	else if (result == TLS_BROKEN)
		say_broken(text);
	else
		say_verdict(&seen, host, ca_file_of(ca_file), text);
}

/* An alert is the server's objection, to our certificate most often. */
static void say_failure(unsigned long code, char text[TLS_TEXT_MAX])
{
	int reason = ERR_GET_REASON(code);
	const char *words = ERR_reason_error_string(code);

	if (ERR_GET_LIB(code) != ERR_LIB_SSL || !words ||
	    reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		say_broken(text);
	else if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
		 reason == SSL_R_PACKET_LENGTH_TOO_LONG)
		say_no_tls(text);
	else if (reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION ||
		 reason == SSL_R_UNSUPPORTED_PROTOCOL)
		snprintf(text, TLS_TEXT_MAX, "it speaks no TLS 1.2 or later");
	else if (reason >= ALERTS_FROM)
		snprintf(text, TLS_TEXT_MAX,
			 "it refuses us (%s): see whether it wants a client certificate, and of "
			 "which CA",
			 words);
	else
		snprintf(text, TLS_TEXT_MAX, "the TLS handshake failed: %s", words);
}

/* ---- the connection ---- */

static int connect_to(const struct addrinfo *to, int64_t timeout_ms)
{
	struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	/* For connect(2) as well (socket(7)). */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return fd;
	close(fd);
	return -1;
}

static int dial(const struct tls_peer *peer)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all;
	int fd = -1;

	if (getaddrinfo(peer->host, peer->port, &hints, &all) != 0)
		return -1;
	for (const struct addrinfo *to = all; to && fd < 0; to = to->ai_next)
		fd = connect_to(to, peer->timeout_ms);
	freeaddrinfo(all);
	return fd;
}

/* False: it says that there is no TLS. */
static bool ask_postgres(int fd)
{
	static const unsigned char ssl_request[8] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
	char answer = 0;

	return send(fd, ssl_request, sizeof(ssl_request), MSG_NOSIGNAL) ==
		       (ssize_t)sizeof(ssl_request) &&
	       recv(fd, &answer, 1, 0) == 1 && answer == 'S';
}

/* ---- the handshake ---- */

static void copy_time(char out[DATE_MAX], const ASN1_TIME *time)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm))
		strftime(out, DATE_MAX, "%Y-%m-%d %H:%M:%S UTC", &tm);
}

static int on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct sight *seen = SSL_get_app_data(ssl);
	const X509 *cert = X509_STORE_CTX_get_current_cert(store);

	if (ok || seen->result != X509_V_OK)
		return ok;
	seen->result = X509_STORE_CTX_get_error(store);
	if (cert) {
		copy_time(seen->from, X509_get0_notBefore(cert));
		copy_time(seen->until, X509_get0_notAfter(cert));
	}
	return 0;
}

static bool load_files(SSL_CTX *ctx, const struct tls_peer *peer, char text[TLS_TEXT_MAX])
{
	const char *ca = ca_file_of(peer->ca_file);

	if (SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1) {
		snprintf(text, TLS_TEXT_MAX, "the CA file %s cannot be read, or holds none", ca);
		return false;
	}
	if (!has(peer->cert_file))
		return true;
	if (SSL_CTX_use_certificate_chain_file(ctx, peer->cert_file) == 1 &&
	    SSL_CTX_use_PrivateKey_file(ctx, has(peer->key_file) ? peer->key_file : peer->cert_file,
					SSL_FILETYPE_PEM) == 1)
		return true;
	snprintf(text, TLS_TEXT_MAX, "the client certificate in %s cannot be used with its key",
		 peer->cert_file);
	return false;
}

static void expect_host(SSL *ssl, const struct tls_peer *peer)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (is_address(peer->host)) {
		if (!peer->any_host)
			X509_VERIFY_PARAM_set1_ip_asc(param, peer->host);
		return;
	}
	/* SSL_set_tlsext_host_name, whose cast clang does not like. OpenSSL copies the name. */
	SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
		 (void *)(uintptr_t)peer->host);
	if (!peer->any_host)
		SSL_set1_host(ssl, peer->host);
}

/*
 * False: nothing is wrong with it. In TLS 1.3 the server hears of our certificate after the
 * handshake is over for us, so its objection is waited for.
 */
static bool shake_hands(SSL *ssl, const struct tls_peer *peer, char text[TLS_TEXT_MAX])
{
	struct sight seen = {.result = X509_V_OK};
	bool failed;
	char byte;

	SSL_set_app_data(ssl, &seen);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, on_verify);
	expect_host(ssl, peer);
	ERR_clear_error();
	failed = SSL_connect(ssl) != 1 ||
		 (SSL_peek(ssl, &byte, 1) <= 0 && ERR_GET_REASON(ERR_peek_error()) >= ALERTS_FROM);
	if (failed && seen.result != X509_V_OK)
		say_verdict(&seen, peer->host, ca_file_of(peer->ca_file), text);
	else if (failed)
		say_failure(ERR_peek_error(), text);
	return failed;
}

static bool look(int fd, const struct tls_peer *peer, char text[TLS_TEXT_MAX])
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;
	bool found = true;

	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		BUG("out of memory");
	if (load_files(ctx, peer, text)) {
		ssl = SSL_new(ctx);
		if (!ssl || SSL_set_fd(ssl, fd) != 1)
			BUG("out of memory");
		found = shake_hands(ssl, peer, text);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return found;
}

bool tls_speaks(const struct tls_peer *peer)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	int fd = dial(peer);
	bool spoke;

	if (!ssl)
		BUG("out of memory");
	spoke = fd >= 0 && SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	if (fd >= 0)
		close(fd);
	return spoke;
}

bool tls_explain(const struct tls_peer *peer, char text[TLS_TEXT_MAX])
{
	int fd = dial(peer);
	bool found = false;

	text[0] = '\0';
	if (fd < 0)
		return false;
	if (peer->postgres && !ask_postgres(fd)) {
		say_no_tls(text);
		found = true;
	} else {
		found = look(fd, peer, text);
	}
	close(fd);
	return found;
}
