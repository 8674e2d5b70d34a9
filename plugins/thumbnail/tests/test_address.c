/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses a job may make a worker connect to: the first and last of every refused block,
 * the neighbours outside of it, and the spellings that attackers use for loopback.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "../address.h"

static bool judge(const char *text)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &in4.sin_addr) == 1)
        return address_is_public((const struct sockaddr *)&in4);
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
        fail_msg("%s is not an address", text);
    return address_is_public((const struct sockaddr *)&in6);
}

static void refuses_private(void **state)
{
    static const char *const denied[] = {
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.0.0.2",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.255",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:1ff::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2001:db8:ffff:ffff::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "2620:4f:8000::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fdff:ffff::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff00::1",
        "ff02::1",
        "ffff::1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof denied / sizeof denied[0]; i++)
        if (judge(denied[i]))
            fail_msg("%s was taken for public", denied[i]);
}

static void takes_public(void **state)
{
    static const char *const allowed[] = {
        "1.0.0.0",         "9.255.255.255",   "11.0.0.0",       "100.63.255.255",
        "100.128.0.0",     "126.255.255.255", "128.0.0.0",      "169.253.255.255",
        "169.255.0.0",     "172.15.255.255",  "172.32.0.0",     "192.0.1.0",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255", "198.20.0.0",
        "223.255.255.255", "8.8.8.8",         "2001:200::1",    "2001:4860:4860::8888",
        "2001:db7::1",     "2001:db9::1",     "2003::1",        "2606:4700::1111",
        "2620:4f:8001::1", "2a00:1450::1",    "3ffe::1",        "3fff:1000::1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        if (!judge(allowed[i]))
            fail_msg("%s was refused", allowed[i]);
}

static void refuses_other_families(void **state)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_storage none;

    (void)state;
    memset(&none, 0, sizeof none);
    assert_false(address_is_public((const struct sockaddr *)&local));
    assert_false(address_is_public((const struct sockaddr *)&none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_private),
        cmocka_unit_test(takes_public),
        cmocka_unit_test(refuses_other_families),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
