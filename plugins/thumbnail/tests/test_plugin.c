/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin as the engine sees it: thumbnail.so is opened, its settings filled in, jobs are handed
 * to it, and what it answers and writes is looked at. Pictures are compared by their pixels.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "../settings.h"
#include "host.h"
#include "pictures.h"

static const struct quern_plugin *plugin;
static const struct quern_context context = {
    .size = sizeof context, .worker = 1, .host = &test_host, .pipeline = "test"};
static const char *const formats[] = {"jpeg", "png", "webp", "avif", NULL};
static char source_root[300], sink_root[300];
static struct settings settings;
static void *self;

static void open_plugin(void)
{
    test_open_error[0] = '\0';
    if (plugin->check(&context, &settings) || plugin->open(&context, &settings, &self))
        fail_msg("open failed: %s", test_open_error);
}

static void reopen_plugin(void)
{
    plugin->close(self);
    open_plugin();
}

/* Runs a job given as a format; `%s` stands for the temporary place. */
static int32_t run(struct test_job *job, const char *text)
{
    static char body[8192];
    size_t len = 0;

    for (; *text; text++) {
        if (*text == '@')
            len += (size_t)sprintf(body + len, "%s", place);
        else
            body[len++] = *text;
    }
    test_job_init(job, "user/1", body, len);
    return plugin->handle(self, &job->job);
}

static json_t *run_ok(const char *text)
{
    struct test_job job;
    json_t *result;
    int32_t verdict = run(&job, text);

    if (verdict != QUERN_OK)
        fail_msg("%s: verdict %d, %s: %s", text, verdict, job.code, job.text);
    assert_non_null(job.emitted);
    result = json_loads(job.emitted, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(result);
    test_job_done(&job);
    return result;
}

static void expect(const char *text, int32_t verdict, const char *code, const char *says)
{
    struct test_job job;
    int32_t got = run(&job, text);

    if (got != verdict || strcmp(job.code, code) != 0 || !strstr(job.text, says))
        fail_msg("%s: got %d %s: %s", text, got, job.code, job.text);
    assert_null(job.emitted);
    test_job_done(&job);
}

static json_t *output(json_t *result, size_t i)
{
    return json_array_get(json_object_get(result, "outputs"), i);
}

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    assert_non_null(text);
    return text;
}

static long long number_of(json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

/* The pixels of an output, and that its file has the sides that were told. */
static VipsImage *open_output(json_t *result, size_t i)
{
    const char *url = text_of(output(result, i), "url");
    VipsImage *picture, *srgb;

    assert_memory_equal(url, "file:///", 8);
    picture = vips_image_new_from_file(url + 7, NULL);
    if (!picture)
        fail_msg("%s: %s", url, vips_error_buffer());
    assert_int_equal(vips_image_get_width(picture), number_of(output(result, i), "w"));
    assert_int_equal(vips_image_get_height(picture), number_of(output(result, i), "h"));
    assert_int_equal(vips_colourspace(picture, &srgb, VIPS_INTERPRETATION_sRGB, NULL), 0);
    g_object_unref(picture);
    return srgb;
}

/* The colour at a place given in parts of the sides: 'r', 'g', 'b', 'w', 'k' or '?'. */
static char colour_at(VipsImage *picture, double x, double y)
{
    double *px;
    int n;
    char name = '?';

    assert_int_equal(vips_getpoint(picture, &px, &n, (int)(x * (picture->Xsize - 1)),
                                   (int)(y * (picture->Ysize - 1)), NULL),
                     0);
    assert_true(n >= 3);
    if (px[0] > 200 && px[1] > 200 && px[2] > 200)
        name = 'w';
    else if (px[0] < 60 && px[1] < 60 && px[2] < 60)
        name = 'k';
    else if (px[0] > 180 && px[1] < 90 && px[2] < 90)
        name = 'r';
    else if (px[1] > 180 && px[0] < 140 && px[2] < 120)
        name = 'g';
    else if (px[2] > 180 && px[0] < 90 && px[1] < 90)
        name = 'b';
    g_free(px);
    return name;
}

static void expect_quarters(VipsImage *picture, const char *colours)
{
    static const double at[4][2] = {{0.2, 0.2}, {0.8, 0.2}, {0.2, 0.8}, {0.8, 0.8}};

    for (int i = 0; i < 4; i++)
        if (colour_at(picture, at[i][0], at[i][1]) != colours[i])
            fail_msg("quarter %d is %c, not %c", i, colour_at(picture, at[i][0], at[i][1]),
                     colours[i]);
}

static int count_files(const char *dir)
{
    char path[512];
    struct dirent *entry;
    int count = 0;
    DIR *handle;

    snprintf(path, sizeof path, "%s/%s", place, dir);
    handle = opendir(path);
    if (!handle)
        return 0;
    while ((entry = readdir(handle)))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(handle);
    return count;
}

/* Hands a result over to reader.py, which looks at its files after the tests have run. */
static void record_result(json_t *result)
{
    const char *path = getenv("QUERN_TEST_RESULTS");
    FILE *file;

    if (!path)
        return;
    file = fopen(path, "a");
    assert_non_null(file);
    assert_int_equal(json_dumpf(result, file, JSON_COMPACT), 0);
    fputc('\n', file);
    assert_int_equal(fclose(file), 0);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void makes_sizes_and_formats(void **state)
{
    static const char *const types[] = {"image/jpeg", "image/png", "image/webp", "image/avif"};
    static const int sides[4][2] = {{160, 120}, {80, 80}, {60, 60}, {33, 77}};
    json_t *result;

    (void)state;
    picture_save(picture_quarters(400, 300), "q.jpg[Q=95]");
    result = run_ok("{\"source\":\"file://@/in/q.jpg\",\"sink\":\"file://@/out/a/{name}.{ext}\","
                    "\"formats\":[\"jpeg\",\"png\",\"webp\",\"avif\"],\"quality\":90,\"sizes\":["
                    "{\"name\":\"in\",\"w\":160,\"h\":160},"
                    "{\"name\":\"co\",\"w\":80,\"h\":80,\"fit\":\"cover\"},"
                    "{\"name\":\"ct\",\"w\":60,\"h\":60,\"fit\":\"contain\"},"
                    "{\"name\":\"fi\",\"w\":33,\"h\":77,\"fit\":\"fill\"}]}");
    assert_int_equal(json_array_size(json_object_get(result, "outputs")), 16);
    for (size_t i = 0; i < 16; i++) {
        VipsImage *picture = open_output(result, i);

        assert_int_equal(picture->Xsize, sides[i / 4][0]);
        assert_int_equal(picture->Ysize, sides[i / 4][1]);
        assert_string_equal(text_of(output(result, i), "type"), types[i % 4]);
        assert_int_equal(strlen(text_of(output(result, i), "sha256")), 64);
        if (i / 4 == 2) { /* bars above and below */
            assert_int_equal(colour_at(picture, 0.2, 0.02), 'w');
            assert_int_equal(colour_at(picture, 0.2, 0.3), 'r');
        } else {
            expect_quarters(picture, "rgbw");
        }
        assert_int_equal(vips_image_get_typeof(picture, VIPS_META_EXIF_NAME), 0);
        g_object_unref(picture);
    }
    assert_int_equal(count_files("out/a"), 16);
    record_result(result);
    assert_int_equal(number_of(json_object_get(result, "source"), "w"), 400);
    assert_string_equal(text_of(json_object_get(result, "source"), "type"), "image/jpeg");
    json_decref(result);
}

static void turns_by_exif(void **state)
{
    (void)state;
    for (int orientation = 1; orientation <= 8; orientation++) {
        static const char *const seen[] = {"",     "rgbw", "grwb", "wbgr", "bwrg",
                                           "rbgw", "brwg", "wgbr", "gwrb"};
        VipsImage *picture = picture_quarters(400, 300), *copy, *out;
        json_t *result;

        assert_int_equal(vips_copy(picture, &copy, NULL), 0);
        g_object_unref(picture);
        vips_image_set_int(copy, VIPS_META_ORIENTATION, orientation);
        picture_save(copy, "turned.jpg[Q=95]");
        result = run_ok("{\"source\":\"file://@/in/turned.jpg\",\"sizes\":["
                        "{\"name\":\"a\",\"w\":100,\"h\":100},"
                        "{\"name\":\"b\",\"w\":40,\"h\":40}],\"formats\":[\"png\"]}");
        for (size_t i = 0; i < 2; i++) {
            int longer = i ? 40 : 100, shorter = i ? 30 : 75;

            out = open_output(result, i);
            assert_int_equal(out->Xsize, orientation < 5 ? longer : shorter);
            assert_int_equal(out->Ysize, orientation < 5 ? shorter : longer);
            expect_quarters(out, seen[orientation]);
            g_object_unref(out);
        }
        assert_int_equal(number_of(json_object_get(result, "source"), "orientation"), orientation);
        json_decref(result);
    }
}

static void does_not_enlarge(void **state)
{
    static const int sides[4][2] = {{40, 30}, {30, 30}, {100, 100}, {40, 30}};
    json_t *result;

    (void)state;
    picture_save(picture_quarters(40, 30), "small.png");
#define SMALL                                                                                      \
    "{\"source\":\"file://@/in/small.png\",\"formats\":[\"png\"],\"sizes\":["                      \
    "{\"name\":\"a\",\"w\":100,\"h\":100},{\"name\":\"b\",\"w\":100,\"h\":100,\"fit\":\"cover\"}," \
    "{\"name\":\"c\",\"w\":100,\"h\":100,\"fit\":\"contain\"},"                                    \
    "{\"name\":\"d\",\"w\":100,\"h\":100,\"fit\":\"fill\"}]"
    result = run_ok(SMALL "}");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(number_of(output(result, i), "w"), sides[i][0]);
        assert_int_equal(number_of(output(result, i), "h"), sides[i][1]);
        g_object_unref(open_output(result, i));
    }
    json_decref(result);
    result = run_ok(SMALL ",\"upscale\":true}");
    for (size_t i = 0; i < 4; i++) {
        VipsImage *out = open_output(result, i);

        assert_int_equal(out->Xsize, 100);
        assert_int_equal(out->Ysize, i == 0 ? 75 : 100);
        g_object_unref(out);
    }
    json_decref(result);
}

static void crops_where_told(void **state)
{
    json_t *result;
    VipsImage *out;

    (void)state;
    picture_save(picture_quarters(800, 200), "wide.png");
    result = run_ok("{\"source\":\"file://@/in/wide.png\",\"formats\":[\"png\"],\"sizes\":["
                    "{\"name\":\"l\",\"w\":100,\"h\":100,\"fit\":\"cover\",\"gravity\":\"focal\","
                    "\"focal\":[0,0.5]},{\"name\":\"r\",\"w\":100,\"h\":100,\"fit\":\"cover\","
                    "\"gravity\":\"focal\",\"focal\":[1,0.5]},"
                    "{\"name\":\"at\",\"w\":100,\"h\":100,\"fit\":\"cover\","
                    "\"gravity\":\"attention\"},{\"name\":\"en\",\"w\":100,\"h\":100,"
                    "\"fit\":\"cover\",\"gravity\":\"entropy\"}]}");
    out = open_output(result, 0);
    expect_quarters(out, "rrbb");
    g_object_unref(out);
    out = open_output(result, 1);
    expect_quarters(out, "ggww");
    g_object_unref(out);
    for (size_t i = 2; i < 4; i++) {
        out = open_output(result, i);
        assert_int_equal(out->Xsize, 100);
        assert_int_equal(out->Ysize, 100);
        g_object_unref(out);
    }
    json_decref(result);
}

static void handles_alpha(void **state)
{
    VipsImage *picture = picture_quarters(80, 60), *clear, *faded;
    json_t *result;
    VipsImage *out;
    double *px;
    int n;

    (void)state;
    assert_int_equal(vips_bandjoin_const1(picture, &faded, 0, NULL), 0);
    assert_int_equal(vips_copy(faded, &clear, "interpretation", VIPS_INTERPRETATION_sRGB, NULL), 0);
    g_object_unref(picture);
    g_object_unref(faded);
    picture_save(clear, "clear.png");
    result = run_ok("{\"source\":\"file://@/in/clear.png\",\"formats\":[\"jpeg\",\"png\"],"
                    "\"background\":\"#0000ff\",\"sizes\":[{\"name\":\"a\",\"w\":40,\"h\":40}]}");
    out = open_output(result, 0);
    expect_quarters(out, "bbbb");
    g_object_unref(out);
    out = open_output(result, 1);
    assert_int_equal(out->Bands, 4);
    g_object_unref(out);
    json_decref(result);
    picture_save(picture_quarters(80, 60), "opaque.png");
    result = run_ok("{\"source\":\"file://@/in/opaque.png\",\"formats\":[\"png\"],"
                    "\"background\":\"transparent\",\"sizes\":["
                    "{\"name\":\"a\",\"w\":40,\"h\":40,\"fit\":\"contain\"}]}");
    out = open_output(result, 0);
    assert_int_equal(vips_getpoint(out, &px, &n, 20, 0, NULL), 0);
    assert_true(n == 4 && px[3] == 0);
    g_free(px);
    g_object_unref(out);
    json_decref(result);
}

/* A CMYK JPEG, 16 bits, greys, and a picture in another RGB: all come out as plain sRGB. */
static void converts_colours(void **state)
{
    static const char *const sources[] = {"cmyk.jpg", "deep.png", "grey.png", "p3.jpg",
                                          "q.tif",    "q.webp",   "q.avif",   "q.gif"};
    VipsImage *picture, *out, *srgb;
    char job[512];

    (void)state;
    picture = picture_quarters(120, 90);
    assert_int_equal(vips_icc_export(picture, &out, "output_profile", "cmyk", NULL) &&
                         vips_colourspace(picture, &out, VIPS_INTERPRETATION_CMYK, NULL),
                     0);
    g_object_unref(picture);
    picture_save(out, "cmyk.jpg[Q=95]");
    picture = picture_quarters(120, 90);
    assert_int_equal(vips_colourspace(picture, &out, VIPS_INTERPRETATION_RGB16, NULL), 0);
    g_object_unref(picture);
    picture_save(out, "deep.png");
    picture = picture_quarters(120, 90);
    assert_int_equal(vips_colourspace(picture, &out, VIPS_INTERPRETATION_B_W, NULL), 0);
    g_object_unref(picture);
    picture_save(out, "grey.png");
    picture = picture_quarters(120, 90);
    assert_int_equal(vips_icc_transform(picture, &out, "p3", "input_profile", "srgb", NULL), 0);
    g_object_unref(picture);
    picture_save(out, "p3.jpg[Q=95]");
    picture_save(picture_quarters(120, 90), "q.tif");
    picture_save(picture_quarters(120, 90), "q.webp[Q=95]");
    picture_save(picture_quarters(120, 90), "q.avif[Q=95]");
    picture_save(picture_quarters(120, 90), "q.gif");
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        json_t *result;

        snprintf(job, sizeof job,
                 "{\"source\":\"file://@/in/%s\",\"formats\":[\"png\"],"
                 "\"sizes\":[{\"name\":\"a\",\"w\":60,\"h\":60}]}",
                 sources[i]);
        result = run_ok(job);
        srgb = open_output(result, 0);
        assert_int_equal(srgb->BandFmt, VIPS_FORMAT_UCHAR);
        assert_true(srgb->Bands >= 3);
        assert_int_equal(vips_image_get_typeof(srgb, VIPS_META_ICC_NAME), 0);
        if (i == 0) /* printing inks are duller than light: white and red will do */
            assert_int_equal(colour_at(srgb, 0.8, 0.8), 'w');
        else if (i != 2)
            expect_quarters(srgb, "rgbw");
        g_object_unref(srgb);
        json_decref(result);
    }
}

#define ONE(name) "{\"source\":\"file://@/in/" name "\",\"sizes\":[{\"name\":\"a\",\"w\":50}]}"
#define STRICT(name)                                                                               \
    "{\"source\":\"file://@/in/" name "\",\"strict\":true,\"sizes\":[{\"name\":\"a\",\"w\":50}]}"

static VipsImage *noise(void)
{
    VipsImage *grey, *bytes, *rgb;

    assert_int_equal(vips_gaussnoise(&grey, 800, 600, "mean", 128.0, "sigma", 60.0, NULL), 0);
    assert_int_equal(vips_cast(grey, &bytes, VIPS_FORMAT_UCHAR, NULL), 0);
    assert_int_equal(vips_colourspace(bytes, &rgb, VIPS_INTERPRETATION_sRGB, "source_space",
                                      VIPS_INTERPRETATION_B_W, NULL),
                     0);
    g_object_unref(grey);
    g_object_unref(bytes);
    return rgb;
}

static void refuses_damage(void **state)
{
    (void)state;
    picture_save(noise(), "n.jpg");
    picture_save(noise(), "n.png");
    picture_save(noise(), "n.webp");
    picture_save(noise(), "p.jpg[interlace]");
    picture_truncate("n.jpg", "half.jpg", 0.5);
    picture_truncate("p.jpg", "halfp.jpg", 0.5);
    picture_truncate("n.png", "half.png", 0.5);
    picture_truncate("n.webp", "half.webp", 0.5);
    picture_truncate("n.jpg", "stub.jpg", 0.0005);
    picture_corrupt("n.jpg", "worm.jpg", 0.5, 2000);
    place_write("in/empty.jpg", "", 0);
    place_write("in/text.jpg", "hello, I am a picture", 21);
    place_write("in/a.svg", "<svg xmlns='http://www.w3.org/2000/svg' width='9'/>", 51);
    place_write("in/a.pdf", "%PDF-1.4\n", 9);
    place_write("in/a.bmp", "BM\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    place_write("in/magic.png", "\x89PNG\r\n\x1a\n", 8);
    place_write("in/magic.avif",
                "\0\0\0\x18"
                "ftypavif\0\0\0\0mif1miaf",
                24);
    expect(ONE("half.jpg"), QUERN_REJECT, "bad_image", "");
    expect(ONE("halfp.jpg"), QUERN_REJECT, "bad_image", "");
    expect(ONE("half.png"), QUERN_REJECT, "bad_image", "");
    expect(ONE("half.webp"), QUERN_REJECT, "bad_image", "");
    expect(ONE("stub.jpg"), QUERN_REJECT, "bad_image", "");
    expect(STRICT("worm.jpg"), QUERN_REJECT, "bad_image", "strict");
    expect(ONE("empty.jpg"), QUERN_REJECT, "bad_image", "is empty");
    expect(ONE("text.jpg"), QUERN_REJECT, "bad_image", "not a picture of a known type");
    expect(ONE("a.svg"), QUERN_REJECT, "unsupported", "SVG");
    expect(ONE("a.pdf"), QUERN_REJECT, "unsupported", "PDF");
    expect(ONE("a.bmp"), QUERN_REJECT, "unsupported", "BMP");
    expect(ONE("magic.png"), QUERN_REJECT, "bad_image", "png header");
    expect(ONE("magic.avif"), QUERN_REJECT, "bad_image", "avif header");
    json_decref(run_ok(STRICT("n.jpg")));
}

static void refuses_size(void **state)
{
    (void)state;
    picture_bomb("bomb.png", 30000, 30000);
    picture_bomb("long.png", 25000, 1);
    picture_bomb("huge.png", 0x7fffffff, 0x7fffffff);
    expect(ONE("bomb.png"), QUERN_REJECT, "too_large", "max_pixels");
    expect(ONE("long.png"), QUERN_REJECT, "too_large", "max_side");
    expect(ONE("huge.png"), QUERN_REJECT, "bad_image", "");
    settings.max_source_bytes = 1000;
    reopen_plugin();
    expect(ONE("n.jpg"), QUERN_REJECT, "too_large", "max_source_bytes 1000");
    settings.max_source_bytes = 64 << 20;
    reopen_plugin();
}

static void takes_first_frame(void **state)
{
    json_t *result;

    (void)state;
    picture_gif("anim.gif", 7);
    result = run_ok(ONE("anim.gif"));
    assert_int_equal(number_of(json_object_get(result, "source"), "pages"), 7);
    assert_int_equal(number_of(output(result, 0), "h"), 1);
    json_decref(result);
    settings.frames_over = "reject";
    reopen_plugin();
    expect(ONE("anim.gif"), QUERN_REJECT, "too_large", "7 frames");
    settings.max_frames = 7;
    reopen_plugin();
    json_decref(run_ok(ONE("anim.gif")));
    settings.frames_over = "first";
    settings.max_frames = 1;
    reopen_plugin();
}

static void stays_in_source_root(void **state)
{
    static const struct {
        const char *path, *code;
    } bad[] = {
        {"@/in/../secret.jpg", "forbidden_path"},
        {"@/in/%2e%2e/secret.jpg", "forbidden_path"},
        {"@/in/.%2E/secret.jpg", "forbidden_path"},
        {"@/in/..%2fsecret.jpg", "forbidden_path"},
        {"@/in/./q.jpg", "forbidden_path"},
        {"@/in//q.jpg", "bad_request"},
        {"@/in/q.jpg/", "bad_request"},
        {"@/in/%252e%252e/secret.jpg", "not_found"},
        {"@/secret.jpg", "forbidden_path"},
        {"@/inside/q.jpg", "forbidden_path"},
        {"/etc/passwd", "forbidden_path"},
        {"/proc/self/environ", "forbidden_path"},
        {"etc/passwd", "bad_request"},
        {"otherhost@/in/q.jpg", "bad_request"},
        {"@/in/q.jpg%00.png", "bad_request"},
        {"@/in/q%0a.jpg", "bad_request"},
        {"@/in/q%zz.jpg", "bad_request"},
        {"@/in/q.jpg%", "bad_request"},
        {"@/in/link.jpg", "forbidden_path"},
        {"@/in/out-link/secret.jpg", "forbidden_path"},
        {"@/in/in-link.jpg", "forbidden_path"},
        {"@/in/fifo", "not_found"},
        {"@/in", "not_found"},
        {"@/in/missing.jpg", "not_found"},
        {"@/in/q.jpg/x", "not_found"},
    };
    char from[300], to[400], job[600];

    (void)state;
    picture_save(picture_quarters(40, 40), "q.jpg");
    snprintf(from, sizeof from, "%s/secret.jpg", place);
    snprintf(to, sizeof to, "%s/in/link.jpg", place);
    place_write("secret.jpg", "x", 1);
    assert_int_equal(symlink(from, to), 0);
    snprintf(to, sizeof to, "%s/in/out-link", place);
    assert_int_equal(symlink(place, to), 0);
    snprintf(to, sizeof to, "%s/in/in-link.jpg", place);
    assert_int_equal(symlink("q.jpg", to), 0);
    snprintf(to, sizeof to, "%s/in/fifo", place);
    assert_int_equal(mkfifo(to, 0600), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(job, sizeof job,
                 "{\"source\":\"file://%s\",\"sizes\":[{\"name\":\"a\",\"w\":50}]}", bad[i].path);
        expect(job, QUERN_REJECT, bad[i].code, "");
    }
    snprintf(job, sizeof job, "in/a b%%.jpg");
    picture_truncate("q.jpg", "a b%.jpg", 1.0);
    json_decref(run_ok(ONE("a%20b%25.jpg")));
    json_decref(run_ok("{\"source\":\"FILE://localhost@/in/q.jpg\","
                       "\"sizes\":[{\"name\":\"a\",\"w\":5}]}"));
    settings.source_root = "";
    reopen_plugin();
    expect(ONE("q.jpg"), QUERN_REJECT, "forbidden_path", "no source_root");
    settings.source_root = source_root;
    reopen_plugin();
}

#define SINK(sink)                                                                                 \
    "{\"source\":\"file://@/in/q.jpg\",\"sink\":\"" sink "\",\"sizes\":[{\"name\":\"a\",\"w\":9}]" \
    "}"

static void stays_in_sink_root(void **state)
{
    char to[400];

    (void)state;
    expect(SINK("file://@/in/{name}.{ext}"), QUERN_REJECT, "forbidden_path", "sink_root");
    expect(SINK("file://@/out/../in/{name}.{ext}"), QUERN_REJECT, "forbidden_path", "..");
    expect(SINK("file://@/out/%2e%2e/in/{name}.{ext}"), QUERN_REJECT, "forbidden_path", "..");
    expect(SINK("file://@/out/{user}/{name}.{ext}"), QUERN_REJECT, "bad_request", "{user}");
    expect(SINK("file://@/out/{name"), QUERN_REJECT, "bad_request", "without }");
    expect("{\"source\":\"file://@/in/q.jpg\",\"sink\":\"file://@/out/{key}\",\"sizes\":"
           "[{\"name\":\"a\",\"w\":9},{\"name\":\"b\",\"w\":8}]}",
           QUERN_REJECT, "bad_request", "two outputs");
    snprintf(to, sizeof to, "%s/out/link", place);
    assert_int_equal(symlink(place, to), 0);
    expect(SINK("file://@/out/link/{name}.{ext}"), QUERN_REJECT, "forbidden_path", "link");
    snprintf(to, sizeof to, "%s/out/name.jpg", place);
    json_decref(run_ok(SINK("file://@/out/name.jpg{ext}")));
}

static void names_are_made_safe(void **state)
{
    static const struct {
        const char *key, *name;
    } names[] = {
        {"user/1", "user=2F1"},           {"..", "=2E."},     {"../../etc", "=2E.=2F..=2Fetc"},
        {"a b\n\x1b[", "a=20b=0A=1B=5B"}, {"a=2F", "a=3D2F"}, {"\xc3\xbc", "=C3=BC"},
        {"plain-1_2.3", "plain-1_2.3"},
    };
    char body[1024], long_key[400], wanted[400];
    struct test_job job;

    (void)state;
    snprintf(body, sizeof body,
             "{\"source\":\"file://%s/in/q.jpg\",\"sink\":\"file://%s/out/k/{key}/{name}.{ext}\","
             "\"sizes\":[{\"name\":\"a\",\"w\":9}]}",
             place, place);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        test_job_init(&job, names[i].key, body, strlen(body));
        assert_int_equal(plugin->handle(self, &job.job), QUERN_OK);
        snprintf(wanted, sizeof wanted, "/out/k/%s/a.jpg\"", names[i].name);
        if (!strstr(job.emitted, wanted))
            fail_msg("no %s in %s", wanted, job.emitted);
        test_job_done(&job);
    }
    memset(long_key, '/', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = '\0';
    test_job_init(&job, long_key, body, strlen(body));
    assert_int_equal(plugin->handle(self, &job.job), QUERN_OK);
    test_job_done(&job);
    test_job_init(&job, NULL, body, strlen(body));
    assert_int_equal(plugin->handle(self, &job.job), QUERN_REJECT);
    assert_non_null(strstr(job.text, "no key"));
    test_job_done(&job);
}

static void keeps_what_is_there(void **state)
{
#define KEEP                                                                                       \
    "{\"source\":\"file://@/in/q.jpg\",\"sink\":\"file://@/out/keep/{name}.{ext}\","               \
    "\"if_absent\":true,\"formats\":[\"jpeg\",\"png\"],\"sizes\":[{\"name\":\"a\",\"w\":20}]}"
    json_t *first, *second;

    (void)state;
    first = run_ok(KEEP);
    place_write("out/keep/a.png", "garbage", 7);
    second = run_ok(KEEP);
    assert_true(json_is_false(json_object_get(output(first, 0), "kept")));
    assert_true(json_is_true(json_object_get(output(second, 0), "kept")));
    assert_true(json_is_false(json_object_get(output(second, 1), "kept")));
    assert_string_equal(text_of(output(first, 0), "sha256"), text_of(output(second, 0), "sha256"));
    assert_int_equal(number_of(output(second, 0), "w"), 20);
    assert_string_equal(text_of(output(first, 1), "sha256"), text_of(output(second, 1), "sha256"));
    json_decref(first);
    json_decref(second);
    assert_int_equal(count_files("out/keep"), 2);
}

/* A directory stands where the thumbnail should go: the sink's failure, so the job comes again. */
static void sink_failures_are_retries(void **state)
{
    char path[400];

    (void)state;
    snprintf(path, sizeof path, "%s/out/busy", place);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/out/busy/a.jpg", place);
    mkdir(path, 0755);
    expect(SINK("file://@/out/busy/{name}.{ext}"), QUERN_RETRY, "sink_io", "rename");
    assert_int_equal(count_files("out/busy"), 1);
}

static void full_disk_is_a_retry(void **state)
{
    struct rlimit old, small = {.rlim_cur = 10};

    (void)state;
    /* Over RLIMIT_FSIZE write() says EFBIG instead of ENOSPC; the path is the same. */
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    expect(SINK("file://@/out/full/{name}.{ext}"), QUERN_RETRY, "sink_io", "write");
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(count_files("out/full"), 0);
}

static void stops_when_cancelled(void **state)
{
    struct test_job job;
    char body[512];

    (void)state;
    snprintf(body, sizeof body,
             "{\"source\":\"file://%s/in/n.png\",\"sizes\":[{\"name\":\"a\",\"w\":700}]}", place);
    for (int after = 0; after < 3; after++) {
        test_job_init(&job, NULL, body, strlen(body));
        job.cancel_after = after;
        assert_int_equal(plugin->handle(self, &job.job), QUERN_RETRY);
        assert_string_equal(job.code, "cancelled");
        test_job_done(&job);
    }
    json_decref(run_ok(ONE("n.png"))); /* the next job is not harmed */
}

static void emits_or_not(void **state)
{
    static const struct {
        int error;
        int32_t verdict;
    } cases[] = {{-ENOENT, QUERN_OK}, {-E2BIG, QUERN_REJECT}, {-ENOMEM, QUERN_RETRY}};
    struct test_job job;
    char body[512];

    (void)state;
    snprintf(body, sizeof body,
             "{\"source\":\"file://%s/in/q.jpg\",\"sizes\":[{\"name\":\"a\",\"w\":7}]}", place);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_job_init(&job, "k", body, strlen(body));
        job.emit_error = cases[i].error;
        assert_int_equal(plugin->handle(self, &job.job), cases[i].verdict);
        test_job_done(&job);
    }
}

static void makes_placeholder(void **state)
{
    json_t *result;

    (void)state;
    picture_save(picture_quarters(100, 75), "ph.png");
    result = run_ok("{\"source\":\"file://@/in/ph.png\",\"placeholder\":\"thumbhash\","
                    "\"sizes\":[{\"name\":\"a\",\"w\":100}]}");
    assert_in_range(strlen(text_of(result, "placeholder")), 20, 36);
    json_decref(result);
}

static void checks_settings(void **state)
{
    static const char *const bad_formats[] = {"jpeg", "gif", NULL};
    struct settings other = settings;
    void *unused;

    (void)state;
    other.sink_root = "relative";
    assert_int_not_equal(plugin->check(&context, &other), 0);
    other = settings;
    other.formats_allowed = bad_formats;
    assert_int_not_equal(plugin->check(&context, &other), 0);
    assert_non_null(strstr(test_open_error, "gif"));
    other = settings;
    other.sink_root = "/nonexistent/dir";
    assert_int_equal(plugin->check(&context, &other), 0);
    assert_int_not_equal(plugin->open(&context, &other, &unused), 0);
    assert_non_null(strstr(test_open_error, "/nonexistent/dir"));
}

static void fast_is_as_right(void **state)
{
    json_t *result;
    VipsImage *out;

    (void)state;
    settings.quality_mode = "fast";
    reopen_plugin();
    picture_save(picture_quarters(1600, 1200), "big.jpg[Q=95]");
    result = run_ok("{\"source\":\"file://@/in/big.jpg\",\"sizes\":["
                    "{\"name\":\"a\",\"w\":199},{\"name\":\"b\",\"w\":50}]}");
    out = open_output(result, 0);
    assert_int_equal(out->Xsize, 199);
    assert_int_equal(out->Ysize, 149);
    expect_quarters(out, "rgbw");
    g_object_unref(out);
    json_decref(result);
    expect(ONE("half.jpg"), QUERN_REJECT, "bad_image", "");
    settings.quality_mode = "balanced";
    reopen_plugin();
}

static void counts(void **state)
{
    (void)state;
    for (int i = 1; i < 65 && test_metric_names[i][0]; i++)
        if (test_metrics[i] <= 0)
            fail_msg("metric %s was never recorded", test_metric_names[i]);
    assert_string_equal(test_metric_names[1], "images_total");
}

static void set_up(const char *so)
{
    void *handle = dlopen(so, RTLD_NOW | RTLD_LOCAL);

    if (!handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    plugin = dlsym(handle, "quern_plugin_v1");
    if (!plugin || plugin->settings_size != sizeof settings) {
        fprintf(stderr, "%s is not the plugin\n", so);
        exit(1);
    }
    place_make();
    snprintf(source_root, sizeof source_root, "%s/in", place);
    snprintf(sink_root, sizeof sink_root, "%s/out/", place);
    settings = (struct settings){.source_root = source_root,
                                 .sink_root = sink_root,
                                 .formats_allowed = formats,
                                 .quality_mode = "balanced",
                                 .durability = "full",
                                 .frames_over = "first",
                                 .max_source_bytes = 64 << 20,
                                 .max_pixels = 50000000,
                                 .max_side = 20000,
                                 .max_output_side = 4096,
                                 .max_frames = 1,
                                 .connect_timeout = 5000,
                                 .fetch_timeout = 15000,
                                 .low_speed_time = 10000,
                                 .low_speed_bytes = 1024};
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_sizes_and_formats),
        cmocka_unit_test(turns_by_exif),
        cmocka_unit_test(does_not_enlarge),
        cmocka_unit_test(crops_where_told),
        cmocka_unit_test(handles_alpha),
        cmocka_unit_test(converts_colours),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(refuses_size),
        cmocka_unit_test(takes_first_frame),
        cmocka_unit_test(stays_in_source_root),
        cmocka_unit_test(stays_in_sink_root),
        cmocka_unit_test(names_are_made_safe),
        cmocka_unit_test(keeps_what_is_there),
        cmocka_unit_test(sink_failures_are_retries),
        cmocka_unit_test(full_disk_is_a_retry),
        cmocka_unit_test(stops_when_cancelled),
        cmocka_unit_test(emits_or_not),
        cmocka_unit_test(makes_placeholder),
        cmocka_unit_test(checks_settings),
        cmocka_unit_test(fast_is_as_right),
        cmocka_unit_test(counts),
    };
    int failed;

    if (argc < 2)
        return 2;
    set_up(argv[1]);
    open_plugin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    plugin->close(self);
    if (!getenv("QUERN_TEST_RESULTS")) /* else reader.py removes it */
        place_remove();
    return failed;
}
