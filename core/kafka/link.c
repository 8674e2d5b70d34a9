/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a handle has a broker: see client.h.
 *
 * WHY. "The broker is away" is the most frequent trouble there is, and the one whose log is worst:
 * a line a second from each connection of each handle. Here it is one line when it begins, one a
 * minute, one when it ends.
 *
 * Being up is told by anything that came from a broker; being down by librdkafka's "all brokers
 * down", by its statistics, or by ten seconds of silence after the start.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "kafka/client.h"

#define SAY_AGAIN_NS     (60 * NS_PER_S)
#define FIRST_CONTACT_NS (10 * NS_PER_S)

void client_link_init(struct client_link *link, const char *role, const char *pipeline,
                      const char *brokers)
{
    *link = (struct client_link){
        .role = role,
        .pipeline = pipeline,
        .brokers = brokers,
        .down_since_ns = clock_now_ns(),
    };
}

static void say_unreachable(struct client_link *link, const char *reason)
{
    int64_t now = clock_now_ns();

    link->said = true;
    link->said_ns = now;
    log_event(LOG_WARN, "kafka.unreachable", "no broker can be reached; trying on",
              LF_STR("brokers", link->brokers), LF_STR("role", link->role),
              LF_STR("pipeline", link->pipeline), LF_STR("reason", reason),
              LF_INT("for_s", (now - link->down_since_ns) / NS_PER_S));
}

void client_link_up(struct client_link *link)
{
    if (link->connected)
        return;
    link->connected = true;
    log_event(LOG_INFO, link->said ? "kafka.restored" : "kafka.connected",
              link->said ? "a broker can be reached again" : "connected",
              LF_STR("brokers", link->brokers), LF_STR("role", link->role),
              LF_STR("pipeline", link->pipeline),
              LF_INT("after_ms", (clock_now_ns() - link->down_since_ns) / NS_PER_MS));
    link->ever = true;
    link->said = false;
}

void client_link_down(struct client_link *link, const char *reason)
{
    if (link->connected || link->down_since_ns == 0)
        link->down_since_ns = clock_now_ns();
    link->connected = false;
    if (!link->said)
        say_unreachable(link, reason);
}

/* The brokers' states stand before "topics"; a hand-made search is enough for what librdkafka
 * itself writes without spaces around the colon of a nested object's first level. */
void client_link_stats(struct client_link *link, const char *json, size_t len)
{
    static const char key[] = "\"state\":";
    const char *end = memmem(json, len, "\"topics\":", 9);
    const char *at = json;

    if (!end)
        end = json + len;
    while ((at = memmem(at, (size_t)(end - at), key, sizeof key - 1))) {
        at += sizeof key - 1;
        while (at < end && (*at == ' ' || *at == '"'))
            at++;
        if (end - at >= 3 && memcmp(at, "UP\"", 3) == 0) {
            client_link_up(link);
            return;
        }
    }
    /* One sample without a broker may be the moment between an idle connection's end and the next
     * one: that it is down is for librdkafka's own report and for the tick to say. */
}

void client_link_tick(struct client_link *link)
{
    int64_t now = clock_now_ns();

    if (link->connected)
        return;
    if (!link->said && now - link->down_since_ns > FIRST_CONTACT_NS)
        say_unreachable(link, "no answer");
    else if (link->said && now - link->said_ns > SAY_AGAIN_NS)
        say_unreachable(link, NULL);
}
