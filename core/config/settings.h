/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings: one typed tree, made from libconfig text by settings_load(), complete with defaults,
 * validated as a whole and never changed afterwards. Everything below this room reads structs, never
 * libconfig.
 *
 * Owner: whoever loaded it; freed with settings_free(). All strings are never NULL unless said.
 */
#ifndef QUERN_CONFIG_SETTINGS_H
#define QUERN_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "config/problems.h"

/* Where a value stands, for messages. file NULL: it is a default. */
struct place {
    const char *file;
    int line;
};

struct property { /* a librdkafka setting that was passed through */
    char *name;   /* as librdkafka has it: "security.protocol" */
    char *value;
    bool secret;
    struct place place;
};

struct settings_kafka {
    char *brokers; /* "host:port,host:port" */
    char *client_id;
    struct property *properties;
    size_t property_count;
    bool create_topics;    /* create dead-letter and emit topics that are missing */
    int32_t create_partitions; /* of a topic that is created */
    int32_t create_replication;
    bool embedded; /* the brokers are `quern broker`: shorter session and fetch wait */
};

struct settings_admin {
    bool enabled;
    char *host; /* address to bind, "127.0.0.1" */
    uint16_t port; /* 0: any free one */
};

struct settings_log {
    enum log_level level;
    enum log_format format;
};

enum order { ORDER_NONE };
enum start { START_EARLIEST, START_LATEST };

struct settings_emit { /* an alias that the plugin may emit to */
    char *alias;
    char *topic;
};

/* One `name = value` of the plugin's own settings, as text: the plugin's table gives it its type. A
 * list has as many entries as values, all of one name; an empty list has one with text NULL. */
struct plugin_setting {
    char *name;
    char *text;
    bool list;   /* written as [ ... ] */
    bool quoted; /* written as "..." */
    bool secret; /* came from a file or a credential */
    struct place place;
};

struct settings_sandbox {
    bool network;  /* may the worker open sockets to others */
    char **read;   /* paths it may read beneath; NULL-terminated */
    char **write;  /* paths it may read and write beneath; NULL-terminated */
    bool seccomp;  /* on by default; off only to debug */
    bool landlock; /* likewise */
    int64_t memory_bytes; /* RLIMIT_AS of a worker; 0: none */
    int64_t open_files;   /* RLIMIT_NOFILE */
    int64_t file_bytes;   /* RLIMIT_FSIZE; 0: none */
};

struct settings_pipeline {
    char *name;   /* [a-z0-9-]{1,64} */
    char *plugin; /* a name to look up in plugin_dirs, or a path with a '/' */
    struct place place;        /* of the pipeline's group */
    struct place plugin_place; /* of its `plugin` */
    char **topics;             /* NULL-terminated; at least one */
    size_t topic_count;
    char *group; /* consumer group; default "quern.<name>" */
    enum start start;
    enum order order;

    int32_t workers;
    int64_t deadline_ms;      /* of one attempt */
    int64_t grace_ms;         /* from the cancel flag to SIGKILL */
    int64_t start_timeout_ms; /* of a worker, until it is ready */
    int64_t max_jobs;         /* a worker is replaced after that many; 0: never */
    int32_t max_crashes;      /* the crash that dead-letters a job */
    int64_t ring_bytes;       /* of each ring between core and worker */
    int64_t max_emit_bytes;   /* all that one job may emit */
    int64_t max_record_bytes; /* a larger record is dead-lettered unseen */
    int64_t window_records;   /* jobs in the engine at once, this pipeline */
    int64_t window_bytes;

    int32_t attempts;       /* the last one included */
    int64_t backoff_min_ms; /* after the first failure */
    int64_t backoff_max_ms;
    int64_t max_age_ms; /* since the first failure in this process */
    char *dead;         /* dead-letter topic */

    struct settings_emit *emits;
    size_t emit_count;
    struct settings_sandbox sandbox;
    struct plugin_setting *settings;
    size_t setting_count;
    struct place settings_place; /* of `settings`; file NULL: there is none */
};

struct settings {
    char *path; /* of the file that was loaded */
    char **plugin_dirs; /* NULL-terminated, searched in this order */
    char *worker;       /* path of the quern-worker binary */
    int64_t drain_timeout_ms; /* SIGTERM to the end */
    int64_t commit_interval_ms;
    struct settings_kafka kafka;
    struct settings_admin admin;
    struct settings_log log;
    struct settings_pipeline *pipelines;
    size_t pipeline_count;
    void *arena_, *sources_; /* private */
};

/* Loads `path` and, when it says `include_dir`, the *.conf files there in lexical order. All that is
 * wrong goes into `ps`; with an error among it *ret is left alone.
 * 0; -ENOENT or -EACCES: `path` cannot be read; -EINVAL: see `ps` (which has the former two as well). */
__attribute__((warn_unused_result)) int settings_load(const char *path, struct problems *ps,
                                                      struct settings **ret);
void settings_free(struct settings *s); /* NULL is fine */

#endif
