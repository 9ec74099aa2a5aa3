/* metrics: see the header. No connection lives longer than two turns, whatever it does, and there are never more than 2 * TURN_CONNECTIONS:
 * with each turn all those end that came before the last one. So a peer that is slow or many keeps others waiting for a moment only. */
#include "daemon/metrics.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "daemon/start.h"

enum { TURN_CONNECTIONS = 32, TURN_MS = 5000, HEAD_MAX = 8192 };

struct metrics {
    struct start start;
    struct loop *loop;
    int listen_fd;
    const metric_cell *pages[METRIC_PAGES];
    struct evhttp *http, *before; /* of this turn, which lets people in; of the last */
    struct evhttp_bound_socket *door;
    struct evconnlistener *listener;
    unsigned came; /* in this turn */
    struct loop_timer *turn;
};

/* ---- an answer */

static void answer(struct evhttp_request *q, void *arg)
{
    const struct metrics *x = arg;
    struct evbuffer *body = evbuffer_new();
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);
    if (to) {
        metric_print(x->pages, to);
        fclose(to);
    }
    struct evkeyvalq *head = evhttp_request_get_output_headers(q);
    evhttp_add_header(head, "Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8");
    evhttp_add_header(head, "Cache-Control", "no-store");
    evhttp_add_header(head, "Connection", "close");
    if (text && body && evbuffer_add(body, text, n) == 0)
        evhttp_send_reply(q, HTTP_OK, "OK", body);
    else
        evhttp_send_error(q, HTTP_INTERNAL, NULL);
    if (body)
        evbuffer_free(body);
    free(text);
}

/* ---- connections */

static struct bufferevent *begin(struct event_base *base, void *arg)
{
    struct metrics *x = arg;
    if (++x->came == TURN_CONNECTIONS) {
        evconnlistener_disable(x->listener); /* the others wait in the kernel */
        loop_timer_set(x->turn, 0);
    } else if (x->came == 1)
        loop_timer_set(x->turn, TURN_MS);
    return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
}

static void open_turn(struct metrics *x)
{
    struct event_base *base = loop_event_base(x->loop);
    x->came = 0;
    x->http = evhttp_new(base);
    /* Backlog 0: it listens already. Freeing it does not close the descriptor. */
    x->listener = x->http ? evconnlistener_new(base, NULL, NULL, 0, 0, x->listen_fd) : NULL;
    x->door = x->listener ? evhttp_bind_listener(x->http, x->listener) : NULL;
    if (!x->door) {
        log_error("metrics", "no memory for a server");
        exit(EXIT_FAILURE);
    }
    evhttp_set_bevcb(x->http, begin, x);
    evhttp_set_allowed_methods(x->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(x->http, HEAD_MAX);
    evhttp_set_max_body_size(x->http, 0);
    evhttp_set_cb(x->http, "/metrics", answer, x);
}

static void on_turn(void *arg)
{
    struct metrics *x = arg;
    bool had = x->came > 0;
    if (x->before)
        evhttp_free(x->before);
    evhttp_del_accept_socket(x->http, x->door);
    x->before = x->http;
    open_turn(x);
    if (had)
        loop_timer_set(x->turn, TURN_MS);
}

/* ---- the process */

static bool master_says(void *arg, const struct talk *t)
{
    (void)arg;
    (void)t;
    return false;
}

static void stop(void *arg)
{
    struct metrics *x = arg;
    loop_stop(x->loop);
}

static const struct start_events master_events = {master_says, stop, NULL};

static void keep(void *arg, const struct talk *t)
{
    struct metrics *x = arg;
    if (t->type == TALK_LISTEN) {
        x->listen_fd = t->fd;
        return;
    }
    if (t->type == TALK_METRIC && t->num[0] < METRIC_PAGES)
        x->pages[t->num[0]] = metric_map(t->fd);
    if (t->fd >= 0)
        close(t->fd);
}

int metrics_run(void)
{
    struct metrics *x = mem_alloc(sizeof *x);
    x->listen_fd = -1;
    signal(SIGPIPE, SIG_IGN);
    start_role(&x->start, ROLE_METRICS, keep, x);
    start_seal(&x->start, start_empty_root(&x->start), NULL, 0);
    x->loop = loop_new();
    x->turn = loop_timer_new(x->loop, on_turn, x);
    start_listen(&x->start, x->loop, &master_events, x);
    open_turn(x);
    loop_run(x->loop);
    return EXIT_SUCCESS;
}
