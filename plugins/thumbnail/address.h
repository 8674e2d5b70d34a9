/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address: may a job make this machine connect there? A job names a URL, and whoever can write jobs
 * must not reach through the worker what only the worker can reach: its own loopback, the private
 * network, the cloud's metadata service. The question is asked of the resolved address, at the
 * moment of the connection, redirects included, so names and DNS rebinding do not help.
 */
#ifndef THUMBNAIL_ADDRESS_H
#define THUMBNAIL_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* True for addresses of the public internet only; false for any other family. */
bool address_is_public(const struct sockaddr *address);

#endif
