// A server that doubles numbers, and a client that asks it.

#include <a0rs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(a0rs_error error) {
    if (error != A0RS_OK) {
        fprintf(stderr, "%s: %s\n", a0rs_error_name(error), a0rs_error_message());
        exit(1);
    }
}

// Runs on a thread of the library.
static void on_request(void *user, a0rs_rpc_request *request) {
    (void)user;
    int number;
    a0rs_bytes asked = a0rs_rpc_request_packet(request)->payload;
    if (asked.len == sizeof number) {
        memcpy(&number, asked.data, sizeof number);
        number *= 2;
        check(a0rs_rpc_request_reply(request, NULL, 0, &number, sizeof number));
    } else {
        check(a0rs_rpc_request_fail(request, "not a number"));
    }
    a0rs_rpc_request_destroy(request);
}

int main(void) {
    a0rs_rpc_server *server;
    check(a0rs_rpc_server_create("example/double", NULL, on_request, NULL, NULL, NULL, &server));
    a0rs_rpc_client *client;
    check(a0rs_rpc_client_create("example/double", NULL, &client));

    int number = 21;
    a0rs_owned_packet *reply;
    check(a0rs_rpc_client_call(client, NULL, 0, &number, sizeof number, 10000, &reply));
    memcpy(&number, a0rs_owned_packet_view(reply)->payload.data, sizeof number);
    printf("%d\n", number);
    a0rs_owned_packet_destroy(reply);

    if (a0rs_rpc_client_call(client, NULL, 0, "x", 1, 10000, &reply) != A0RS_OK) printf("%s\n", a0rs_error_message());
    a0rs_rpc_client_destroy(client);
    a0rs_rpc_server_destroy(server);
    return 0;
}
