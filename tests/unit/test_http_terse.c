/* links: cpoa_http */
/* What holds of requests holds of terse ones. */
#define TERSE true
#include "test_http.c"
#include "test_http_many.c"
