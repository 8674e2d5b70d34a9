/* SPDX-License-Identifier: Apache-2.0 */
#include "config/keys.h"

#include <string.h>

#include "config/settings.h"

#ifndef QUERN_PLUGINDIR
#define QUERN_PLUGINDIR "/usr/lib/quern/plugins"
#endif
#ifndef QUERN_WORKER
#define QUERN_WORKER "/usr/libexec/quern/quern-worker"
#endif

#define DAY_MS INT64_C(86400000)
#define END {NULL, KEY_STRING, 0, NULL, 0, 0, NULL, NULL, 0, NULL}
#define AT(st, field) offsetof(struct st, field)

static const struct key kafka_keys[] = {
    {"brokers", KEY_STRING, AT(settings_kafka, brokers), "127.0.0.1:9092", 0, 0, NULL, NULL, 0,
     "Where to find the cluster: host:port, several separated by commas."},
    {"client_id", KEY_STRING, AT(settings_kafka, client_id), "quern", 0, 0, NULL, NULL, 0,
     "The name the brokers know this engine by, in their logs and quotas."},
    {"create_topics", KEY_BOOL, AT(settings_kafka, create_topics), "false", 0, 0, NULL, NULL, 0,
     "Create the topics of the pipelines that are missing. Off, a missing topic is an error at "
     "start that names it."},
    {"create_partitions", KEY_INT32, AT(settings_kafka, create_partitions), "6", 1, 10000, NULL,
     NULL, 0, "Partitions of a topic that is created."},
    {"create_replication", KEY_INT32, AT(settings_kafka, create_replication), "-1", -1, 100, NULL,
     NULL, 0, "Replicas of a topic that is created; -1: the cluster's default."},
    {"embedded", KEY_BOOL, AT(settings_kafka, embedded), "false", 0, 0, NULL, NULL, 0,
     "The brokers are `quern broker`, which needs shorter waits. Never with a real cluster."},
    {"properties", KEY_MAP, 0, NULL, 0, 0, NULL, NULL, 0,
     "Settings of librdkafka that are passed through, with _ for each dot of their names: "
     "security_protocol = \"SASL_SSL\". Only those on the allow-list; secrets by ${file:...}."},
    END,
};

static const struct key admin_keys[] = {
    {"listen", KEY_STRING, 0, "127.0.0.1:8686", 0, 0, NULL, NULL, KEY_BY_CODE,
     "Address and port of health, metrics and status over HTTP, or \"off\". Port 0: any free one. "
     "There is no login: keep it on loopback, or behind something that has one."},
    END,
};

static const struct key log_keys[] = {
    {"level", KEY_CHOICE, AT(settings_log, level), "info", 0, 0, "debug|info|warn|error", NULL, 0,
     "The least level that is written."},
    {"format", KEY_CHOICE, AT(settings_log, format), "text", 0, 0, "text|logfmt|json", NULL, 0,
     "text for eyes, logfmt or json for machines. One event a line, on stderr."},
    END,
};

static const struct key retry_keys[] = {
    {"attempts", KEY_INT32, AT(settings_pipeline, attempts), "5", 1, 1000, NULL, NULL, 0,
     "How often a job is tried in all; then it goes to the dead letters."},
    {"backoff", KEY_SPAN, AT(settings_pipeline, backoff_min_ms), "1s..10m", 1, 7 * DAY_MS, NULL,
     NULL, 0, "The wait after the first failure, doubling up to the second value, with jitter."},
    {"max_age", KEY_DURATION, AT(settings_pipeline, max_age_ms), "24h", 1000, 30 * DAY_MS, NULL,
     NULL, 0, "A job that has been failing or deferred for so long goes to the dead letters."},
    END,
};

static const struct key window_keys[] = {
    {"records", KEY_INT, AT(settings_pipeline, window_records), "10000", 64, 1 << 24, NULL, NULL, 0,
     "Jobs the pipeline holds in the engine at once, waiting ones included. Then it reads no "
     "further."},
    {"bytes", KEY_SIZE, AT(settings_pipeline, window_bytes), "64MiB", 1 << 20, INT64_C(1) << 40,
     NULL, NULL, 0, "The same in bytes of keys and values."},
    END,
};

static const struct key sandbox_keys[] = {
    {"network", KEY_BOOL, AT(settings_sandbox, network), "false", 0, 0, NULL, NULL, 0,
     "Whether the plugin may open sockets to other hosts."},
    {"read", KEY_LIST, AT(settings_sandbox, read), "", 0, 0, NULL, NULL, 0,
     "Paths beneath which it may read. The system's libraries are always readable."},
    {"write", KEY_LIST, AT(settings_sandbox, write), "", 0, 0, NULL, NULL, 0,
     "Paths beneath which it may read, write, make and remove."},
    {"memory", KEY_SIZE, AT(settings_sandbox, memory_bytes), "1GiB", 0, INT64_C(1) << 44, NULL, NULL,
     0, "Address space of a worker (RLIMIT_AS); an allocation beyond it fails. 0: no limit."},
    {"open_files", KEY_INT, AT(settings_sandbox, open_files), "256", 32, 1 << 20, NULL, NULL, 0,
     "File descriptors of a worker (RLIMIT_NOFILE)."},
    {"file_size", KEY_SIZE, AT(settings_sandbox, file_bytes), "1GiB", 0, INT64_C(1) << 44, NULL, NULL,
     0, "The largest file it may write (RLIMIT_FSIZE). 0: no limit."},
    {"seccomp", KEY_BOOL, AT(settings_sandbox, seccomp), "true", 0, 0, NULL, NULL, 0,
     "Filter system calls: no exec, no ptrace, no mounts, ... Off only to find out what it is that "
     "a plugin does."},
    {"landlock", KEY_BOOL, AT(settings_sandbox, landlock), "true", 0, 0, NULL, NULL, 0,
     "Guard files by `read` and `write`. Off only to find out what it is that a plugin opens."},
    END,
};

const struct key pipeline_keys[] = {
    {"plugin", KEY_STRING, AT(settings_pipeline, plugin), NULL, 0, 0, NULL, NULL, KEY_REQUIRED,
     "The plugin: a name to be found in plugin_dirs, or the path of a .so."},
    {"topics", KEY_TOPICS, AT(settings_pipeline, topics), NULL, 0, 0, NULL, NULL, KEY_REQUIRED,
     "The topics whose records are its jobs."},
    {"group", KEY_STRING, AT(settings_pipeline, group), NULL, 0, 0, NULL, NULL, 0,
     "The consumer group. Default: \"quern.\" and the pipeline's name."},
    {"start", KEY_CHOICE, AT(settings_pipeline, start), "earliest", 0, 0, "earliest|latest", NULL, 0,
     "Where a group begins that has never committed."},
    {"order", KEY_CHOICE, AT(settings_pipeline, order), "none", 0, 0, "none", NULL, 0,
     "Which jobs must run one after the other. This version knows \"none\"."},
    {"workers", KEY_INT32, AT(settings_pipeline, workers), "1", 1, 256, NULL, NULL, 0,
     "Worker processes, each with one job at a time."},
    {"deadline", KEY_DURATION, AT(settings_pipeline, deadline_ms), "30s", 10, DAY_MS, NULL, NULL, 0,
     "How long one attempt may take. Then the plugin is asked to stop, and killed after `grace`."},
    {"grace", KEY_DURATION, AT(settings_pipeline, grace_ms), "2s", 0, DAY_MS, NULL, NULL, 0,
     "From being asked to being killed."},
    {"start_timeout", KEY_DURATION, AT(settings_pipeline, start_timeout_ms), "30s", 100, DAY_MS,
     NULL, NULL, 0, "How long a worker may take to be ready."},
    {"max_jobs", KEY_INT, AT(settings_pipeline, max_jobs), "0", 0, INT64_C(1) << 40, NULL, NULL, 0,
     "A worker is replaced after so many jobs, which cures leaks. 0: never."},
    {"max_crashes", KEY_INT32, AT(settings_pipeline, max_crashes), "3", 1, 100, NULL, NULL, 0,
     "The crash (or deadline) of one job that sends it to the dead letters."},
    {"ring", KEY_SIZE, AT(settings_pipeline, ring_bytes), "512KiB", 65536, 1 << 26, NULL, NULL, 0,
     "Shared memory between engine and worker, each way; a power of two. Larger records travel "
     "beside it."},
    {"max_record", KEY_SIZE, AT(settings_pipeline, max_record_bytes), "1MiB", 1, 1 << 30, NULL, NULL,
     0, "A larger record goes to the dead letters unseen."},
    {"max_emit", KEY_SIZE, AT(settings_pipeline, max_emit_bytes), "1MiB", 0, 1 << 25, NULL, NULL, 0,
     "All that one job may emit."},
    {"retry", KEY_GROUP, 0, NULL, 0, 0, NULL, retry_keys, 0, "How a failed job is tried again."},
    {"dead", KEY_TOPIC, AT(settings_pipeline, dead), NULL, 0, 0, NULL, NULL, 0,
     "The dead-letter topic. Default: the first topic with \".dlq\" behind it."},
    {"emit", KEY_MAP, 0, NULL, 0, 0, NULL, NULL, 0,
     "Where the plugin's results go: alias = \"topic\"."},
    {"window", KEY_GROUP, 0, NULL, 0, 0, NULL, window_keys, 0,
     "How much the pipeline holds at once."},
    {"sandbox", KEY_GROUP, AT(settings_pipeline, sandbox), NULL, 0, 0, NULL, sandbox_keys, 0,
     "What its workers may do."},
    {"settings", KEY_MAP, 0, NULL, 0, 0, NULL, NULL, 0,
     "The plugin's own settings: `quern plugin inspect NAME` lists them."},
    END,
};

const struct key settings_keys[] = {
    {"include_dir", KEY_STRING, 0, NULL, 0, 0, NULL, NULL, KEY_BY_CODE,
     "A folder, relative to this file, whose *.conf files are read as well, each with pipelines."},
    {"plugin_dirs", KEY_LIST, AT(settings, plugin_dirs), QUERN_PLUGINDIR, 0, 0, NULL, NULL, 0,
     "Folders to look for plugins in. Those in the environment's QUERN_PLUGIN_PATH come first."},
    {"worker", KEY_STRING, AT(settings, worker), QUERN_WORKER, 0, 0, NULL, NULL, 0,
     "Path of the quern-worker binary."},
    {"drain_timeout", KEY_DURATION, AT(settings, drain_timeout_ms), "30s", 0, DAY_MS, NULL, NULL, 0,
     "On SIGTERM, and when partitions are taken away: how long running jobs may take to end."},
    {"commit_interval", KEY_DURATION, AT(settings, commit_interval_ms), "1s", 10, 3600000, NULL, NULL,
     0, "How often offsets are committed: what is settled since runs again after a kill -9."},
    {"kafka", KEY_GROUP, AT(settings, kafka), NULL, 0, 0, NULL, kafka_keys, 0, "The cluster."},
    {"log", KEY_GROUP, AT(settings, log), NULL, 0, 0, NULL, log_keys, 0, "The engine's log."},
    {"admin", KEY_GROUP, AT(settings, admin), NULL, 0, 0, NULL, admin_keys, 0,
     "Health, metrics and status over HTTP."},
    {"pipelines", KEY_MAP, 0, NULL, 0, 0, NULL, pipeline_keys, 0,
     "The pipelines by name ([a-z0-9-], at most 64)."},
    END,
};

const char *key_type_name(enum key_type type)
{
    static const char *const names[] = {
#define X(name, text) text,
        KEY_TYPES(X)
#undef X
    };

    return names[type];
}

const struct key *key_find(const char *path)
{
    const struct key *table = settings_keys, *found = NULL;

    while (*path) {
        size_t len = strcspn(path, ".");
        const struct key *k = table;

        while (k && k->name && (strncmp(k->name, path, len) != 0 || k->name[len]))
            k++;
        /* pipelines.NAME.key: the name may be there or not. */
        if ((!k || !k->name) && found && found->sub == pipeline_keys && table == pipeline_keys &&
            path[len] == '.') {
            path += len + 1;
            continue;
        }
        if (!k || !k->name)
            return NULL;
        found = k;
        table = k->sub;
        path += len + (path[len] == '.');
    }
    return found;
}

static void print_constraints(const struct key *k, FILE *out)
{
    fprintf(out, "%s", key_type_name(k->type));
    for (const char *c = k->choices ? k->choices : ""; *c; c++)
        fprintf(out, *c == '|' ? ", " : c == k->choices ? " %c" : "%c", *c);
    if (k->flags & KEY_REQUIRED)
        fprintf(out, ", required");
    else if (k->fallback)
        fprintf(out, ", default %s", k->fallback[0] ? k->fallback : "empty");
}

void key_explain(const char *path, const struct key *k, FILE *out)
{
    fprintf(out, "%s  (", path);
    print_constraints(k, out);
    fprintf(out, ")\n    %s\n", k->help);
    for (const struct key *s = k->sub; s && s->name; s++)
        fprintf(out, "      %-16s %s\n", s->name, s->help);
}

static void reference_table(const char *prefix, const struct key *table, bool man, FILE *out)
{
    for (const struct key *k = table; k->name; k++) {
        char path[128];

        snprintf(path, sizeof path, "%s%s", prefix, k->name);
        if (man) {
            fprintf(out, ".TP\n.B %s\n(", path);
            print_constraints(k, out);
            fprintf(out, ")\n.br\n%s\n", k->help);
        } else {
            fprintf(out, "| `%s` | ", path);
            print_constraints(k, out);
            fprintf(out, " | %s |\n", k->help);
        }
        if (k->sub) {
            snprintf(path, sizeof path, "%s%s.%s", prefix, k->name,
                     k->sub == pipeline_keys ? "NAME." : "");
            reference_table(path, k->sub, man, out);
        }
    }
}

void keys_reference(bool man, FILE *out)
{
    if (!man)
        fprintf(out, "| key | type | meaning |\n|---|---|---|\n");
    reference_table("", settings_keys, man, out);
}
