/*
 * One message, one block: struct, header array, strings and body. It is measured first, then
 * filled by the same walk, so that the two cannot disagree.
 */
#include "mq_frames.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cpoa/json.h"

/* What stands for a byte that no text may hold; a control character, so it is refused like one. */
static const char no_text = 0x01;

/* ---- text ---- */

static void copy_text(char *out, amqp_bytes_t from)
{
	const char *s = from.bytes;

	out[from.len] = '\0';
	if (from.len && utf8_ok(s, from.len)) {
		memcpy(out, s, from.len);
		return;
	}
	for (size_t i = 0; i < from.len;) {
		size_t n = utf8_char(s + i, from.len - i);

		if (n == 0) {
			out[i++] = no_text;
			continue;
		}
		memcpy(out + i, s + i, n);
		i += n;
	}
}

void mq_copy_short(char out[MQ_SHORT_MAX + 1], amqp_bytes_t from)
{
	if (from.len > MQ_SHORT_MAX)
		from.len = MQ_SHORT_MAX;
	copy_text(out, from);
}

/* ---- the block ---- */

/* A block that is being measured (at is NULL) or filled. */
struct block {
	char *at;
	size_t used;
};

static char *block_text(struct block *b, amqp_bytes_t from)
{
	char *out = b->at ? b->at + b->used : NULL;

	b->used += from.len + 1;
	if (out)
		copy_text(out, from);
	return out;
}

static amqp_bytes_t bytes_of(const char *s)
{
	return (amqp_bytes_t){.len = strlen(s), .bytes = (void *)(uintptr_t)s};
}

enum { NUMBER_SIZE = 40 };

/* Numbers of every width, as text in `out`. */
static amqp_bytes_t number_text(const amqp_field_value_t *v, char out[NUMBER_SIZE])
{
	int64_t n = 0;

	switch (v->kind) {
	case AMQP_FIELD_KIND_I8:
		n = v->value.i8;
		break;
	case AMQP_FIELD_KIND_U8:
		n = v->value.u8;
		break;
	case AMQP_FIELD_KIND_I16:
		n = v->value.i16;
		break;
	case AMQP_FIELD_KIND_U16:
		n = v->value.u16;
		break;
	case AMQP_FIELD_KIND_I32:
		n = v->value.i32;
		break;
	case AMQP_FIELD_KIND_U32:
		n = v->value.u32;
		break;
	default:
		n = v->value.i64;
		break;
	}
	snprintf(out, NUMBER_SIZE, "%" PRId64, n);
	return bytes_of(out);
}

/* A header's value as text; false for what has none (tables, arrays, void). */
static bool value_text(const amqp_field_value_t *v, char scratch[NUMBER_SIZE], amqp_bytes_t *out)
{
	switch (v->kind) {
	case AMQP_FIELD_KIND_UTF8:
	case AMQP_FIELD_KIND_BYTES:
		*out = v->value.bytes;
		return true;
	case AMQP_FIELD_KIND_BOOLEAN:
		*out = bytes_of(v->value.boolean ? "true" : "false");
		return true;
	case AMQP_FIELD_KIND_F32:
		snprintf(scratch, NUMBER_SIZE, "%.9g", (double)v->value.f32);
		break;
	case AMQP_FIELD_KIND_F64:
		snprintf(scratch, NUMBER_SIZE, "%.17g", v->value.f64);
		break;
	case AMQP_FIELD_KIND_DECIMAL:
		snprintf(scratch, NUMBER_SIZE, "%" PRIu32 "e-%u", v->value.decimal.value,
			 v->value.decimal.decimals);
		break;
	case AMQP_FIELD_KIND_U64:
	case AMQP_FIELD_KIND_TIMESTAMP:
		snprintf(scratch, NUMBER_SIZE, "%" PRIu64, v->value.u64);
		break;
	case AMQP_FIELD_KIND_TABLE:
	case AMQP_FIELD_KIND_ARRAY:
	case AMQP_FIELD_KIND_VOID:
		/* Kept as what no text may be, so that whoever needs it refuses it. */
		snprintf(scratch, NUMBER_SIZE, "%c", 0x01);
		break;
	default:
		*out = number_text(v, scratch);
		return true;
	}
	*out = bytes_of(scratch);
	return true;
}

/* Cut between two characters, not within one. */
static amqp_bytes_t cut_value(amqp_bytes_t value)
{
	const uint8_t *s = value.bytes;

	value.len = MQ_HEADER_VALUE_MAX;
	while (value.len > 0 && (s[value.len] & 0xc0) == 0x80)
		value.len--;
	return value;
}

static void block_headers(struct block *b, struct mq_message *m, const amqp_table_t *table)
{
	char scratch[NUMBER_SIZE];

	m->n_headers = 0;
	for (int i = 0; i < table->num_entries; i++) {
		const amqp_table_entry_t *entry = &table->entries[i];
		struct mq_header header;
		amqp_bytes_t value;

		if (!value_text(&entry->value, scratch, &value))
			continue;
		if (m->n_headers == MQ_HEADERS_MAX) {
			m->headers_cut = true;
			break;
		}
		if (value.len > MQ_HEADER_VALUE_MAX) {
			m->headers_cut = true;
			value = cut_value(value);
		}
		header.name = block_text(b, entry->key);
		header.value = block_text(b, value);
		if (b->at)
			m->headers[m->n_headers] = header;
		m->n_headers++;
	}
}

static void block_properties(struct block *b, struct mq_message *m,
			     const amqp_basic_properties_t *p)
{
	const struct {
		amqp_flags_t flag;
		amqp_bytes_t from;
		const char **to;
	} texts[] = {
		{AMQP_BASIC_CONTENT_TYPE_FLAG, p->content_type, &m->content_type},
		{AMQP_BASIC_MESSAGE_ID_FLAG, p->message_id, &m->message_id},
		{AMQP_BASIC_CORRELATION_ID_FLAG, p->correlation_id, &m->correlation_id},
		{AMQP_BASIC_REPLY_TO_FLAG, p->reply_to, &m->reply_to},
		{AMQP_BASIC_TYPE_FLAG, p->type, &m->type},
		{AMQP_BASIC_APP_ID_FLAG, p->app_id, &m->app_id},
		{AMQP_BASIC_EXPIRATION_FLAG, p->expiration, &m->expiration},
		{AMQP_BASIC_CONTENT_ENCODING_FLAG, p->content_encoding, &m->content_encoding},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (p->_flags & texts[i].flag)
			*texts[i].to = block_text(b, texts[i].from);
	}
	if (p->_flags & AMQP_BASIC_DELIVERY_MODE_FLAG)
		m->delivery_mode = p->delivery_mode;
	if (p->_flags & AMQP_BASIC_TIMESTAMP_FLAG)
		m->timestamp = p->timestamp;
	if (p->_flags & AMQP_BASIC_HEADERS_FLAG)
		block_headers(b, m, &p->headers);
}

static void block_all(struct block *b, struct mq_message *m, const struct mq_incoming *in,
		      const amqp_basic_properties_t *p)
{
	m->tag = in->tag;
	m->redelivered = in->redelivered;
	m->consumer_tag = block_text(b, bytes_of(in->consumer_tag));
	m->exchange = block_text(b, bytes_of(in->exchange));
	m->routing_key = block_text(b, bytes_of(in->routing_key));
	block_properties(b, m, p);
}

static struct mq_message *new_message(const struct mq_incoming *in,
				      const amqp_basic_properties_t *p, uint64_t body_size)
{
	size_t keep = body_size < in->body_max ? (size_t)body_size : in->body_max;
	struct mq_message measured = {0}, *m;
	struct block b = {NULL, 0};
	size_t texts_at;

	block_all(&b, &measured, in, p);
	texts_at = sizeof(*m) + measured.n_headers * sizeof(m->headers[0]);
	m = xmalloc(texts_at + b.used + keep + 1);
	*m = (struct mq_message){.body_size = body_size};
	m->headers = (struct mq_header *)(m + 1);
	b = (struct block){(char *)m + texts_at, 0};
	block_all(&b, m, in, p);
	m->body = b.at + b.used;
	b.at[b.used] = '\0';
	return m;
}

/* ---- frame by frame ---- */

void mq_begin_delivery(struct mq_incoming *in, const amqp_basic_deliver_t *method)
{
	assert(in->kind == MQ_NOTHING);
	in->kind = MQ_DELIVERY;
	in->tag = method->delivery_tag;
	in->redelivered = method->redelivered;
	mq_copy_short(in->consumer_tag, method->consumer_tag);
	mq_copy_short(in->exchange, method->exchange);
	mq_copy_short(in->routing_key, method->routing_key);
}

void mq_begin_return(struct mq_incoming *in, const amqp_basic_return_t *method)
{
	assert(in->kind == MQ_NOTHING);
	in->kind = MQ_RETURNED;
	in->tag = 0;
	in->redelivered = false;
	in->consumer_tag[0] = '\0';
	mq_copy_short(in->exchange, method->exchange);
	mq_copy_short(in->routing_key, method->routing_key);
}

bool mq_take_header(struct mq_incoming *in, const amqp_basic_properties_t *properties,
		    uint64_t body_size)
{
	if (in->kind == MQ_NOTHING || in->message)
		return false;
	in->message = new_message(in, properties, body_size);
	in->received = 0;
	return true;
}

/* The body is filled in place; only here is it not const. */
static char *body_of(struct mq_message *m)
{
	return (char *)m + (m->body - (const char *)m);
}

bool mq_take_body(struct mq_incoming *in, amqp_bytes_t part)
{
	struct mq_message *m = in->message;
	size_t room;

	if (!m || part.len > m->body_size - in->received)
		return false;
	if (in->received == m->body_len) { /* nothing has been dropped yet */
		room = part.len;
		if (m->body_len + room > in->body_max)
			room = in->body_max - m->body_len;
		memcpy(body_of(m) + m->body_len, part.bytes, room);
		m->body_len += room;
		body_of(m)[m->body_len] = '\0';
	}
	in->received += part.len;
	return true;
}

struct mq_message *mq_take_whole(struct mq_incoming *in)
{
	struct mq_message *m = in->message;

	if (!m || in->received < m->body_size)
		return NULL;
	in->message = NULL;
	in->kind = MQ_NOTHING;
	return m;
}

void mq_incoming_release(struct mq_incoming *in)
{
	free(in->message);
	in->message = NULL;
	in->kind = MQ_NOTHING;
}
