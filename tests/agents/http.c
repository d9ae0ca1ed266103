/*
 * http.c - the server: the one file that knows libmicrohttpd
 *
 * One thread runs every callback here. A connection that has to wait is suspended and given to
 * hold.c; the library then leaves it alone until it is resumed, and calls handle() again.
 *
 * The thread is ours and waits a moment at most: with the library's own it was seen, rarely, that
 * dozens of connections had requests to be read, and nobody looked until another event came.
 * Nor does the library read and write before it is told that it can (MHD_USE_TURBO).
 */
#include "standin.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { CONNECTION_BYTES = 16 << 10, CONNECTIONS_MAX = 60000, FLOOD_BLOCK = 8 << 10, LOOK_MS = 100 };

/* One request and its answer; http.c's from the first callback to the last. */
struct exchange {
	struct standin *standin;
	struct MHD_Connection *connection;
	struct buf body;
	bool too_large;
	bool answered; /* answer is set; answer.due_us may still lie ahead */
	struct answer answer;
	bool hung; /* was held for ever: when that ends, so does the connection */
	size_t dripped;
	bool drip_due;
};

static struct MHD_Daemon *server;
static pthread_t server_thread;
static atomic_bool server_over;

/* ---- waiting ---- */

void http_resume(void *connection)
{
	MHD_resume_connection(connection);
}

static int socket_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

/* Closing with a linger of nothing makes the kernel send RST instead of FIN. */
static void prepare_reset(struct MHD_Connection *connection)
{
	const struct linger nothing = {.l_onoff = 1, .l_linger = 0};

	(void)setsockopt(socket_of(connection), SOL_SOCKET, SO_LINGER, &nothing, sizeof(nothing));
}

static void wait_until(struct MHD_Connection *connection, int64_t due_us)
{
	/* Suspended first: the timer may resume it before hold_until has returned. */
	MHD_suspend_connection(connection);
	if (!hold_until(connection, socket_of(connection), due_us))
		MHD_resume_connection(connection); /* stopping; handle() will see that too */
}

/* ---- bodies that are made while they are sent ---- */

static ssize_t read_drip(void *cls, uint64_t position, char *out, size_t max)
{
	struct exchange *exchange = cls;

	(void)position;
	if (max == 0 || exchange->dripped == exchange->answer.len)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (hold_stopping())
		return MHD_CONTENT_READER_END_WITH_ERROR;
	exchange->drip_due = !exchange->drip_due;
	if (exchange->drip_due) {
		wait_until(exchange->connection, clock_us() + ms_to_us(DRIP_MS));
		return 0;
	}
	*out = exchange->answer.body[exchange->dripped++];
	return 1;
}

/* Half of the body; then the connection is reset. */
static ssize_t read_cut(void *cls, uint64_t position, char *out, size_t max)
{
	struct exchange *exchange = cls;
	size_t half = exchange->answer.len / 2, n;

	if (position >= half) {
		prepare_reset(exchange->connection);
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	n = half - position < max ? half - position : max;
	memcpy(out, exchange->answer.body + position, n);
	return (ssize_t)n;
}

static ssize_t read_flood(void *cls, uint64_t position, char *out, size_t max)
{
	static const char head[] = "{\"status\":\"success\",\"content\":\"", tail[] = "\"}";
	size_t n = 0;

	(void)cls;
	for (; n < max && position + n < FLOOD_BYTES; n++) {
		uint64_t at = position + n, tail_at = FLOOD_BYTES - (sizeof(tail) - 1);

		out[n] = 'x';
		if (at < sizeof(head) - 1)
			out[n] = head[at];
		else if (at >= tail_at)
			out[n] = tail[at - tail_at];
	}
	return n ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

/* ---- answers ---- */

static struct MHD_Response *response_new(struct exchange *exchange)
{
	struct answer *answer = &exchange->answer;
	struct MHD_Response *response;

	if (answer->manner == ANSWER_DRIP)
		return MHD_create_response_from_callback(answer->len, 1, read_drip, exchange, NULL);
	if (answer->manner == ANSWER_CUT)
		return MHD_create_response_from_callback(answer->len, FLOOD_BLOCK, read_cut,
							 exchange, NULL);
	if (answer->manner == ANSWER_FLOOD)
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, FLOOD_BLOCK, read_flood,
							 NULL, NULL);
	response =
		MHD_create_response_from_buffer(answer->len, answer->body, MHD_RESPMEM_MUST_FREE);
	if (response)
		answer->body = NULL;
	return response;
}

static enum MHD_Result send_answer(struct exchange *exchange)
{
	struct answer *answer = &exchange->answer;
	struct MHD_Response *response = response_new(exchange);
	enum MHD_Result sent;
	char seconds[24];

	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, "Content-Type",
				      answer->type ? answer->type : "application/json");
	if (answer->retry_after >= 0) {
		(void)snprintf(seconds, sizeof(seconds), "%ld", answer->retry_after);
		(void)MHD_add_response_header(response, "Retry-After", seconds);
	}
	sent = MHD_queue_response(exchange->connection, answer->status, response);
	MHD_destroy_response(response);
	return sent;
}

/* Sends the answer, or waits for the time to do so. MHD_NO closes the connection. */
static enum MHD_Result deliver(struct exchange *exchange)
{
	struct answer *answer = &exchange->answer;
	int64_t now = answer->due_us > 0 || answer->speech ? clock_us() : 0;

	if (exchange->hung || (now > 0 && hold_stopping()))
		return MHD_NO;
	if (answer->speech && !speech_done(answer->speech) && answer->due_us <= now)
		answer->due_us = now + ms_to_us(SPEECH_CHECK_MS);
	if (answer->due_us > now) {
		exchange->hung = answer->manner == ANSWER_HANG;
		wait_until(exchange->connection, answer->due_us);
		return MHD_YES;
	}
	if (answer->manner == ANSWER_RESET) {
		prepare_reset(exchange->connection);
		return MHD_NO;
	}
	return send_answer(exchange);
}

/* ---- requests ---- */

/* All of the text must be one JSON value: json-c alone would be content with a beginning. */
static struct json_object *parse_json(const char *text, size_t len, bool *valid)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
	struct json_object *value;

	if (!tokener)
		abort();
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	value = json_tokener_parse_ex(tokener, text, (int)len + 1); /* with the NUL: "12" ends */
	*valid = json_tokener_get_error(tokener) == json_tokener_success &&
		 json_tokener_get_parse_end(tokener) >= len;
	json_tokener_free(tokener);
	if (!*valid) {
		json_object_put(value);
		value = NULL;
	}
	return value;
}

static void take_request(struct exchange *exchange, const char *method, const char *path)
{
	struct request request = {.method = method, .path = path};

	for (int i = 0; i < HEADER_N; i++)
		request.header[i] = MHD_lookup_connection_value(exchange->connection,
								MHD_HEADER_KIND, header_names[i]);
	for (int i = 0; i < QUERY_N; i++)
		request.query[i] = MHD_lookup_connection_value(
			exchange->connection, MHD_GET_ARGUMENT_KIND, query_names[i]);
	request.host = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "host");
	request.body = exchange->body.data ? exchange->body.data : "";
	request.body_len = exchange->body.len;
	if (request.body_len)
		request.json = parse_json(request.body, request.body_len, &request.json_valid);
	route(exchange->standin, &request, &exchange->answer);
	json_object_put(request.json);
	buf_release(&exchange->body); /* ten thousand held ones must not keep it */
}

static void take_body(struct exchange *exchange, const char *data, size_t len)
{
	/* What is too much is read on, and dropped: a client that still writes reads no answer. */
	if (exchange->body.len + len > BODY_MAX)
		exchange->too_large = true;
	if (exchange->too_large)
		buf_release(&exchange->body);
	else
		buf_add(&exchange->body, data, len);
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload_data,
			      size_t *upload_data_size, void **con_cls)
{
	struct exchange *exchange = *con_cls;

	(void)version;
	if (!exchange) {
		exchange = xcalloc(1, sizeof(*exchange));
		exchange->standin = cls;
		exchange->connection = connection;
		*con_cls = exchange;
		return MHD_YES;
	}
	if (exchange->answered)
		return deliver(exchange);
	if (*upload_data_size) {
		take_body(exchange, upload_data, *upload_data_size);
		*upload_data_size = 0;
		return MHD_YES;
	}
	if (exchange->too_large) {
		exchange->answer.retry_after = -1;
		answer_error(&exchange->answer, 413, "TOO_LARGE", "The body exceeds 4 MiB.");
	} else {
		take_request(exchange, method, url);
	}
	exchange->answered = true;
	return deliver(exchange);
}

static void completed(void *cls, struct MHD_Connection *connection, void **con_cls,
		      enum MHD_RequestTerminationCode how)
{
	struct exchange *exchange = *con_cls;

	(void)connection;
	(void)how;
	if (!exchange)
		return;
	route_end(cls, &exchange->answer);
	buf_release(&exchange->body);
	free(exchange);
	*con_cls = NULL;
}

/* ---- start and stop ---- */

/* As many connections as we may have descriptors, for whoever holds ten thousand open. */
static unsigned connections_max(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return 1000;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < 200)
		return 100;
	if (files.rlim_cur > CONNECTIONS_MAX)
		return CONNECTIONS_MAX;
	return (unsigned)files.rlim_cur - 100;
}

static void *serve(void *unused)
{
	(void)unused;
	while (!atomic_load(&server_over))
		(void)MHD_run_wait(server, LOOK_MS);
	return NULL;
}

bool http_start(struct standin *standin, unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const union MHD_DaemonInfo *info;

	address.sin_port = htons((uint16_t)standin->options.port);
	if (inet_pton(AF_INET, standin->options.bind, &address.sin_addr) != 1)
		return false;
	server = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
				  NULL, handle, standin, MHD_OPTION_SOCK_ADDR, &address,
				  MHD_OPTION_NOTIFY_COMPLETED, completed, standin,
				  MHD_OPTION_CONNECTION_LIMIT, connections_max(),
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
				  MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_END);
	if (!server)
		return false;
	info = MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT);
	*port = info ? info->port : (unsigned)standin->options.port;
	return pthread_create(&server_thread, NULL, serve, NULL) == 0;
}

void http_stop(void)
{
	atomic_store(&server_over, true);
	pthread_join(server_thread, NULL);
	MHD_stop_daemon(server);
}
