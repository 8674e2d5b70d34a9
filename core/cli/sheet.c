/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sheet.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fbfaf7;--fg:#22201c;--dim:#6d685e;--card:#fff;--line:#e4dfd4;"
    "--accent:#8a5a14;--bad:#a3271f}"
    "@media(prefers-color-scheme:dark){:root{--bg:#171614;--fg:#ece8df;--dim:#a19a8c;--card:#211f1c;"
    "--line:#38342d;--accent:#e0a95a;--bad:#ff8f85}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);"
    "font:16px/1.5 system-ui,sans-serif}main{max-width:72rem;margin:0 auto;padding:2.5rem 1.25rem}"
    "h1{font-size:2rem;margin:0}h2{margin:2.5rem 0 1rem;font-size:1.2rem}p{max-width:44rem}"
    ".dim{color:var(--dim)}.grid{display:grid;gap:1rem;"
    "grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}"
    "figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.6rem;"
    "overflow:hidden;display:flex;flex-direction:column}"
    "figure a.shot{display:block;height:11rem;background:var(--line)}"
    "figure img{width:100%;height:100%;object-fit:cover;display:block}"
    "figcaption{padding:.7rem .8rem;font-size:.85rem;overflow-wrap:anywhere}"
    "figcaption b{display:block;font-size:.95rem}"
    "ul{margin:.4rem 0 0;padding:0;list-style:none;font-size:.8rem}li a{color:var(--accent)}"
    ".table{overflow-x:auto}table{border-collapse:collapse;width:100%;background:var(--card);"
    "border:1px solid var(--line)}th,td{text-align:left;padding:.5rem .75rem;"
    "border-bottom:1px solid var(--line);vertical-align:top}th{font-size:.8rem;color:var(--dim)}"
    "code{color:var(--bad)}.story{border-left:.25rem solid var(--accent);padding:.2rem 0 .2rem 1rem}";

static void put_text(struct buf *b, const char *text)
{
    for (const char *c = text ? text : ""; *c; c++) {
        switch (*c) {
        case '<':
            buf_str(b, "&lt;");
            break;
        case '>':
            buf_str(b, "&gt;");
            break;
        case '&':
            buf_str(b, "&amp;");
            break;
        case '"':
            buf_str(b, "&quot;");
            break;
        case '\'':
            buf_str(b, "&#39;");
            break;
        default:
            buf_char(b, (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
            break;
        }
    }
}

/* A relative link: "./" in front, so that a name with a colon is no scheme. */
static void put_link(struct buf *b, const char *path)
{
    buf_str(b, "./");
    for (const char *c = path; *c; c++) {
        if (isalnum((unsigned char)*c) || strchr("-_.~/", *c))
            buf_char(b, *c);
        else
            buf_printf(b, "%%%02X", (unsigned char)*c);
    }
}

static void put_size(struct buf *b, long long bytes)
{
    if (bytes < 10000)
        buf_printf(b, "%lld B", bytes);
    else if (bytes < 10000000)
        buf_printf(b, "%.1f kB", (double)bytes / 1000);
    else
        buf_printf(b, "%.1f MB", (double)bytes / 1000000);
}

static void put_picture(struct buf *b, const struct sheet_picture *p)
{
    const struct sheet_output *shown = NULL;

    for (size_t i = 0; i < p->output_count; i++) /* the smallest that fills its frame */
        if (!shown || (p->outputs[i].w >= 320 && p->outputs[i].w < shown->w) || shown->w < 320)
            shown = &p->outputs[i];
    buf_str(b, "<figure>");
    if (shown) {
        buf_str(b, "<a class=shot href=\"");
        put_link(b, shown->file);
        buf_str(b, "\"><img loading=lazy alt=\"\" src=\"");
        put_link(b, shown->file);
        buf_str(b, "\"></a>");
    }
    buf_str(b, "<figcaption><b>");
    put_text(b, p->title);
    buf_printf(b, "</b><span class=dim>%lld × %lld, ", p->w, p->h);
    put_size(b, p->bytes);
    buf_printf(b, ", %.0f ms</span><ul>", p->ms);
    for (size_t i = 0; i < p->output_count; i++) {
        buf_str(b, "<li><a href=\"");
        put_link(b, p->outputs[i].file);
        buf_str(b, "\">");
        put_text(b, p->outputs[i].name);
        buf_printf(b, "</a> <span class=dim>%lld × %lld, ", p->outputs[i].w, p->outputs[i].h);
        put_size(b, p->outputs[i].bytes);
        buf_str(b, "</span></li>");
    }
    buf_str(b, "</ul></figcaption></figure>\n");
}

static void put_dead(struct buf *b, const struct sheet *s)
{
    buf_str(b, "<h2>Dead letters</h2><p>Broken on purpose. Each job is in the dead-letter topic, as it "
               "was, with the reason.</p><div class=table><table><tr><th>job<th>cause<th>code<th>reason"
               "</tr>\n");
    for (size_t i = 0; i < s->dead_count; i++) {
        buf_str(b, "<tr><td>");
        put_text(b, s->dead[i].what);
        buf_str(b, "<td>");
        put_text(b, s->dead[i].cause);
        buf_str(b, "<td><code>");
        put_text(b, s->dead[i].code);
        buf_str(b, "</code><td>");
        put_text(b, s->dead[i].detail);
        buf_str(b, "</tr>\n");
    }
    buf_str(b, "</table></div>\n");
}

static void put_sheet(struct buf *b, const struct sheet *s)
{
    buf_printf(b, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
                  "content=\"width=device-width\"><title>Quern: what came out of the mill</title>"
                  "<style>%s</style><main><h1>What came out of the mill</h1><p class=dim>%zu pictures, "
                  "%zu dead letters, %.1f seconds</p>",
               style, s->picture_count, s->dead_count, s->seconds);
    if (s->story) {
        buf_str(b, "<p class=story>");
        put_text(b, s->story);
        buf_str(b, "</p>");
    }
    put_dead(b, s);
    buf_str(b, "<h2>Pictures</h2><div class=grid>\n");
    for (size_t i = 0; i < s->picture_count; i++)
        put_picture(b, &s->pictures[i]);
    buf_str(b, "</div></main></html>\n");
}

int sheet_write(const struct sheet *s, const char *path)
{
    struct buf b = BUF_INIT;
    FILE *f = fopen(path, "we");
    int err = 0;

    if (!f)
        return -errno;
    put_sheet(&b, s);
    if (b.failed || fwrite(b.data, 1, b.len, f) != b.len)
        err = -EIO;
    if (fclose(f) != 0 && !err)
        err = -errno;
    buf_done(&b);
    return err;
}

void sheet_done(struct sheet *s)
{
    for (size_t i = 0; i < s->picture_count; i++) {
        for (size_t k = 0; k < s->pictures[i].output_count; k++) {
            free(s->pictures[i].outputs[k].file);
            free(s->pictures[i].outputs[k].name);
        }
        free(s->pictures[i].outputs);
        free(s->pictures[i].title);
    }
    for (size_t i = 0; i < s->dead_count; i++) {
        free(s->dead[i].what);
        free(s->dead[i].cause);
        free(s->dead[i].code);
        free(s->dead[i].detail);
    }
    free(s->pictures);
    free(s->dead);
    *s = (struct sheet){0};
}
