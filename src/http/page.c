#include "http/page.h"

#include <string.h>

/* Of page_data.S. */
extern const char sp__http_page_html[];
extern const char sp__http_page_html_end[];
extern const char sp__http_page_js[];
extern const char sp__http_page_js_end[];
extern const char sp__http_page_css[];
extern const char sp__http_page_css_end[];
extern const char sp__http_page_icon[];
extern const char sp__http_page_icon_end[];

static const struct sp__http_page page_all[] = {
    { "/", "text/html; charset=utf-8", sp__http_page_html, sp__http_page_html_end },
    { "/dashboard.js", "text/javascript; charset=utf-8", sp__http_page_js, sp__http_page_js_end },
    { "/dashboard.css", "text/css; charset=utf-8", sp__http_page_css, sp__http_page_css_end },
    { "/favicon.svg", "image/svg+xml", sp__http_page_icon, sp__http_page_icon_end },
};

const struct sp__http_page *sp__http_page(const char *path)
{
    for (size_t i = 0; i < sizeof(page_all) / sizeof(page_all[0]); i++)
        if (strcmp(page_all[i].path, path) == 0)
            return &page_all[i];
    return NULL;
}
