// Requests and replies, connections with several: what they do, and what they refuse.

#include "seen.h"

static void cancelled(void *user, const a0rs_id *id) {
    struct seen *seen = user;
    strcpy(seen->last, id->text);
    add(seen, &seen->cancelled);
}

static void *answers(void *kept) {
    a0rs_rpc_request *request = kept;
    OK(a0rs_rpc_request_reply(request, NULL, 0, "late", 4));
    a0rs_rpc_request_destroy(request);
    return NULL;
}

static void serve(void *user, a0rs_rpc_request *request) {
    (void)user;
    const a0rs_packet *packet = a0rs_rpc_request_packet(request);
    if (is(packet->payload, "fail")) {
        OK(a0rs_rpc_request_fail(request, "no luck"));
    } else if (is(packet->payload, "keep")) {
        pthread_t thread;
        TRUE(pthread_create(&thread, NULL, answers, request) == 0);
        pthread_detach(thread);
        return;
    } else if (!is(packet->payload, "never")) {
        a0rs_header header = {"echo", a0rs_packet_header(packet, "key")};
        OK(a0rs_rpc_request_reply(request, &header, 1, packet->payload.data, packet->payload.len));
    }
    a0rs_rpc_request_destroy(request);
}

static void replied(void *user, a0rs_error error, const a0rs_packet *reply) {
    struct seen *seen = user;
    seen->error = error;
    TRUE((error == A0RS_OK) == (reply != NULL));
    if (reply) memcpy(seen->last, reply->payload.data, reply->payload.len);
    else TRUE(strstr(a0rs_error_message(), "rpc.rpc.a0"));
    add(seen, &seen->calls);
}

static void rpc(void) {
    struct seen seen = fresh();
    a0rs_rpc_server *server;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_rpc_server_create("rpc", NULL, NULL, cancelled, &seen, freed, &server));
    a0rs_server_options options = {.start = 2};
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_rpc_server_create("rpc", &options, serve, cancelled, &seen, freed, &server));
    TRUE(seen.freed == 2 && server == NULL);
    OK(a0rs_rpc_server_create("rpc", NULL, serve, cancelled, &seen, freed, &server));
    a0rs_rpc_client *client;
    OK(a0rs_rpc_client_create("rpc", NULL, &client));

    a0rs_owned_packet *reply;
    a0rs_header header = {"key", "value"};
    OK(a0rs_rpc_client_call(client, &header, 1, "ask", 3, 10000, &reply));
    const a0rs_packet *view = a0rs_owned_packet_view(reply);
    TRUE(is(view->payload, "ask") && strcmp(a0rs_packet_header(view, "echo"), "value") == 0);
    a0rs_owned_packet_destroy(reply);
    OK(a0rs_rpc_client_call(client, NULL, 0, "keep", 4, -1, &reply));
    TRUE(is(a0rs_owned_packet_view(reply)->payload, "late"));
    a0rs_owned_packet_destroy(reply);
    EXPECT(A0RS_ERROR_REMOTE, a0rs_rpc_client_call(client, NULL, 0, "fail", 4, 10000, &reply));
    TRUE(reply == NULL && strstr(a0rs_error_message(), "no luck"));
    EXPECT(A0RS_ERROR_TIMEOUT, a0rs_rpc_client_call(client, NULL, 0, "never", 5, 20, &reply));
    await(&seen, &seen.cancelled, 1);
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_rpc_client_call(client, NULL, 0, "ask", 3, -1, NULL));
    TRUE(strcmp(a0rs_error_message(), "invalid argument reply: it is null") == 0);
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_rpc_client_call(NULL, NULL, 0, "ask", 3, -1, &reply));

    struct seen sent = fresh();
    a0rs_id id;
    OK(a0rs_rpc_client_send(client, &header, 1, "send", 4, 10000, replied, &sent, freed, NULL));
    await(&sent, &sent.freed, 1);
    TRUE(sent.calls == 1 && sent.error == A0RS_OK && strcmp(sent.last, "send") == 0);
    OK(a0rs_rpc_client_send(client, NULL, 0, "never", 5, 1, replied, &sent, freed, NULL));
    await(&sent, &sent.freed, 2);
    TRUE(sent.calls == 2 && sent.error == A0RS_ERROR_TIMEOUT);
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_rpc_client_send(client, NULL, 0, "x", 1, -1, NULL, &sent, freed, NULL));
    TRUE(sent.freed == 3);
    OK(a0rs_rpc_client_send(client, NULL, 0, "never", 5, -1, replied, &sent, freed, &id));
    OK(a0rs_rpc_client_cancel(client, &id));
    await(&sent, &sent.freed, 4);
    TRUE(sent.calls == 2);
    // The one that timed out, the last one, and before them the call that timed out.
    await(&seen, &seen.cancelled, 3);
    TRUE(strcmp(seen.last, id.text) == 0);
    id.text[36] = 'x';
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_rpc_client_cancel(client, &id));
    // What waits when the client goes is freed, and not called back.
    OK(a0rs_rpc_client_send(client, NULL, 0, "never", 5, -1, replied, &sent, freed, NULL));
    a0rs_rpc_client_destroy(client);
    await(&sent, &sent.freed, 5);
    TRUE(sent.calls == 2);

    a0rs_rpc_server_destroy(server);
    TRUE(seen.freed == 3);
    a0rs_rpc_server_destroy(NULL);
    a0rs_rpc_request_destroy(NULL);
    a0rs_rpc_client_destroy(NULL);
}

static void connected(void *user, a0rs_prpc_connection *connection) {
    (void)user;
    const a0rs_packet *packet = a0rs_prpc_connection_packet(connection);
    if (is(packet->payload, "fail")) {
        OK(a0rs_prpc_connection_fail(connection, "no luck"));
    } else if (is(packet->payload, "endless")) {
        while (!a0rs_prpc_connection_is_cancelled(connection)) {
            OK(a0rs_prpc_connection_send(connection, NULL, 0, "more", 4, false));
            usleep(100);
        }
    } else {
        OK(a0rs_prpc_connection_send(connection, NULL, 0, "1", 1, false));
        OK(a0rs_prpc_connection_send(connection, NULL, 0, "2", 1, false));
        OK(a0rs_prpc_connection_send(connection, NULL, 0, "3", 1, true));
    }
    a0rs_prpc_connection_destroy(connection);
}

static void progressed(void *user, a0rs_error error, const a0rs_packet *answer, bool done) {
    struct seen *seen = user;
    seen->error = error;
    if (answer) strncat(seen->last, (const char *)answer->payload.data, answer->payload.len == 1 ? 1 : 0);
    seen->done += done;
    add(seen, &seen->calls);
}

static void prpc(void) {
    struct seen seen = fresh(), opened = fresh();
    a0rs_prpc_server *server;
    a0rs_prpc_client *client;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_prpc_server_create(NULL, NULL, connected, NULL, &seen, freed, &server));
    OK(a0rs_prpc_server_create("prpc", NULL, connected, cancelled, &seen, freed, &server));
    OK(a0rs_prpc_client_create("prpc", NULL, &client));

    OK(a0rs_prpc_client_connect(client, NULL, 0, "count", 5, 10000, progressed, &opened, freed, NULL));
    await(&opened, &opened.freed, 1);
    TRUE(opened.calls == 3 && opened.done == 1 && strcmp(opened.last, "123") == 0);
    OK(a0rs_prpc_client_connect(client, NULL, 0, "fail", 4, 10000, progressed, &opened, freed, NULL));
    await(&opened, &opened.freed, 2);
    TRUE(opened.done == 2 && opened.error == A0RS_ERROR_REMOTE);

    struct seen endless = fresh();
    a0rs_id id;
    OK(a0rs_prpc_client_connect(client, NULL, 0, "endless", 7, -1, progressed, &endless, freed, &id));
    pthread_mutex_lock(&endless.mutex);
    while (endless.calls < 2) pthread_cond_wait(&endless.changed, &endless.mutex);
    pthread_mutex_unlock(&endless.mutex);
    OK(a0rs_prpc_client_cancel(client, &id));
    await(&seen, &seen.cancelled, 1);
    TRUE(strcmp(seen.last, id.text) == 0);
    await(&endless, &endless.freed, 1);
    TRUE(endless.done == 0);

    a0rs_prpc_stream *stream;
    a0rs_owned_packet *answer;
    bool done;
    OK(a0rs_prpc_stream_create(client, NULL, 0, "count", 5, 10000, &stream));
    for (int i = 1; i <= 3; i++) {
        OK(a0rs_prpc_stream_next(stream, &answer, &done));
        TRUE(done == (i == 3) && a0rs_owned_packet_view(answer)->payload.data[0] == '0' + i);
        a0rs_owned_packet_destroy(answer);
    }
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_prpc_stream_next(stream, &answer, &done));
    TRUE(answer == NULL);
    a0rs_prpc_stream_destroy(stream);
    OK(a0rs_prpc_stream_create(client, NULL, 0, "endless", 7, 10000, &stream));

    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_prpc_client_cancel(client, NULL));
    a0rs_prpc_client_destroy(client);
    // It outlives its client, and cancels when it goes.
    OK(a0rs_prpc_stream_next(stream, &answer, &done));
    TRUE(!done && is(a0rs_owned_packet_view(answer)->payload, "more"));
    a0rs_owned_packet_destroy(answer);
    a0rs_prpc_stream_destroy(stream);
    await(&seen, &seen.cancelled, 2);
    a0rs_prpc_stream_destroy(NULL);
    a0rs_prpc_server_destroy(server);
    TRUE(seen.freed == 2);
    a0rs_prpc_client_destroy(NULL);
    a0rs_prpc_server_destroy(NULL);
    a0rs_prpc_connection_destroy(NULL);
}

int main(void) {
    rpc();
    prpc();
    return 0;
}
