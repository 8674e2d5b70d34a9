/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See address.h. The list is IANA's special-purpose registries (RFC 6890 and its updates) with all
 * that is not globally reachable, plus multicast. For IPv6 the rule is turned round: only 2000::/3,
 * the one block that is given out, is public, less the parts of it that embed or tunnel other
 * addresses (6to4, Teredo) or are reserved. v4-mapped, v4-compatible and NAT64 addresses lie
 * outside of it and are refused whatever they embed: no public server needs to be named that way.
 */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static const struct {
    uint32_t net;
    int bits;
} denied4[] = {
    {0x00000000, 8},  /* 0.0.0.0/8 this network */
    {0x0a000000, 8},  /* 10.0.0.0/8 private */
    {0x64400000, 10}, /* 100.64.0.0/10 carrier-grade NAT */
    {0x7f000000, 8},  /* 127.0.0.0/8 loopback */
    {0xa9fe0000, 16}, /* 169.254.0.0/16 link-local, cloud metadata */
    {0xac100000, 12}, /* 172.16.0.0/12 private */
    {0xc0000000, 24}, /* 192.0.0.0/24 IETF protocol assignments */
    {0xc0000200, 24}, /* 192.0.2.0/24 documentation */
    {0xc0586300, 24}, /* 192.88.99.0/24 6to4 relay */
    {0xc0a80000, 16}, /* 192.168.0.0/16 private */
    {0xc6120000, 15}, /* 198.18.0.0/15 benchmarking */
    {0xc6336400, 24}, /* 198.51.100.0/24 documentation */
    {0xcb007100, 24}, /* 203.0.113.0/24 documentation */
    {0xe0000000, 4},  /* 224.0.0.0/4 multicast */
    {0xf0000000, 4},  /* 240.0.0.0/4 reserved, broadcast */
};

static const struct {
    uint8_t net[6];
    int bits;
} denied6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23},             /* 2001::/23 protocol assignments, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},             /* 2001:db8::/32 documentation */
    {{0x20, 0x02}, 16},                         /* 2002::/16 6to4: embeds any IPv4 address */
    {{0x26, 0x20, 0x00, 0x4f, 0x80, 0x00}, 48}, /* 2620:4f:8000::/48 AS112 */
    {{0x3f, 0xff, 0x00}, 20},                   /* 3fff::/20 documentation */
};

static bool is_public4(uint32_t ip)
{
    for (size_t i = 0; i < sizeof denied4 / sizeof denied4[0]; i++)
        if (((ip ^ denied4[i].net) >> (32 - denied4[i].bits)) == 0)
            return false;
    return true;
}

static bool prefix_equal(const uint8_t *ip, const uint8_t *net, int bits)
{
    int whole = bits / 8, rest = bits % 8;

    return memcmp(ip, net, (size_t)whole) == 0 &&
           (rest == 0 || ((ip[whole] ^ net[whole]) >> (8 - rest)) == 0);
}

static bool is_public6(const uint8_t *ip)
{
    if ((ip[0] & 0xe0) != 0x20)
        return false;
    for (size_t i = 0; i < sizeof denied6 / sizeof denied6[0]; i++)
        if (prefix_equal(ip, denied6[i].net, denied6[i].bits))
            return false;
    return true;
}

bool address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in4;

        memcpy(&in4, address, sizeof in4);
        return is_public4(ntohl(in4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, address, sizeof in6);
        return is_public6(in6.sin6_addr.s6_addr);
    }
    return false;
}
