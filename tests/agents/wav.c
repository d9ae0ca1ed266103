/* wav.c - a tone in a WAV file, where there is nobody to speak */
#include "standin.h"

enum { RATE_HZ = 22050 };

static void put_le(unsigned char *to, uint32_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (unsigned char)(value >> (8 * i));
}

/* The 44 bytes before 16-bit mono samples. */
static bool write_header(FILE *file, uint32_t data_bytes)
{
	unsigned char header[44] = "RIFF....WAVEfmt ....................data";

	put_le(header + 4, 36 + data_bytes, 4);
	put_le(header + 16, 16, 4); /* length of the format */
	put_le(header + 20, 1, 2);  /* PCM */
	put_le(header + 22, 1, 2);  /* channels */
	put_le(header + 24, RATE_HZ, 4);
	put_le(header + 28, RATE_HZ * 2, 4); /* bytes a second */
	put_le(header + 32, 2, 2);	     /* bytes a frame */
	put_le(header + 34, 16, 2);	     /* bits a sample */
	put_le(header + 40, data_bytes, 4);
	return fwrite(header, sizeof(header), 1, file) == 1;
}

bool wav_write_tone(FILE *file, unsigned duration_ms)
{
	/* A sine by its recurrence s[n+1] = 2 cos(w) s[n] - s[n-1]: no libm. 440 Hz at RATE_HZ. */
	const double two_cos_w = 1.98430075, sin_w = 0.12505052, loudness = 8000.0;
	uint32_t samples = (uint32_t)((uint64_t)duration_ms * RATE_HZ / 1000);
	double before = -sin_w * loudness, now = 0.0;

	if (!write_header(file, samples * 2))
		return false;
	for (uint32_t i = 0; i < samples; i++) {
		double next = two_cos_w * now - before;
		unsigned char sample[2];

		put_le(sample, (uint32_t)(int32_t)now, 2);
		if (fwrite(sample, sizeof(sample), 1, file) != 1)
			return false;
		before = now;
		now = next;
	}
	return true;
}
