/* SPDX-License-Identifier: Apache-2.0 */
/*
 * librdkafka's mock cluster as a process, for the tests of the test tools themselves.
 *
 *     mock TOPIC:PARTITIONS...       prints "127.0.0.1:PORT", lives until its standard input ends
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

int main(int argc, char **argv)
{
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), NULL, 0);
    rd_kafka_mock_cluster_t *cluster = rk ? rd_kafka_mock_cluster_new(rk, 1) : NULL;
    char byte;

    if (!cluster)
        return 1;
    for (int i = 1; i < argc; i++) {
        char *colon = strchr(argv[i], ':');

        if (!colon)
            return 64;
        *colon = 0;
        if (rd_kafka_mock_topic_create(cluster, argv[i], atoi(colon + 1), 1))
            return 1;
    }
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(rk);
    return 0;
}
