/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's contact sheet with names that try to become markup or a script; its drawn pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/pictures.h"
#include "cli/sheet.h"

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 20);

    assert_non_null(f);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    return text;
}

static void test_hostile_names(void **state)
{
    struct sheet_output out = {(char *)"thumbs/javascript:\"x'<>&.jpg", (char *)"<b>", 10, 10, 5};
    struct sheet_picture picture = {(char *)"<script>alert(1)</script>\".jpg", 1, 2, 3, 4.0, &out, 1};
    struct sheet_dead dead = {(char *)"</table><script>", (char *)"rejected", (char *)"'\"&",
                              (char *)"\033[2J"};
    struct sheet sheet = {.pictures = &picture, .picture_count = 1, .dead = &dead, .dead_count = 1,
                          .story = "<i>shot</i>"};
    char path[] = "/tmp/quern-sheet-XXXXXX", *html;

    (void)state;
    close(mkstemp(path));
    assert_int_equal(sheet_write(&sheet, path), 0);
    html = read_all(path);
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "<i>shot"));
    assert_null(strstr(html, "<b>\""));
    assert_null(strchr(html, '\033'));
    assert_non_null(strstr(html, "&lt;script&gt;alert(1)"));
    assert_non_null(strstr(html, "href=\"./thumbs/javascript%3A%22x%27%3C%3E%26.jpg\""));
    unlink(path);
    free(html);
}

static void test_drawn_pictures_are_found(void **state)
{
    char dir[] = "/tmp/quern-pictures-XXXXXX", command[64];
    struct pictures found;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(pictures_draw(dir, 3), 0);
    assert_int_equal(pictures_find(dir, &found), 0);
    assert_int_equal(found.count, 3);
    assert_non_null(strstr(found.paths[0], "drawn-01.png"));
    assert_int_equal(pictures_break(dir, found.paths[0]), 0);
    pictures_done(&found);
    assert_int_equal(pictures_find(dir, &found), 0);
    assert_int_equal(found.count, 3 + BROKEN_COUNT - 1); /* an empty file is no picture */
    pictures_done(&found);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    assert_true(pictures_find("/no/such/folder", &found) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_drawn_pictures_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
