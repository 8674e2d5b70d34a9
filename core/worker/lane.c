/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/lane.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "worker/wire.h"

#define ROUND_RECORDS 2048            /* results in one go; then the loop has its turn */
#define QUEUED_NS (20 * NS_PER_MS)    /* of work in front of a worker */
#define FIRST_GUESS_NS (10 * NS_PER_MS) /* of a job's time, until jobs have been seen */
#define RESULT_BODY_MAX (64 << 20)

static const char *const state_names[] = {"dead", "starting", "ready", "stopping"};

static void set_state(struct lane *l, enum lane_state state)
{
    struct pool_stats *stats = pool_view(l->pool)->stats;

    log_event(LOG_DEBUG, "worker.state", "a worker's place changed its state",
              LF_STR("pipeline", pool_view(l->pool)->pl->name), LF_INT("worker", l->number),
              LF_STR("from", state_names[l->state]), LF_STR("to", state_names[state]));
    stats->ready -= l->state == LANE_READY;
    stats->starting -= l->state == LANE_STARTING;
    stats->ready += state == LANE_READY;
    stats->starting += state == LANE_STARTING;
    l->state = state;
}

static void wake_worker(struct lane *l)
{
    uint64_t one = 1;

    pool_view(l->pool)->stats->wakes++;
    (void)!write(l->job_fd, &one, sizeof one);
}

static struct lane_entry *entry_at(struct lane *l, uint32_t serial)
{
    return &l->entries[serial & (LANE_SLOTS - 1)];
}

static uint32_t serial_after(uint32_t serial)
{
    return serial == UINT32_MAX ? 1 : serial + 1; /* 0 says: none */
}

/* ---- Jobs to the worker ---- */

static int encode_inline(struct lane *l, const struct worker_job *wj, uint32_t serial, size_t body)
{
    void *at;
    int err = ring_reserve(&l->jobs, WIRE_JOB, sizeof(struct wire_job) + body, &at);

    if (!err)
        wire_job_encode(wj, serial, body, at, (char *)at + sizeof(struct wire_job));
    return err;
}

/* The body in a memfd of its own. The descriptor goes first: it must be there when the record is. */
static int encode_passed(struct lane *l, const struct worker_job *wj, uint32_t serial, size_t body)
{
    uint64_t before = l->jobs.head;
    char *copy = malloc(body);
    void *at;
    int fd = -ENOMEM, err;

    if (!copy)
        return -ENOMEM;
    err = ring_reserve(&l->jobs, WIRE_JOB_FD, sizeof(struct wire_job), &at);
    if (!err) {
        wire_job_encode(wj, serial, body, at, copy);
        fd = sealed_memfd("quern-record", copy, body);
        err = fd < 0 ? -ENOMEM : fd_send(l->pass_fd, fd);
        if (fd >= 0)
            close(fd);
        if (err)
            l->jobs.head = before; /* not published yet: it never was */
    }
    free(copy);
    return err == -EPROTO ? err : err == -EAGAIN ? -EAGAIN : err ? -ENOMEM : 0;
}

int lane_submit(struct lane *l, void *job, const struct worker_job *wj)
{
    size_t body = wire_job_body(wj);
    struct lane_entry *e;
    int err;

    if (!lane_has_room(l) || entry_at(l, l->next)->job)
        return -EAGAIN;
    if (sizeof(struct wire_job) + body <= l->jobs.size / 4)
        err = encode_inline(l, wj, l->next, body);
    else
        err = encode_passed(l, wj, l->next, body);
    if (err == -EPROTO) {
        lane_kill(l, DEATH_PROTOCOL, "it wrote nonsense into the job ring's index");
        return -EAGAIN;
    }
    if (err)
        return err;
    e = entry_at(l, l->next);
    *e = (struct lane_entry){job, l->next, wj->topic, wj->partition, wj->offset};
    l->next = serial_after(l->next);
    l->in_flight++;
    pool_view(l->pool)->stats->in_flight++;
    return 0;
}

void lane_flush(struct lane *l)
{
    if (l->state != LANE_DEAD && ring_publish(&l->jobs))
        wake_worker(l);
}

/* ---- Results from the worker ---- */

static void protocol_error(struct lane *l, const char *what)
{
    pool_view(l->pool)->stats->protocol_errors++;
    lane_kill(l, DEATH_PROTOCOL, what);
}

static void update_depth(struct lane *l, int64_t run_ns)
{
    int64_t depth;

    l->service_ns += (run_ns + 200 - l->service_ns) / 8;
    if (l->number == 0)
        return; /* quarantine: always one */
    depth = QUEUED_NS / (l->service_ns > 0 ? l->service_ns : 1);
    l->depth = depth < 2 ? 2 : depth > LANE_SLOTS - 1 ? LANE_SLOTS - 1 : (uint32_t)depth;
}

static void forget_answered(struct lane *l)
{
    while (l->first != l->next && !entry_at(l, l->first)->job)
        l->first = serial_after(l->first);
}

/* `body`: private bytes. */
static void take_result(struct lane *l, const struct wire_result *head, const char *body)
{
    const struct pool_view *v = pool_view(l->pool);
    struct lane_entry *e = entry_at(l, head->serial);
    struct worker_result res;
    void *job = e->job;
    int err;

    if (head->serial == 0 || !job || e->serial != head->serial) {
        protocol_error(l, "it answered a job that it does not have");
        return;
    }
    err = result_decode(head, body, v->pl->emit_count, &l->arena, &res);
    if (err) {
        protocol_error(l, err == -ENOMEM ? "its result is too large" : "its result is malformed");
        return;
    }
    e->job = NULL;
    forget_answered(l);
    l->in_flight--;
    v->stats->in_flight--;
    l->done++;
    l->answers++;
    update_depth(l, res.run_ns);
    v->ops->finished(v->data, job, &res);
    arena_reset(&l->arena);
}

static void take_result_inline(struct lane *l, const char *data, size_t len)
{
    struct wire_result head;

    if (len < sizeof head) {
        protocol_error(l, "a result is cut short");
        return;
    }
    memcpy(&head, data, sizeof head);
    if (head.body_len != len - sizeof head) {
        protocol_error(l, "a result has the wrong length");
        return;
    }
    buf_reset(&l->scratch);
    buf_add(&l->scratch, data + sizeof head, len - sizeof head);
    if (l->scratch.failed)
        protocol_error(l, "its result is too large");
    else
        take_result(l, &head, l->scratch.data);
}

static void take_result_passed(struct lane *l, const char *data, size_t len)
{
    struct wire_result head;
    const void *body;
    int fd, err;

    if (len != sizeof head) {
        protocol_error(l, "a result is cut short");
        return;
    }
    memcpy(&head, data, sizeof head);
    fd = fd_receive(l->pass_fd);
    if (fd < 0 || head.body_len > RESULT_BODY_MAX) {
        if (fd >= 0)
            close(fd);
        protocol_error(l, "a large result did not come");
        return;
    }
    err = sealed_map(fd, (size_t)head.body_len, &body); /* sealed: it cannot change any more */
    close(fd);
    if (err) {
        protocol_error(l, "a large result is not sealed");
        return;
    }
    take_result(l, &head, body);
    munmap((void *)body, (size_t)head.body_len);
}

static void take_metric(struct lane *l, const char *data, size_t len)
{
    struct wire_metric wm;
    const char *text = data + sizeof wm;
    char name[64] = "", help[256] = "";

    if (len < sizeof wm)
        goto bad;
    memcpy(&wm, data, sizeof wm);
    if (wm.name_len >= sizeof name || wm.help_len >= sizeof help ||
        len != sizeof wm + wm.name_len + wm.help_len)
        goto bad;
    memcpy(name, text, wm.name_len);
    memcpy(help, text + wm.name_len, wm.help_len);
    if (pool_take_metric(l->pool, l->number, wm.id, wm.kind, name, help) == 0)
        return;
bad:
    protocol_error(l, "it defined a malformed metric");
}

static void take_value(struct lane *l, const char *data, size_t len)
{
    struct wire_metric_value mv;

    if (len == sizeof mv) {
        memcpy(&mv, data, sizeof mv);
        if (pool_take_value(l->pool, l->number, mv.id, mv.value) == 0)
            return;
    }
    protocol_error(l, "it sent a malformed metric");
}

static void take_ready(struct lane *l)
{
    if (l->state != LANE_STARTING)
        return;
    l->was_ready = true;
    l->start_deaths = 0;
    l->backoff_ms = 0;
    set_state(l, LANE_READY);
    event_del(l->start_timer);
    log_event(LOG_DEBUG, "worker.ready", "a worker is ready",
              LF_STR("pipeline", pool_view(l->pool)->pl->name), LF_INT("worker", l->number),
              LF_INT("pid", l->pid));
    pool_lane_ready(l->pool, l);
}

static void take_record(struct lane *l, uint32_t kind, const char *data, size_t len)
{
    switch (kind) {
    case WIRE_RESULT:
        take_result_inline(l, data, len);
        break;
    case WIRE_RESULT_FD:
        take_result_passed(l, data, len);
        break;
    case WIRE_METRIC:
        take_metric(l, data, len);
        break;
    case WIRE_METRIC_VALUE:
        take_value(l, data, len);
        break;
    case WIRE_READY:
        take_ready(l);
        break;
    default:
        protocol_error(l, "it wrote a record of an unknown kind");
        break;
    }
}

/* Up to `max` records. True: there may be more. */
static bool drain_results(struct lane *l, size_t max)
{
    for (size_t n = 0; n < max; n++) {
        const void *data;
        uint32_t kind;
        size_t len;
        int rc;

        if (l->killed && l->kill_cause == DEATH_PROTOCOL)
            return false; /* nothing it wrote counts any more */
        rc = ring_next(&l->results, &kind, &data, &len);
        if (rc < 0)
            protocol_error(l, "the index of its result ring is nonsense");
        if (rc <= 0)
            return false;
        take_record(l, kind, data, len);
        if (l->state == LANE_DEAD)
            return false;
    }
    return true;
}

static void on_results(evutil_socket_t fd, short what, void *data)
{
    struct lane *l = data;
    uint64_t count;
    bool more;

    (void)what;
    (void)!read(fd, &count, sizeof count);
    do
        more = drain_results(l, ROUND_RECORDS);
    while (!more && !l->killed && l->state != LANE_DEAD && !ring_wait_for_record(&l->results));
    if (l->state != LANE_DEAD) {
        if (ring_release(&l->results))
            wake_worker(l);
        if (more)
            event_active(l->result_event, EV_READ, 0);
    }
    pool_lane_batch(l->pool, l);
}

/* ---- Death ---- */

static void return_jobs(struct lane *l, const struct death_note *note)
{
    const struct pool_view *v = pool_view(l->pool);
    uint32_t current =
        atomic_load_explicit(&l->channel.control->current, memory_order_acquire);
    const struct worker_death *charged = NULL;
    uint32_t serial;

    for (serial = l->first; serial != l->next; serial = serial_after(serial)) {
        struct lane_entry *e = entry_at(l, serial);
        void *job = e->job;

        if (!job)
            continue;
        e->job = NULL;
        l->in_flight--;
        v->stats->in_flight--;
        if (serial == current)
            charged = &note->death;
        v->ops->returned(v->data, job, serial == current ? &note->death : NULL);
    }
    l->first = l->next;
    if (charged)
        v->stats->deaths[note->death.cause]++;
    else if (!(l->was_ready && l->state == LANE_STOPPING && note->death.exit_status == 0))
        v->stats->unexplained++;
}

static void log_death(const struct lane *l, const struct death_note *note, bool orderly)
{
    log_event(orderly ? LOG_DEBUG : LOG_WARN, "worker.died", "a worker process has ended",
              LF_STR("pipeline", pool_view(l->pool)->pl->name), LF_INT("worker", l->number),
              LF_INT("pid", l->pid), LF_STR("cause", orderly ? "stopped" : death_cause_names[note->death.cause]),
              LF_STR("text", orderly ? "ended as asked" : note->text),
              LF_INT("jobs", l->done), LF_INT("unanswered", l->in_flight));
}

static void close_process(struct lane *l)
{
    struct event **events[] = {&l->death_event, &l->result_event};
    int *fds[] = {&l->pidfd, &l->job_fd, &l->result_fd, &l->pass_fd};

    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (*events[i])
            event_free(*events[i]);
        *events[i] = NULL;
    }
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
    log_pipe_close(&l->log);
    channel_close(&l->channel);
    l->pid = 0;
}

static void on_death(evutil_socket_t fd, short what, void *data)
{
    struct lane *l = data;
    struct death_note *note = xmalloc(sizeof *note);
    char reason[640];
    bool orderly, at_start;

    (void)fd, (void)what;
    while (drain_results(l, ROUND_RECORDS))
        ; /* what it answered before it died counts */
    log_pipe_drain(&l->log);
    death_examine(l, note);
    orderly = l->state == LANE_STOPPING && !l->killed && !note->death.signal &&
              note->death.exit_status == 0;
    at_start = !l->was_ready && !l->killed;
    if (l->state == LANE_STARTING && l->killed)
        at_start = true;
    log_death(l, note, orderly);
    snprintf(reason, sizeof reason, "%s", l->log.last[0] ? l->log.last : note->text);
    event_del(l->start_timer);
    return_jobs(l, note);
    close_process(l);
    set_state(l, LANE_DEAD);
    free(note);
    pool_lane_dead(l->pool, l, at_start, reason);
}

void lane_kill(struct lane *l, enum death_cause cause, const char *reason)
{
    if (l->killed || l->pidfd < 0)
        return;
    l->killed = true;
    l->kill_cause = cause;
    l->kill_reason = reason;
    log_event(LOG_WARN, "worker.killed", "a worker is killed",
              LF_STR("pipeline", pool_view(l->pool)->pl->name), LF_INT("worker", l->number),
              LF_INT("pid", l->pid), LF_STR("cause", death_cause_names[cause]),
              LF_STR("reason", reason));
    (void)syscall(SYS_pidfd_send_signal, l->pidfd, SIGKILL, NULL, 0);
}

/* ---- The watch ---- */

static void watch_job(struct lane *l, int64_t now_ns)
{
    const struct settings_pipeline *pl = pool_view(l->pool)->pl;
    uint32_t current = atomic_load_explicit(&l->channel.control->current, memory_order_relaxed);
    int64_t limit_ns = pl->deadline_ms * NS_PER_MS, elapsed_ns;

    if (current != l->seen_current || l->answers != l->seen_answers || l->in_flight == 0) {
        l->seen_current = current;
        l->seen_answers = l->answers;
        l->seen_since_ns = now_ns;
        l->cancelled = false;
        return;
    }
    elapsed_ns = now_ns - l->seen_since_ns;
    if (elapsed_ns < limit_ns)
        return;
    if (!l->cancelled) {
        l->cancelled = true;
        atomic_store_explicit(&l->channel.control->cancel, current, memory_order_relaxed);
        log_event(LOG_WARN, "job.deadline", "a job is past its deadline and is asked to stop",
                  LF_STR("pipeline", pl->name), LF_INT("worker", l->number), LF_INT("pid", l->pid),
                  LF_INT("deadline_ms", pl->deadline_ms));
    }
    if (elapsed_ns >= limit_ns + pl->grace_ms * NS_PER_MS)
        lane_kill(l, DEATH_TIMEOUT, "the job ran past its deadline and its grace");
}

static void tell_to_stop(struct lane *l);

void lane_watch(struct lane *l, int64_t now_ns)
{
    const struct settings_pipeline *pl = pool_view(l->pool)->pl;

    if (l->state == LANE_STOPPING && !l->killed)
        tell_to_stop(l);
    if (l->state == LANE_READY || l->state == LANE_STOPPING)
        watch_job(l, now_ns);
    /* The jobs it had when it was told to stop have their own deadlines; then `close` has this long. */
    if (l->state == LANE_STOPPING && l->in_flight > 0)
        l->stop_since_ns = now_ns;
    if (l->state == LANE_STOPPING &&
        now_ns - l->stop_since_ns > (pl->grace_ms + 3000) * NS_PER_MS)
        lane_kill(l, DEATH_TIMEOUT, "it did not end when it was told to");
}

/* ---- Life ---- */

static void on_start_timeout(evutil_socket_t fd, short what, void *data)
{
    (void)fd, (void)what;
    lane_kill(data, DEATH_TIMEOUT, "it was not ready within start_timeout");
}

void lane_init(struct lane *l, struct pool *pool, uint32_t number)
{
    *l = (struct lane){.pool = pool, .number = number, .first = 1, .next = 1};
    l->pidfd = l->job_fd = l->result_fd = l->pass_fd = l->log.fd = l->channel.fd = -1;
    l->depth = number ? 2 : 1;
    l->service_ns = FIRST_GUESS_NS;
    l->entries = xcalloc(LANE_SLOTS, sizeof *l->entries);
    l->start_timer = evtimer_new(pool_view(pool)->base, on_start_timeout, l);
    buf_init(&l->scratch, RESULT_BODY_MAX);
    arena_init(&l->arena, RESULT_BODY_MAX);
}

void lane_done(struct lane *l)
{
    if (l->pidfd >= 0) {
        siginfo_t info;

        (void)syscall(SYS_pidfd_send_signal, l->pidfd, SIGKILL, NULL, 0);
        (void)waitid((idtype_t)3 /* P_PIDFD */, (id_t)l->pidfd, &info, WEXITED);
    }
    close_process(l);
    if (l->start_timer)
        event_free(l->start_timer);
    free(l->entries);
    buf_done(&l->scratch);
    arena_done(&l->arena);
}

static int watch_process(struct lane *l, const struct spawned *s)
{
    const struct pool_view *v = pool_view(l->pool);
    struct timeval limit = {v->pl->start_timeout_ms / 1000, v->pl->start_timeout_ms % 1000 * 1000};

    l->pid = s->pid;
    l->pidfd = s->pidfd;
    l->job_fd = s->job_fd;
    l->result_fd = s->result_fd;
    l->pass_fd = s->pass_fd;
    l->death_event = event_new(v->base, l->pidfd, EV_READ, on_death, l);
    l->result_event = event_new(v->base, l->result_fd, EV_READ | EV_PERSIST, on_results, l);
    if (!l->death_event || !l->result_event || event_add(l->death_event, NULL) != 0 ||
        event_add(l->result_event, NULL) != 0 || event_add(l->start_timer, &limit) != 0)
        return -ENOMEM;
    return log_pipe_open(&l->log, l, v->base, s->log_fd);
}

int lane_start(struct lane *l)
{
    const struct pool_view *v = pool_view(l->pool);
    struct spawned s;
    int err = channel_create(&l->channel, (uint32_t)v->pl->ring_bytes);

    if (err)
        return err;
    ring_writer_init(&l->jobs, &l->channel.control->jobs, l->channel.job_data,
                     (uint64_t)v->pl->ring_bytes);
    ring_reader_init(&l->results, &l->channel.control->results, l->channel.result_data,
                     (uint64_t)v->pl->ring_bytes);
    /* Nothing has been read yet: the first result must wake us. */
    atomic_store(&l->channel.control->results.reader_sleeps, 1);
    l->was_ready = l->killed = l->cancelled = l->stop_told = false;
    l->done = 0;
    l->seen_current = 0;
    l->oom_kills = host_oom_kills();
    err = worker_spawn(v->settings, v->pl, v->plugin_path, l->number, &l->channel, &s);
    if (err) {
        channel_close(&l->channel);
        return err;
    }
    v->stats->spawned++;
    err = watch_process(l, &s);
    set_state(l, LANE_STARTING);
    log_event(LOG_DEBUG, "worker.started", "a worker process was started",
              LF_STR("pipeline", v->pl->name), LF_INT("worker", l->number), LF_INT("pid", l->pid));
    if (err)
        lane_kill(l, DEATH_CRASH, "the core has no memory to watch it");
    return 0;
}

/* Told once its ring has room for the word; the watch tries again where it has none. */
static void tell_to_stop(struct lane *l)
{
    void *at;

    if (l->stop_told || ring_reserve(&l->jobs, WIRE_STOP, 0, &at) != 0)
        return;
    l->stop_told = true;
    lane_flush(l);
}

void lane_stop(struct lane *l)
{
    if (l->state == LANE_STARTING) {
        set_state(l, LANE_STOPPING);
        l->stop_since_ns = clock_now_ns();
        lane_kill(l, DEATH_CRASH, "stopped before it was ready");
        return;
    }
    if (l->state != LANE_READY)
        return;
    set_state(l, LANE_STOPPING);
    l->stop_since_ns = clock_now_ns();
    tell_to_stop(l);
}
