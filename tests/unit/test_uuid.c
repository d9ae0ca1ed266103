#include "cpoa/uuid.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "cpoa/clock.h"

Test(uuid, new_ones_are_of_version_7_and_grow_with_time)
{
	int64_t before_ms = clock_wall_us() / 1000, ms = 0;
	struct uuid a = uuid_new(), b = uuid_new();

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | a.bytes[i];
	cr_expect(ms >= before_ms && ms <= clock_wall_us() / 1000);
	cr_expect_not(uuid_equal(&a, &b));
	cr_expect_eq(a.bytes[6] >> 4, 7);
	cr_expect_eq(a.bytes[8] >> 6, 2);
	cr_expect_not(uuid_is_zero(&a));
	cr_expect(uuid_is_zero(&(struct uuid){{0}}));
}

/* Several are drawn at once, by each thread its own. */
enum { DRAWN = 100 };

static void *draw(void *ids)
{
	for (int i = 0; i < DRAWN; i++)
		((struct uuid *)ids)[i] = uuid_new();
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uuid));
}

Test(uuid, none_is_drawn_twice)
{
	struct uuid ids[3 * DRAWN];
	pthread_t threads[2];

	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, draw, ids + i * DRAWN), 0);
	draw(ids + 2 * DRAWN);
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < 3 * DRAWN; i++)
		memset(ids[i].bytes, 0, 6); /* the time */
	qsort(ids, 3 * DRAWN, sizeof(*ids), compare);
	for (size_t i = 1; i < 3 * DRAWN; i++)
		cr_expect_not(uuid_equal(&ids[i - 1], &ids[i]));
}

Test(uuid, a_name_gives_the_id_of_rfc_4122)
{
	struct uuid dns, id, again;
	char text[UUID_TEXT_SIZE];

	cr_assert(uuid_from_text(&dns, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
	id = uuid_named(&dns, "www.example.com", 15);
	again = uuid_named(&dns, "www.example.comXX", 15);
	uuid_to_text(&id, text);
	cr_expect_str_eq(text, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
	cr_expect(uuid_equal(&id, &again), "it counts `len` bytes");
	again = uuid_named(&dns, "", 0);
	cr_expect_eq(again.bytes[6] >> 4, 5);
}

Test(uuid, a_part_begins_as_the_whole_and_is_named)
{
	struct uuid whole = uuid_new(), other = uuid_new();
	struct uuid part = uuid_part(&whole, "pswa", 4), again = uuid_part(&whole, "pswaX", 4),
		    vfa = uuid_part(&whole, "vfa", 3), elsewhere = uuid_part(&other, "pswa", 4);

	cr_expect_arr_eq(part.bytes, whole.bytes, 6);
	cr_expect_eq(part.bytes[6] >> 4, 8);
	cr_expect_eq(part.bytes[8] >> 6, 2);
	cr_expect(uuid_equal(&part, &again), "it counts `len` bytes");
	cr_expect_not(uuid_equal(&part, &vfa));
	cr_expect_not(uuid_equal(&part, &elsewhere));
}

Test(uuid, text_in_either_case)
{
	struct uuid lower, upper;
	char text[UUID_TEXT_SIZE];

	cr_expect(uuid_from_text(&lower, "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9fa"));
	cr_expect(uuid_from_text(&upper, "0B1C2D3E-4F50-6172-8394-A5B6C7D8E9FA"));
	cr_expect(uuid_equal(&lower, &upper));
	cr_expect_eq(lower.bytes[0], 0x0B);
	cr_expect_eq(lower.bytes[15], 0xFA);
	uuid_to_text(&upper, text);
	cr_expect_str_eq(text, "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9fa");
}

Test(uuid, other_text_is_refused_and_out_untouched)
{
	static const char *const rows[] = {
		"",
		"0b1c2d3e",
		"0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f",
		"0b1c2d3e-4f50-6172-8394-a5b6c7d8e9faa",
		"{0b1c2d3e-4f50-6172-8394-a5b6c7d8e9fa}",
		"0b1c2d3e4f5061728394a5b6c7d8e9fa",
		"0b1c2d3g-4f50-6172-8394-a5b6c7d8e9fa",
		"0b1c2d3e 4f50-6172-8394-a5b6c7d8e9fa",
		" 0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f",
		"0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f ",
		"0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f\xC3",
		"0b1c2d3e-4f5-06172-8394-a5b6c7d8e9fa",
		"+b1c2d3e-4f50-6172-8394-a5b6c7d8e9fa",
		"0x1c2d3e-4f50-6172-8394-a5b6c7d8e9fa",
	};
	struct uuid id = {{1, 2, 3}}, before = id;

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		cr_expect_not(uuid_from_text(&id, rows[r]), "%s", rows[r]);
	cr_expect_not(uuid_from_text(&id, NULL));
	cr_expect(uuid_equal(&id, &before));
}
