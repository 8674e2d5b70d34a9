/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where everything stands in the structs that cross the ABI, on a 64-bit machine. A line here changes
 * never, once released; lines are added at the end of a struct. Compiling is the test.
 */
#include <quern/plugin.h>

#define SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define AT(type, field, bytes)                                                                     \
    _Static_assert(offsetof(struct type, field) == (bytes), "place of " #type "." #field)

_Static_assert(sizeof(void *) == 8, "this table is of 64-bit machines");
_Static_assert(QUERN_ABI_MAJOR == 1 && QUERN_ABI_MINOR == 0, "a new minor: add what it has added");

/* clang-format off */
SIZE(quern_bytes, 16);
AT(quern_bytes, data, 0);
AT(quern_bytes, len, 8);
SIZE(quern_header, 24);
AT(quern_header, name, 0);
AT(quern_header, value, 8);
SIZE(quern_job, 96);
AT(quern_job, size, 0);
AT(quern_job, attempt, 4);
AT(quern_job, host, 8);
AT(quern_job, key, 16);
AT(quern_job, value, 32);
AT(quern_job, topic, 48);
AT(quern_job, offset, 56);
AT(quern_job, timestamp_ms, 64);
AT(quern_job, headers, 72);
AT(quern_job, partition, 80);
AT(quern_job, header_count, 84);
AT(quern_job, id, 88);
SIZE(quern_context, 24);
AT(quern_context, size, 0);
AT(quern_context, worker, 4);
AT(quern_context, host, 8);
AT(quern_context, pipeline, 16);
SIZE(quern_option, 64);
AT(quern_option, name, 0);
AT(quern_option, type, 8);
AT(quern_option, flags, 12);
AT(quern_option, offset, 16);
AT(quern_option, default_value, 24);
AT(quern_option, choices, 32);
AT(quern_option, min, 40);
AT(quern_option, max, 48);
AT(quern_option, help, 56);
SIZE(quern_plugin, 96);
AT(quern_plugin, size, 0);
AT(quern_plugin, magic, 4);
AT(quern_plugin, abi_major, 8);
AT(quern_plugin, abi_minor, 10);
AT(quern_plugin, min_minor, 12);
AT(quern_plugin, reserved, 14);
AT(quern_plugin, name, 16);
AT(quern_plugin, version, 24);
AT(quern_plugin, summary, 32);
AT(quern_plugin, needs, 40);
AT(quern_plugin, option_size, 44);
AT(quern_plugin, options, 48);
AT(quern_plugin, settings_size, 56);
AT(quern_plugin, check, 64);
AT(quern_plugin, open, 72);
AT(quern_plugin, handle, 80);
AT(quern_plugin, close, 88);
SIZE(quern_emit, 56);
AT(quern_emit, size, 0);
AT(quern_emit, header_count, 4);
AT(quern_emit, alias, 8);
AT(quern_emit, key, 16);
AT(quern_emit, value, 32);
AT(quern_emit, headers, 48);
SIZE(quern_host, 96);
AT(quern_host, size, 0);
AT(quern_host, abi_major, 4);
AT(quern_host, abi_minor, 6);
AT(quern_host, log, 8);
AT(quern_host, fail, 16);
AT(quern_host, retry_after, 24);
AT(quern_host, emit, 32);
AT(quern_host, alloc, 40);
AT(quern_host, remaining_ms, 48);
AT(quern_host, cancelled, 56);
AT(quern_host, now_ms, 64);
AT(quern_host, metric, 72);
AT(quern_host, metric_record, 80);
AT(quern_host, open_error, 88);
/* clang-format on */

/* Values that plugins have compiled in. */
_Static_assert(QUERN_MAGIC == 0x4e524551u, "magic");
_Static_assert(QUERN_OK == 0 && QUERN_SKIP == 1 && QUERN_RETRY == 2 && QUERN_DEFER == 3 &&
                   QUERN_REJECT == 4 && QUERN_PENDING == 5 && QUERN_FATAL == 6,
               "results");
_Static_assert(QUERN_TYPE_STRING == 1 && QUERN_TYPE_INT == 2 && QUERN_TYPE_FLOAT == 3 &&
                   QUERN_TYPE_BOOL == 4 && QUERN_TYPE_DURATION == 5 && QUERN_TYPE_SIZE == 6 &&
                   QUERN_TYPE_CHOICE == 7 && QUERN_TYPE_LIST == 8,
               "types of settings");
_Static_assert(QUERN_OPTION_REQUIRED == 1 && QUERN_OPTION_SECRET == 2, "flags of settings");
_Static_assert(QUERN_NEEDS_NETWORK == 1 && QUERN_NEEDS_FILES == 2, "needs");
_Static_assert(QUERN_LOG_DEBUG == 0 && QUERN_LOG_INFO == 1 && QUERN_LOG_WARN == 2 &&
                   QUERN_LOG_ERROR == 3,
               "levels");
_Static_assert(QUERN_METRIC_COUNTER == 1 && QUERN_METRIC_GAUGE == 2 && QUERN_METRIC_HISTOGRAM == 3,
               "kinds of metrics");
