/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quern demo: the engine at work, with nothing set up. An embedded broker, the engine with the thumbnail
 * plugin, jobs over real pictures, a few broken on purpose, and one worker shot in the middle of its
 * job. Everything runs as it would in earnest: `quern broker` and `quern run` as processes of their
 * own, with a settings file that is left behind to be read.
 *
 * Ends with 0 only when what should have happened did: every good picture has its thumbnails, every
 * broken one is in the dead letters, the job of the worker that was shot ended well.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/cli.h"
#include "cli/fetch.h"
#include "cli/pictures.h"
#include "cli/sheet.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "config/settings.h"
#include "kafka/dead_letters.h"
#include "kafka/submit.h"
#include "worker/descriptor.h"

#define TOPIC "thumbnail-generation"
#define MARKER ".quern-demo" /* only a folder with this file in it is ever overwritten */
#define LIMIT_MS 180000
#define ODD_JOBS 2 /* no JSON at all; empty */
#define LARGE_JOB 10
#define SHOOT_AFTER_MS 10 /* in its job: before that it may be over when the shot arrives */

struct demo {
    struct cli *cli;
    char *out; /* absolute */
    char *pictures_dir;
    char *large; /* drawn: slow enough to be shot over */
    struct pictures pictures;
    size_t jobs;
    bool stay, tty;

    pid_t broker, engine;
    int broker_stdin;
    char address[64];
    uint16_t port;
    struct settings *settings;

    int64_t start_ns;
    long long ok, dead, retries, recovered, in_flight;
    bool shot;
    char story[512];
    int attempts_to_shoot;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signum)
{
    (void)signum;
    interrupted = 1;
}

static void pause_ms(int ms)
{
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};

    nanosleep(&ts, NULL);
}

static bool out_of_time(const struct demo *d)
{
    return interrupted || clock_now_ns() - d->start_ns > LIMIT_MS * NS_PER_MS;
}

/* ---- Children ---- */

/* Runs this very binary. log: where its output goes. stdin_fd: -1 for none. */
static pid_t start_child(const struct demo *d, const char *log, int stdin_fd, char *const *argv)
{
    char *path = xasprintf("%s/%s", d->out, log);
    int log_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    pid_t parent = getpid(), pid = fork();

    free(path);
    if (pid == 0) {
        /* Whatever becomes of the demo, its children end. */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
            _exit(1);
        setpgid(0, 0); /* Ctrl-C is for the demo, which ends them in order */
        dup2(stdin_fd >= 0 ? stdin_fd : open("/dev/null", O_RDONLY), STDIN_FILENO);
        dup2(log_fd, STDOUT_FILENO);
        dup2(log_fd, STDERR_FILENO);
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    if (log_fd >= 0)
        close(log_fd);
    return pid;
}

static bool has_ended(pid_t *pid)
{
    if (*pid > 0 && waitpid(*pid, NULL, WNOHANG) == *pid)
        *pid = 0;
    return *pid == 0;
}

/* The exit status, or -1. */
static int end_child(pid_t *pid)
{
    int status = -1;

    if (*pid <= 0)
        return -1;
    kill(*pid, SIGTERM);
    for (int i = 0; i < 600; i++) {
        if (waitpid(*pid, &status, WNOHANG) == *pid) {
            *pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        pause_ms(50);
    }
    kill(*pid, SIGKILL);
    waitpid(*pid, &status, 0);
    *pid = 0;
    return -1;
}

/* First line of a file that somebody else is about to write. */
static bool wait_for_line(struct demo *d, const char *name, pid_t *writer, char *line, int size)
{
    char *path = xasprintf("%s/%s", d->out, name);
    bool found = false;

    while (!found && !out_of_time(d)) {
        FILE *f = fopen(path, "re");

        found = f && fgets(line, size, f) && strchr(line, '\n');
        if (f)
            fclose(f);
        if (!found && has_ended(writer))
            break;
        if (!found)
            pause_ms(20);
    }
    line[found ? strcspn(line, "\n") : 0] = 0;
    free(path);
    return found;
}

static int start_broker(struct demo *d)
{
    char *file = xasprintf("%s/broker.address", d->out);
    char *argv[] = {(char *)"quern", (char *)"broker", (char *)"--topic", (char *)TOPIC ":4",
                    (char *)"--topic", (char *)TOPIC ".dlq:1", (char *)"--topic",
                    (char *)"thumbnail-done:1", (char *)"--address-file", file,
                    (char *)"--until-eof", NULL};
    int fds[2];
    bool ready;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return cli_fail(d->cli, EX_OSERR, "no pipe: %s", strerror(errno));
    unlink(file);
    d->broker = start_child(d, "broker.log", fds[0], argv);
    close(fds[0]);
    d->broker_stdin = fds[1];
    free(file);
    ready = wait_for_line(d, "broker.address", &d->broker, d->address, sizeof d->address);
    return ready ? EXIT_SUCCESS
                 : cli_fail(d->cli, EX_UNAVAILABLE, "the embedded broker does not start: see "
                                                    "%s/broker.log", d->out);
}

static int start_engine(struct demo *d)
{
    char *conf = xasprintf("%s/quern.conf", d->out), *port = xasprintf("%s/admin.port", d->out);
    char *argv[] = {(char *)"quern", (char *)"run", (char *)"-c", conf,
                    (char *)"--admin-port-file", port, NULL};
    char line[32];
    int64_t n;
    bool ready;

    unlink(port);
    d->engine = start_child(d, "engine.log", -1, argv);
    ready = wait_for_line(d, "admin.port", &d->engine, line, sizeof line) &&
            text_parse_int(line, &n) == 0;
    free(conf);
    free(port);
    if (!ready)
        return cli_fail(d->cli, EX_UNAVAILABLE, "the engine does not start: see %s/engine.log", d->out);
    d->port = (uint16_t)n;
    return EXIT_SUCCESS;
}

/* ---- The folder and its settings ---- */

static int make_dir(const struct demo *d, const char *name)
{
    char *path = xasprintf("%s%s%s", d->out, name[0] ? "/" : "", name);
    int err = mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -errno;

    free(path);
    return err;
}

/* Not there, empty, or left by an earlier demo. */
static bool may_be_used(const char *path)
{
    char *marker = xasprintf("%s/" MARKER, path);
    bool fine = access(marker, F_OK) == 0;
    DIR *dir = fine ? NULL : opendir(path);
    struct dirent *e;

    if (!fine && !dir)
        fine = errno == ENOENT;
    if (dir) {
        fine = true;
        while ((e = readdir(dir)))
            fine &= strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        closedir(dir);
    }
    free(marker);
    return fine;
}

static void remove_thumbs(const struct demo *d)
{
    char *path = xasprintf("%s/thumbs", d->out);
    DIR *dir = opendir(path);
    struct dirent *e;

    while (dir && (e = readdir(dir)))
        if (e->d_name[0] != '.')
            (void)!unlinkat(dirfd(dir), e->d_name, 0);
    if (dir)
        closedir(dir);
    free(path);
}

static int make_folder(struct demo *d, const char *name)
{
    char absolute[PATH_MAX], *marker;
    int fd;

    if (!may_be_used(name))
        return cli_fail(d->cli, EX_CANTCREAT, "%s is there already and is not of an earlier demo: "
                                              "give another with --out", name);
    if ((mkdir(name, 0755) != 0 && errno != EEXIST) || !realpath(name, absolute))
        return cli_fail(d->cli, EX_CANTCREAT, "%s cannot be made: %s", name, strerror(errno));
    d->out = xstrdup(absolute);
    marker = xasprintf("%s/" MARKER, d->out);
    fd = open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    free(marker);
    if (fd < 0 || make_dir(d, "thumbs") || make_dir(d, "broken") || make_dir(d, "drawn"))
        return cli_fail(d->cli, EX_CANTCREAT, "%s cannot be written: %s", name, strerror(errno));
    close(fd);
    remove_thumbs(d);
    return EXIT_SUCCESS;
}

static void put_quoted(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', f);
        if (text[0] == '$' && text[1] == '{')
            fputc('$', f); /* "$${" is a "${" that is meant as it stands */
        fputc(*text, f);
    }
    fputc('"', f);
}

/* plugin, worker: NULL in the first draft, from which they are found. */
static int write_conf(struct demo *d, const char *plugin, const char *worker)
{
    char *path = xasprintf("%s/quern.conf", d->out), *broken = xasprintf("%s/broken", d->out);
    char *thumbs = xasprintf("%s/thumbs", d->out), *drawn = xasprintf("%s/drawn", d->out);
    FILE *f = fopen(path, "we");

    if (f) {
        fprintf(f, "# Written by `quern demo`. Run it yourself with: quern run -c quern.conf\n"
                   "kafka = { brokers = \"%s\"; embedded = true; create_topics = true; };\n"
                   "admin = { listen = \"127.0.0.1:0\"; };\nlog = { format = \"logfmt\"; };\n",
                d->address);
        if (worker) {
            fputs("worker = ", f);
            put_quoted(f, worker);
            fputs(";\n", f);
        }
        fputs("\npipelines: { thumbnail: {\n  plugin = ", f);
        put_quoted(f, plugin ? plugin : "thumbnail");
        fputs(";\n  topics = [\"" TOPIC "\"];\n  workers = 2;\n  emit = { done = "
              "\"thumbnail-done\"; };\n  retry = { attempts = 5; backoff = \"100ms..2s\"; };\n"
              "  sandbox = {\n    read = [", f);
        put_quoted(f, d->pictures_dir);
        fputs(", ", f);
        put_quoted(f, broken);
        fputs(", ", f);
        put_quoted(f, drawn);
        fputs("];\n    write = [", f);
        put_quoted(f, thumbs);
        fputs("];\n  };\n  settings = {\n    # What may be read is up to the sandbox above.\n"
              "    source_root = \"/\";\n    sink_root = ", f);
        put_quoted(f, thumbs);
        fputs(";\n    durability = \"none\";\n  };\n}; };\n", f);
    }
    free(path);
    free(broken);
    free(thumbs);
    free(drawn);
    if (!f || fclose(f) != 0)
        return cli_fail(d->cli, EX_CANTCREAT, "cannot write the settings: %s", strerror(errno));
    return EXIT_SUCCESS;
}

static int load_conf(struct demo *d)
{
    char *path = xasprintf("%s/quern.conf", d->out);
    struct problems ps = {0};
    int err;

    settings_free(d->settings);
    d->settings = NULL;
    err = settings_load(path, &ps, &d->settings);
    problems_print(&ps, stderr);
    problems_done(&ps);
    free(path);
    return err ? EX_SOFTWARE : EXIT_SUCCESS;
}

static int make_conf(struct demo *d)
{
    struct buf error = BUF_INIT;
    char *plugin = NULL, absolute[PATH_MAX];
    int code = write_conf(d, NULL, NULL);

    if (code == EXIT_SUCCESS)
        code = load_conf(d);
    if (code == EXIT_SUCCESS &&
        plugin_find("thumbnail", d->settings->plugin_dirs, &error, &plugin) != 0)
        code = cli_fail(d->cli, EX_UNAVAILABLE, "%s", buf_text(&error));
    if (code == EXIT_SUCCESS && realpath(plugin, absolute)) {
        char *worker = xstrdup(d->settings->worker);

        code = write_conf(d, absolute, worker);
        free(worker);
        if (code == EXIT_SUCCESS)
            code = load_conf(d);
    }
    free(plugin);
    buf_done(&error);
    return code;
}

/* ---- Pictures and jobs ---- */

static int find_pictures(struct demo *d)
{
    const char *given = cli_option(d->cli, "pictures");
    char *drawn = xasprintf("%s/drawn", d->out), absolute[PATH_MAX];
    int err = 0;

    if (!given)
        given = getenv("QUERN_PICTURES");
    if (!given) {
        err = pictures_draw(drawn, 20);
        given = drawn;
    }
    if (!err)
        err = pictures_find(given, &d->pictures);
    if (!err)
        err = pictures_draw_large(drawn, "large.png");
    d->large = xasprintf("%s/large.png", drawn);
    if (err || !realpath(given, absolute)) {
        int code = cli_fail(d->cli, EX_NOINPUT, "%s cannot be read: %s", given,
                            strerror(err ? -err : errno));
        free(drawn);
        return code;
    }
    d->pictures_dir = xstrdup(absolute);
    free(drawn);
    if (d->pictures.count == 0)
        return cli_fail(d->cli, EX_NOINPUT, "there is no picture in %s", given);
    return EXIT_SUCCESS;
}

/* Job i, from 0. One of them is over a picture so large that there is time to shoot. */
static const char *picture_of(const struct demo *d, size_t i)
{
    return i == LARGE_JOB ? d->large : d->pictures.paths[i % d->pictures.count];
}

static char *file_url(const char *path)
{
    struct buf b = BUF_INIT;

    buf_str(&b, "file://");
    for (const char *c = path; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr("-_.~/", *c);

        buf_printf(&b, plain ? "%c" : "%%%02X", plain ? *c : (unsigned char)*c);
    }
    return buf_steal(&b);
}

static char *job_json(const struct demo *d, const char *path, size_t number)
{
    static const char *const gravities[] = {"center", "attention", "entropy"};
    static const char *const formats[] = {"jpeg", "webp", "png"};
    char *source = file_url(path), *thumbs = xasprintf("%s/thumbs", d->out);
    char *directory = file_url(thumbs), *sink = xasprintf("%s/{key}-{name}.{ext}", directory);
    json_t *root = json_pack(
        "{s:s, s:s, s:[{s:s, s:i, s:i}, {s:s, s:i, s:i}, {s:s, s:i, s:i, s:s, s:s}], s:[s]}",
        "source", source, "sink", sink, "sizes", "name", "large", "w", 1200, "h", 1200, "name",
        "medium", "w", 480, "h", 480, "name", "square", "w", 160, "h", 160, "fit", "cover",
        "gravity", gravities[number % 3], "formats", formats[number % 3]);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

    json_decref(root);
    free(source);
    free(directory);
    free(thumbs);
    free(sink);
    return text;
}

static int submit_job(struct submit *sub, const char *key, const char *value)
{
    return submit_record(sub, TOPIC, key, strlen(key), value, strlen(value), NULL, 0);
}

static void on_submitted(void *data, int32_t partition, int64_t offset, const char *text)
{
    int *failed = data;

    (void)partition, (void)offset;
    *failed += text != NULL;
}

static int submit_all(struct demo *d)
{
    char error[256];
    int failed = 0, err = 0;
    struct submit *sub =
        submit_new(&d->settings->kafka, 30000, on_submitted, &failed, error, sizeof error);

    if (!sub)
        return cli_fail(d->cli, EX_SOFTWARE, "%s", error);
    for (size_t i = 0; !err && i < d->jobs; i++) {
        char *json = job_json(d, picture_of(d, i), i);
        char key[24];

        snprintf(key, sizeof key, "%03zu", i + 1);
        err = json ? submit_job(sub, key, json) : -ENOMEM;
        free(json);
        if (i % 12 == 7 && i / 12 < BROKEN_COUNT && !err) { /* between the good ones */
            char *path = xasprintf("%s/broken/%s", d->out, broken_files[i / 12].name);
            char *bad = job_json(d, path, i);

            err = submit_job(sub, broken_files[i / 12].name, bad);
            free(bad);
            free(path);
        }
    }
    if (!err)
        err = submit_job(sub, "not-json", "make me a thumbnail, please");
    if (!err)
        err = submit_job(sub, "no-body", "");
    if (!err)
        err = submit_wait(sub);
    submit_free(sub);
    if (err || failed)
        return cli_fail(d->cli, EX_UNAVAILABLE, "the jobs cannot be sent: %s",
                        err ? strerror(-err) : "some were not acknowledged");
    return EXIT_SUCCESS;
}

/* ---- Watching, and the shot ---- */

static json_t *ask_status(const struct demo *d)
{
    struct buf body = BUF_INIT;
    json_t *root = NULL, *pl;
    int status = 0;

    if (fetch("127.0.0.1", d->port, "/api/v1/status", 5000, &body, &status) == 0 && status == 200)
        root = json_loadb(body.data, body.len, 0, NULL);
    buf_done(&body);
    pl = json_incref(json_array_get(json_object_get(root, "pipelines"), 0));
    json_decref(root);
    return pl;
}

static long long count_of(json_t *object, const char *name)
{
    return (long long)json_integer_value(json_object_get(object, name));
}

static void shoot(struct demo *d, json_t *workers)
{
    json_t *w;
    size_t i;

    json_array_foreach(workers, i, w) {
        json_t *job = json_object_get(w, "job");
        pid_t pid = (pid_t)count_of(w, "pid");

        if (!job || pid <= 0 || count_of(w, "number") == 0 ||
            count_of(job, "running_ms") < SHOOT_AFTER_MS)
            continue;
        if (kill(pid, SIGSEGV) != 0)
            continue;
        d->attempts_to_shoot++;
        d->shot = true;
        snprintf(d->story, sizeof d->story,
                 "Worker %lld (process %d) was shot with SIGSEGV in the middle of the job at %s/%lld/%lld.",
                 count_of(w, "number"), (int)pid, TOPIC, count_of(job, "partition"),
                 count_of(job, "offset"));
        return;
    }
}

static void show_progress(const struct demo *d, long long total)
{
    static long long told = -1;
    double seconds = (double)(clock_now_ns() - d->start_ns) / 1e9;

    if (!d->tty && d->ok + d->dead < told + 20)
        return;
    told = d->ok + d->dead;
    printf("%s  %5.1f s  %lld of %lld jobs done, %lld dead letters, %lld retries%s%s",
           d->tty ? "\r\033[K" : "", seconds, d->ok + d->dead, total, d->dead, d->retries,
           d->shot ? ", one worker shot (SIGSEGV)" : "", d->tty ? "" : "\n");
    fflush(stdout);
}

static void read_counters(struct demo *d, json_t *pl)
{
    json_t *counters = json_object_get(pl, "counters");

    d->ok = count_of(counters, "ok");
    d->dead = count_of(counters, "dead");
    d->retries = count_of(counters, "retries");
    d->recovered = count_of(counters, "crashes_recovered");
    d->in_flight = count_of(pl, "in_flight");
}

/* Until all jobs have ended. A shot that fell between two jobs is not counted by anybody: again. */
static int watch(struct demo *d)
{
    long long total = (long long)d->jobs + BROKEN_COUNT + ODD_JOBS;

    while (!out_of_time(d)) {
        json_t *pl = ask_status(d);

        if (has_ended(&d->engine)) {
            json_decref(pl);
            return cli_fail(d->cli, EX_SOFTWARE, "the engine has ended: see %s/engine.log", d->out);
        }
        if (pl)
            read_counters(d, pl);
        if (d->shot && d->retries == 0 && d->attempts_to_shoot < 20)
            d->shot = count_of(json_object_get(pl, "pool"), "unexplained") < d->attempts_to_shoot;
        if (pl && !d->shot)
            shoot(d, json_object_get(pl, "workers"));
        json_decref(pl);
        show_progress(d, total);
        if (d->ok + d->dead >= total && d->in_flight == 0)
            break;
        pause_ms(d->shot ? 100 : 5);
    }
    if (d->tty)
        printf("\n");
    if (interrupted)
        return 130;
    if (d->ok + d->dead < total)
        return cli_fail(d->cli, EX_SOFTWARE, "only %lld of %lld jobs ended in time: see %s/engine.log",
                        d->ok + d->dead, total, d->out);
    return EXIT_SUCCESS;
}

/* ---- What came out ---- */

struct harvest {
    const struct demo *d;
    struct sheet *sheet;
};

static void take_outputs(struct sheet_picture *p, json_t *outputs)
{
    json_t *o;
    size_t i;

    p->outputs = xcalloc(json_array_size(outputs) + 1, sizeof *p->outputs);
    json_array_foreach(outputs, i, o) {
        const char *url = json_string_value(json_object_get(o, "url"));
        const char *name = json_string_value(json_object_get(o, "name"));
        const char *base = url ? strrchr(url, '/') : NULL;

        if (!base || !name)
            continue;
        p->outputs[p->output_count++] =
            (struct sheet_output){xasprintf("thumbs%s", base), xstrdup(name), count_of(o, "w"),
                                  count_of(o, "h"), count_of(o, "bytes")};
    }
}

static double sum_of(json_t *times)
{
    const char *name;
    json_t *value;
    double sum = 0;

    json_object_foreach(times, name, value)
        sum += json_number_value(value);
    return sum;
}

static bool take_result(void *data, const rd_kafka_message_t *rec, const struct dead_fields *fields)
{
    struct harvest *h = data;
    json_t *root = json_loadb(rec->payload ? rec->payload : "", rec->len, 0, NULL);
    json_t *source = json_object_get(root, "source");
    char key[32];
    size_t number;
    struct sheet_picture *p;

    (void)fields;
    snprintf(key, sizeof key, "%.*s", (int)rec->key_len, rec->key ? (const char *)rec->key : "");
    number = strtoul(key, NULL, 10);
    if (source && number >= 1 && number <= h->d->jobs) {
        const char *path = picture_of(h->d, number - 1);
        const char *name = strrchr(path, '/');

        h->sheet->pictures = xreallocarray(h->sheet->pictures, h->sheet->picture_count + 1,
                                           sizeof *h->sheet->pictures);
        p = &h->sheet->pictures[h->sheet->picture_count++];
        *p = (struct sheet_picture){.title = xasprintf("%s %s", key, name ? name + 1 : path),
                                    .w = count_of(source, "w"),
                                    .h = count_of(source, "h"),
                                    .bytes = count_of(source, "bytes"),
                                    .ms = sum_of(json_object_get(root, "ms"))};
        take_outputs(p, json_object_get(root, "outputs"));
    }
    json_decref(root);
    return true;
}

static char *field_of(const struct dead_fields *fields, enum dead_header which)
{
    return fields->text[which] ? xstrndup(fields->text[which], fields->len[which]) : xstrdup("");
}

static bool take_dead(void *data, const rd_kafka_message_t *rec, const struct dead_fields *fields)
{
    struct harvest *h = data;
    const char *what = "";
    char key[64];

    snprintf(key, sizeof key, "%.*s", (int)rec->key_len, rec->key ? (const char *)rec->key : "");
    for (size_t i = 0; i < BROKEN_COUNT; i++)
        if (strcmp(key, broken_files[i].name) == 0)
            what = broken_files[i].what;
    h->sheet->dead =
        xreallocarray(h->sheet->dead, h->sheet->dead_count + 1, sizeof *h->sheet->dead);
    h->sheet->dead[h->sheet->dead_count++] =
        (struct sheet_dead){what[0] ? xasprintf("%s (%s)", key, what) : xstrdup(key),
                            field_of(fields, DEAD_HEADER_CAUSE), field_of(fields, DEAD_HEADER_CODE),
                            field_of(fields, DEAD_HEADER_DETAIL)};
    return true;
}

static int by_title(const void *a, const void *b)
{
    return strcmp(((const struct sheet_picture *)a)->title, ((const struct sheet_picture *)b)->title);
}

static int harvest(struct demo *d, struct sheet *sheet)
{
    struct harvest h = {d, sheet};
    char error[256], *path;
    int err = dead_letters_read(&d->settings->kafka, "thumbnail-done", 20000, take_result, &h,
                                error, sizeof error);

    if (!err)
        err = dead_letters_read(&d->settings->kafka, TOPIC ".dlq", 20000, take_dead, &h, error,
                                sizeof error);
    if (err)
        return cli_fail(d->cli, EX_UNAVAILABLE, "the results cannot be read: %s", error);
    if (sheet->picture_count)
        qsort(sheet->pictures, sheet->picture_count, sizeof *sheet->pictures, by_title);
    sheet->story = d->story[0] ? d->story : NULL;
    sheet->seconds = (double)(clock_now_ns() - d->start_ns) / 1e9;
    path = xasprintf("%s/index.html", d->out);
    err = sheet_write(sheet, path);
    free(path);
    return err ? cli_fail(d->cli, EX_CANTCREAT, "the contact sheet cannot be written: %s",
                          strerror(-err))
               : EXIT_SUCCESS;
}

/* ---- The end of the story ---- */

static void print_dead(const struct sheet *sheet)
{
    static const char *const heads[] = {"JOB", "CAUSE", "CODE", "REASON"};
    struct table t;

    table_init(&t, heads, 4);
    for (size_t i = 0; i < sheet->dead_count; i++) {
        table_add(&t, "%s", sheet->dead[i].what);
        table_add(&t, "%s", sheet->dead[i].cause);
        table_add(&t, "%s", sheet->dead[i].code);
        table_add(&t, "%.70s", sheet->dead[i].detail);
    }
    table_print(&t, stdout);
    table_done(&t);
}

static void print_story(struct demo *d, const struct sheet *sheet)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    self[len > 0 ? len : 0] = 0;
    printf("\nThumbnails      %s/thumbs\nContact sheet   %s/index.html   (open it in a browser)\n", d->out,
           d->out);
    printf("\n%zu jobs ended well. %s\n", sheet->picture_count, d->story);
    if (d->recovered)
        printf("The engine charged that job one attempt, gave it to another worker, and it ended well "
               "all the same.\n");
    printf("\n%zu went to the dead-letter topic " TOPIC ".dlq, and why:\n\n", sheet->dead_count);
    print_dead(sheet);
    printf("\nNext:\n");
    if (d->stay) {
        printf("  %s status --url http://127.0.0.1:%u\n", self, d->port);
        printf("  %s dlq show thumbnail 0/0 -c %s/quern.conf\n", self, d->out);
        printf("  %s lag -c %s/quern.conf\n", self, d->out);
    } else {
        printf("  %s demo --out %s --pictures %s --stay\n", self, d->out, d->pictures_dir);
        printf("  %s check -c %s/quern.conf\n", self, d->out);
        printf("  %s new plugin hello\n", self);
    }
    fflush(stdout);
}

static int judge(struct demo *d, const struct sheet *sheet)
{
    if (sheet->picture_count < d->jobs)
        return cli_fail(d->cli, 1, "%zu results for %zu pictures: some of the pictures are damaged, or "
                                   "something is wrong (%s/engine.log)",
                        sheet->picture_count, d->jobs, d->out);
    if (sheet->dead_count != BROKEN_COUNT + ODD_JOBS)
        return cli_fail(d->cli, 1, "%zu dead letters where there should be %d", sheet->dead_count,
                        BROKEN_COUNT + ODD_JOBS);
    if (!d->recovered)
        return cli_fail(d->cli, 1, "no worker could be shot in the middle of its job: this machine is "
                                   "too fast, or too slow");
    return EXIT_SUCCESS;
}

/* The one that is cut in half is called .jpg: it should be one where there is one. */
static const char *sample_of(const struct pictures *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (strstr(p->paths[i], ".jpg") || strstr(p->paths[i], ".jpeg"))
            return p->paths[i];
    return p->paths[0];
}

static int play(struct demo *d)
{
    struct sheet sheet = {0};
    char *broken = xasprintf("%s/broken", d->out);
    int code = find_pictures(d);

    if (code == EXIT_SUCCESS && pictures_break(broken, sample_of(&d->pictures)) != 0)
        code = cli_fail(d->cli, EX_CANTCREAT, "%s cannot be written", broken);
    free(broken);
    if (code == EXIT_SUCCESS)
        code = start_broker(d);
    if (code == EXIT_SUCCESS)
        code = make_conf(d);
    if (code == EXIT_SUCCESS)
        code = start_engine(d);
    if (code == EXIT_SUCCESS) {
        printf("Embedded broker at %s (in memory, for development only); engine with 2 workers, its log "
               "in %s/engine.log\n%zu jobs over %zu pictures of %s, %d more that are broken on purpose\n\n",
               d->address, d->out, d->jobs, d->pictures.count, d->pictures_dir,
               BROKEN_COUNT + ODD_JOBS);
        fflush(stdout);
        code = submit_all(d);
    }
    if (code == EXIT_SUCCESS)
        code = watch(d);
    if (code == EXIT_SUCCESS)
        code = harvest(d, &sheet);
    if (code == EXIT_SUCCESS) {
        print_story(d, &sheet);
        code = judge(d, &sheet);
    }
    sheet_done(&sheet);
    if (code == EXIT_SUCCESS && d->stay) {
        printf("\nAll stays up until Ctrl-C.\n");
        fflush(stdout);
        while (!interrupted && !has_ended(&d->engine))
            pause_ms(200);
    }
    return code;
}

static int run(struct cli *cli)
{
    struct demo d = {.cli = cli, .jobs = 60, .broker_stdin = -1};
    struct sigaction action = {.sa_handler = on_interrupt};
    const char *out = cli_option(cli, "out"), *jobs = cli_option(cli, "jobs");
    int64_t n = 60;
    int code, end;

    if (cli->argc > 0)
        return cli_usage(cli, "takes no arguments");
    if (jobs && (text_parse_int(jobs, &n) != 0 || n < 1 || n > 900))
        return cli_usage(cli, "--jobs: \"%s\" is not 1 to 900", jobs);
    d.jobs = (size_t)n < 12 * BROKEN_COUNT ? 12 * BROKEN_COUNT : (size_t)n;
    d.stay = cli_option(cli, "stay") != NULL;
    d.tty = isatty(STDOUT_FILENO);
    d.start_ns = clock_now_ns();
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_ERROR, LOG_TEXT, STDERR_FILENO); /* the engine's own log is in its file */
    code = make_folder(&d, out ? out : "quern-demo");
    if (code == EXIT_SUCCESS)
        code = play(&d);
    end = d.engine > 0 ? end_child(&d.engine) : 0;
    if (code == EXIT_SUCCESS && end != 0)
        code = cli_fail(cli, 1, "the engine ended with %d instead of 0", end);
    if (d.broker_stdin >= 0)
        close(d.broker_stdin);
    end_child(&d.broker);
    settings_free(d.settings);
    pictures_done(&d.pictures);
    free(d.pictures_dir);
    free(d.large);
    free(d.out);
    return code;
}

const struct verb verb_demo = {
    .name = "demo",
    .summary = "see it work: embedded broker, pictures in, thumbnails out",
    .usage = "[--pictures DIR] [--out DIR] [--jobs N] [--stay]",
    .examples = "quern demo\nquern demo --pictures ~/Pictures --stay",
    .about = "Puts some 60 jobs over your pictures (or drawn ones) on a topic of an embedded broker, and a\n"
             "few that are broken on purpose; shoots one worker in the middle of its job. Leaves the\n"
             "thumbnails, a contact sheet and the settings it ran with in the folder.",
    .options = (const struct verb_option[]){
        {"pictures", 'p', "DIR", "pictures to use; default: $QUERN_PICTURES, else drawn ones"},
        {"out", 0, "DIR", "where to put everything; default: ./quern-demo"},
        {"jobs", 'n', "N", "how many jobs, 48 to 900; default: 60"},
        {"stay", 0, NULL, "stay up afterwards, until Ctrl-C"},
        VERB_OPTIONS_END},
    .run = run,
};
