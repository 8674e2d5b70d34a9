/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server: a real nginx on a free loopback port, started from a configuration in the test's
 * temporary place, as an ordinary process of the test's own user.
 */
#ifndef THUMBNAIL_TEST_SERVER_H
#define THUMBNAIL_TEST_SERVER_H

extern int server_port;

/* 0; -1: there is no nginx on this machine. Anything else that fails ends the program. */
int server_start(void);
void server_stop(void);

#endif
