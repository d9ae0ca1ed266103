#include "harvest/extract_parts.h"

void jsonld_body(const struct strip *page, struct text *out)
{
	(void)page;
	(void)out;
}
