/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See server.h. The port is found by binding to port 0; nginx is ready when a connection succeeds.
 * It may lose the race for the port, in which case another one is tried.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pictures.h"

int server_port;
static pid_t server_pid;

/* @ stands for the temporary place, # for the port. */
static const char config[] =
    "daemon off; master_process off; worker_processes 1; pid @/nginx.pid;\n"
    "error_log @/nginx.log;\n"
    "events { worker_connections 64; }\n"
    "http {\n"
    "  access_log off; default_type application/octet-stream;\n"
    "  client_body_temp_path @/t1; proxy_temp_path @/t2; fastcgi_temp_path @/t3;\n"
    "  uwsgi_temp_path @/t4; scgi_temp_path @/t5;\n"
    "  server {\n"
    "    listen 127.0.0.1:#; root @/in;\n"
    "    location = /403 { return 403 'no'; }\n"
    "    location = /404 { return 404 'no'; }\n"
    "    location = /410 { return 410 'gone'; }\n"
    "    location = /429 { add_header Retry-After 7 always; return 429 'later'; }\n"
    "    location = /500 { return 500 'broken'; }\n"
    "    location = /503 { add_header Retry-After 99999999 always; return 503 'away'; }\n"
    "    location = /204 { return 204; }\n"
    "    location = /empty { return 200 ''; }\n"
    "    location = /html { return 200 '<html>sign in</html>'; }\n"
    "    location = /ok { return 302 /web.jpg?token=secret; }\n"
    "    location = /loop { return 302 /loop; }\n"
    "    location = /file { return 302 file:///etc/passwd; }\n"
    "    location = /gopher { return 302 gopher://127.0.0.1/; }\n"
    "    location = /nowhere { return 302 http://127.0.0.1:1/; }\n"
    "    location = /inside { return 302 http://127.0.0.2:#/web.jpg; }\n"
    "    location = /cut { return 444; }\n"
    "    location /slow/ { alias @/in/; limit_rate 2000; }\n"
    "    location /chunked/ { alias @/in/; sub_filter_types *; sub_filter_once off;\n"
    "                         sub_filter 'never-there' ''; gzip off; }\n"
    "  }\n"
    "}\n";

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) ||
        getsockname(fd, (struct sockaddr *)&address, &len))
        abort();
    close(fd);
    return ntohs(address.sin_port);
}

static int can_connect(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int ok = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;

    close(fd);
    return ok;
}

static void launch(const char *nginx)
{
    char text[16384], conf[300];
    size_t len = 0;

    server_port = free_port();
    for (const char *c = config; *c; c++) {
        if (*c == '@')
            len += (size_t)sprintf(text + len, "%s", place);
        else if (*c == '#')
            len += (size_t)sprintf(text + len, "%d", server_port);
        else
            text[len++] = *c;
    }
    place_write("nginx.conf", text, len);
    snprintf(conf, sizeof conf, "%s/nginx.conf", place);
    server_pid = fork();
    if (server_pid < 0)
        abort();
    if (server_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(nginx, nginx, "-p", place, "-e", "stderr", "-c", conf, (char *)NULL);
        _exit(127);
    }
}

int server_start(void)
{
    static const char nginx[] = "/usr/sbin/nginx";

    if (access(nginx, X_OK))
        return -1;
    for (int attempt = 0; attempt < 5; attempt++) {
        launch(nginx);
        for (int i = 0; i < 500; i++) {
            if (waitpid(server_pid, NULL, WNOHANG) == server_pid)
                break;
            if (can_connect(server_port))
                return 0;
            poll(NULL, 0, 10);
        }
    }
    fprintf(stderr, "nginx does not start\n");
    abort();
}

void server_stop(void)
{
    if (server_pid <= 0)
        return;
    kill(server_pid, SIGTERM);
    waitpid(server_pid, NULL, 0);
    server_pid = 0;
}
