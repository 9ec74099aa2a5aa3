/* metrics: serves what the roles have counted, by HTTP on loopback, as OpenMetrics. Can read the pages and nothing else; asks nobody. The one
 * place that names libevent's evhttp. */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

int metrics_run(void);

#endif
